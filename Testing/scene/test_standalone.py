"""The scene outside Slicer: whole, quiet, and gone without a trace when it is stopped."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import zipfile

import pytest
import SimpleITK as sitk
import slicer
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.scene import bridge, standalone
from MedImgAnalysisLib.scene.digest import scene_digest
from MedImgAnalysisLib.values import Column, Landmarks, Measurements
from scene_helpers import add_transform, overlapping, put_under, ramp, rigid_matrix, same_voxels


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python that runs `code`; leaks that VTK finds at exit are printed by it."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


USE = """
import numpy as np, SimpleITK as sitk
from MedImgAnalysisLib.scene import standalone
for _ in range(3):
    standalone.start()
    import slicer
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Labels
    image = sitk.GetImageFromArray(np.ones((4, 5, 6), np.int16))
    node = bridge.add_node(image, "x", kind="image")
    bridge.add_node(Labels.from_masks([("a", image)]), "s", kind="labels", like=node)
    bridge.add_node(sitk.TranslationTransform(3, (1, 2, 3)), "t", kind="transform")
    assert slicer.mrmlScene.GetNumberOfNodes() > 50
    {end}
{after}
print("done")
"""


@pytest.mark.parametrize("end", ["standalone.stop()", "pass", "del node; standalone.stop()"])
def test_start_and_stop_can_be_repeated_and_leave_nothing_behind(end):
    done = python(USE.format(end=end, after="standalone.stop()"))
    assert (done.returncode, done.stdout.strip()) == (0, "done")
    assert done.stderr == ""


def test_a_program_that_just_ends_does_not_crash():
    done = python(USE.format(end="pass", after=""))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")


def test_a_program_that_fails_shows_its_own_error_only():
    done = python(USE.format(end="pass", after="raise SystemExit(7)"))
    assert done.returncode == 7
    assert done.stderr == ""


def test_slicer_is_as_it_was_after_stop():
    done = python(
        "from MedImgAnalysisLib.scene import standalone\n"
        "standalone.start(); import slicer; standalone.stop()\n"
        "print(hasattr(slicer, 'mrmlScene'), hasattr(slicer, 'modules'), standalone.running())"
    )
    assert done.stdout.split() == ["False", "False", "False"]


def test_inside_slicer_nothing_is_done():
    done = python(
        "import sys, types\n"
        "fake = types.ModuleType('slicer'); fake.app = object(); fake.mrmlScene = 'the scene of Slicer'\n"
        "sys.modules['slicer'] = fake\n"
        "from MedImgAnalysisLib.scene import standalone\n"
        "standalone.start(); standalone.stop()\n"
        "print(fake.mrmlScene, standalone.running(), 'vtk' in sys.modules)"
    )
    assert done.stdout.strip() == "the scene of Slicer False False"


def test_without_slicer_core_the_error_names_the_package():
    done = python(
        "import sys; sys.modules['slicer'] = None\n"
        "from MedImgAnalysisLib.scene import standalone\n"
        "try: standalone.start()\n"
        "except ImportError as error: print(type(error).__name__, error.package, error)"
    )
    assert done.stdout.startswith(
        "MissingPackageError slicer-core A scene outside Slicer needs the package slicer-core"
    )


def test_another_package_of_the_name_slicer_is_told_apart(tmp_path):
    (tmp_path / "slicer.py").write_text("class Explanation: pass\n")
    done = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from MedImgAnalysisLib.scene import standalone\n"
        "try: standalone.start()\n"
        "except ImportError as error: print(type(error).__name__, error.package, error)"
    )
    assert done.stdout.startswith(
        "MissingPackageError slicer-core The installed package slicer is not that of 3D Slicer"
    )
    assert str(tmp_path) in done.stdout


def test_starting_twice_keeps_the_scene(scene):
    standalone.start()
    assert slicer.mrmlScene is scene


def test_messages_of_vtk_go_to_logging_once(caplog, capfd):
    with caplog.at_level(logging.WARNING, logger="MedImgAnalysis.vtk"):
        slicer.vtkMRMLTransformStorageNode().ReadData(slicer.vtkMRMLTransformNode())
    assert len(caplog.records) >= 1
    assert len({record.getMessage() for record in caplog.records}) == len(caplog.records)
    assert capfd.readouterr() == ("", "")


def test_nodes_get_an_item_in_the_subject_hierarchy_and_lose_it_with_them(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = hierarchy.GetNumberOfItems()
    node = bridge.add_node(ramp(), "x", kind="image")
    assert hierarchy.GetItemName(hierarchy.GetItemByDataNode(node)) == "x"
    assert hierarchy.GetNumberOfItems() == before + 1
    scene.RemoveNode(node)
    assert hierarchy.GetNumberOfItems() == before


def test_hidden_nodes_get_no_item(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    node = slicer.vtkMRMLModelNode()
    node.SetHideFromEditors(True)
    scene.AddNode(node)
    assert hierarchy.GetItemByDataNode(node) == 0


def test_label_maps_have_colours_although_slicer_core_brings_none(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "x")
    node.CreateDefaultDisplayNodes()
    colors = scene.GetNodeByID("vtkMRMLColorTableNodeFileGenericColors.txt")
    assert colors.GetNumberOfColors() >= 256
    assert colors.GetColorName(3) == "Segment 3"


def test_clear_removes_data_and_keeps_what_every_scene_has(scene):
    standalone.clear()
    empty = scene_digest().keys()
    bridge.add_node(ramp(), "x", kind="image")
    bridge.add_node(overlapping(), "s", kind="labels")
    standalone.clear()
    assert scene_digest().keys() == empty


def test_a_saved_scene_comes_back_whole(tmp_path, scene):
    image, labels = ramp(), overlapping()
    parent = add_transform(rigid_matrix(), "Parent")
    volume = bridge.add_node(image, "ct smooth/é", kind="image")
    put_under(volume, parent)
    bridge.add_node(labels, "Seg", kind="labels")
    bridge.add_node(Landmarks(("a", "b"), [[1, 2, 3], [4, 5, 6]]), "Points", kind="landmarks")
    bridge.add_node(Measurements((Column("x", "X", "mm"),), ({"x": 1 / 3},)), "Table", kind="table")
    path = standalone.save_mrb(tmp_path / "scène ü.mrb")
    standalone.clear()
    standalone.load(path)
    volume = scene.GetFirstNodeByName("ct smooth/é")
    assert volume.GetParentTransformNode().GetName() == "Parent"
    assert same_voxels(bridge.value_of(volume, "image", world=False), image)
    back = bridge.value_of(scene.GetFirstNodeByName("Seg"), "labels")
    assert [(s.id, s.name, s.tags) for s in back.segments] == [(s.id, s.name, s.tags) for s in labels.segments]
    for segment in labels.segments:
        assert (sitk.GetArrayFromImage(back.mask(segment.id)) == sitk.GetArrayFromImage(labels.mask(segment))).all()
    assert bridge.value_of(scene.GetFirstNodeByName("Points"), "landmarks").points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert bridge.value_of(scene.GetFirstNodeByName("Table"), "table").rows == ({"x": 1 / 3},)
    assert [entry.name for entry in tmp_path.iterdir()] == ["scène ü.mrb"]


def test_saving_replaces_an_old_file(tmp_path):
    (tmp_path / "s.mrb").write_bytes(b"old")
    bridge.add_node(ramp(), "x", kind="image")
    assert standalone.save_mrb(tmp_path / "s.mrb").stat().st_size > 100


@pytest.mark.parametrize(("name", "words"), [("s.mrml", "ends in .mrb"), ("missing/s.mrb", "does not exist")])
def test_a_place_where_no_scene_can_be_saved_is_named(tmp_path, name, words):
    with pytest.raises(FileError, match=words) as error:
        standalone.save_mrb(tmp_path / name)
    assert error.value.path == str(tmp_path / name)


def zipped(**entries: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name.replace("__", ".").replace("_UP_", "../"), text)
    return stream.getvalue()


BROKEN = {
    "missing": (None, "no such file"),
    "text": (b"this is no scene", "not a zip"),
    "empty": (b"", "not a zip"),
    "no scene": (zipped(a__txt="x"), "holds 0 scenes"),
    "two scenes": (zipped(a__mrml="<MRML/>", b__mrml="<MRML/>"), "holds 2 scenes"),
    "path outside": (zipped(a__mrml="<MRML/>", _UP_evil__txt="x"), "points outside"),
    "not xml": (zipped(a__mrml="MRML?"), "not a scene"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_no_scene_is_named_and_good_ones_are_read_afterwards(tmp_path, case):
    content, words = BROKEN[case]
    path = tmp_path / "s.mrb"
    if content is not None:
        path.write_bytes(content)
    here = os.getcwd()
    with pytest.raises(FileError, match=words) as error:
        standalone.load(path)
    assert str(path) in str(error.value)
    assert os.getcwd() == here
    standalone.clear()
    bridge.add_node(ramp(), "x", kind="image")
    good = standalone.save_mrb(tmp_path / "good.mrb")
    standalone.clear()
    standalone.load(good)
    assert slicer.mrmlScene.GetFirstNodeByName("x") is not None


def test_a_worker_process_leaves_no_folder_behind(tmp_path):
    done = python(
        "import multiprocessing, tempfile\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "from MedImgAnalysisLib.scene import standalone\n"
        "context = multiprocessing.get_context('fork')\n"
        "worker = context.Process(target=standalone.start)\n"
        "worker.start(); worker.join(); print(worker.exitcode)"
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")
    assert list(tmp_path.iterdir()) == []

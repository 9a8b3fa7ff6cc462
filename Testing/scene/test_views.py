"""Pictures: the right slice, the right way round, the outline where the segment is, and no crash without OpenGL."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import FileError, InputError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.scene import bridge, opengl, views
from MedImgAnalysisLib.scene.digest import scene_digest
from MedImgAnalysisLib.values import Labels, Segment
from scene_helpers import add_transform, put_under

NO_OPENGL = opengl.probe()
needs_opengl = pytest.mark.skipif(NO_OPENGL is not None, reason=f"no pictures here: {NO_OPENGL}")

SIZE = (60, 50, 40)


def grid_image(array: np.ndarray) -> sitk.Image:
    """1 mm voxels, axes along LPS, centred on the origin."""
    image = sitk.GetImageFromArray(array)
    image.SetOrigin((-29.5, -24.5, -19.5))
    return image


def marked() -> sitk.Image:
    """Bright towards the right, the front and the top: (i, j, k) low, low, high in LPS."""
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in SIZE[::-1]), indexing="ij")
    return grid_image((3 * (60 - i) + 2 * (50 - j) + k).astype(np.float32))


def cube() -> Labels:
    array = np.zeros(SIZE[::-1], np.uint8)
    array[10:20, 30:42, 5:20] = 1  # low k, high j, low i: bottom, back, right
    image = grid_image(array)
    return Labels((image,), (Segment("cube", "Cube", (1.0, 0.0, 0.0)),))


def read(path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(int)


def halves(picture: np.ndarray) -> tuple[float, float, float, float]:
    """Mean brightness of left, right, top and bottom, leaving out the letters at the borders."""
    inner = picture[30:-30, 30:-30].mean(axis=2)
    middle = inner.shape[0] // 2
    return (inner[:, :middle].mean(), inner[:, middle:].mean(), inner[:middle].mean(), inner[middle:].mean())


@needs_opengl
def test_pictures_are_seen_as_radiologists_do(tmp_path):
    node = bridge.add_node(marked(), "x", kind="image")
    pictures = {path.stem: read(path) for path in views.save_slices(tmp_path, node)}
    left, right, top, bottom = halves(pictures["axial"])
    assert left > right, "the right of the patient is on the left"
    assert top > bottom, "the front is at the top"
    left, right, top, bottom = halves(pictures["coronal"])
    assert left > right
    assert top > bottom, "the head is at the top"
    left, right, top, bottom = halves(pictures["sagittal"])
    assert left > right, "the front is on the left"
    assert top > bottom


@needs_opengl
def test_the_outline_is_where_the_segment_is_and_in_its_colour(tmp_path):
    node = bridge.add_node(grid_image(np.full(SIZE[::-1], 50, np.float32)), "x", kind="image")
    segmentation = bridge.add_node(cube(), "s", kind="labels", like=node)
    paths = views.save_slices(tmp_path, node, segmentation=segmentation, prefix="case-", size=(480, 480))
    assert [path.name for path in paths] == ["case-axial.png", "case-coronal.png", "case-sagittal.png"]
    picture = read(paths[0])
    red = np.argwhere((picture[..., 0] > 150) & (picture[..., 1] < 80) & (picture[..., 2] < 80))
    scale = 480 / 60
    low, high = red.min(axis=0), red.max(axis=0)
    # Left of the picture is the right of the patient, i = 5 to 19; the front is at the top, j = 30 to 41 of 50.
    assert np.allclose([low[1], high[1]], [5 * scale, 20 * scale], atol=4)
    assert np.allclose([low[0], high[0]], [240 + (30 - 25) * scale, 240 + (42 - 25) * scale], atol=4)
    inside = picture[(low[0] + high[0]) // 2, (low[1] + high[1]) // 2]
    assert not (inside[0] > 150 and inside[1] < 80), "only the outline is drawn"


@needs_opengl
def test_voxels_are_as_wide_as_they_are_long(tmp_path):
    array = np.zeros((20, 60, 60), np.float32)
    array[5:15, 20:40, 20:40] = 100
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1, 1, 3))
    picture = read(views.save_slices(tmp_path, bridge.add_node(image, "x", kind="image"), size=(300, 300))[1])
    bright = np.argwhere(picture[30:-30, 30:-30, 0] > 128)
    height, width = np.ptp(bright, axis=0)
    assert height / width == pytest.approx(30 / 20, rel=0.1)


@needs_opengl
def test_the_foreground_is_blended_over_the_background(tmp_path):
    right, front = np.zeros(SIZE[::-1], np.float32), np.zeros(SIZE[::-1], np.float32)
    right[:, :, :30] = 100
    front[:, :25] = 100
    one = bridge.add_node(grid_image(right), "x", kind="image")
    other = bridge.add_node(grid_image(front), "y", kind="image")
    picture = read(views.save_slices(tmp_path, one, other)[0])[..., 0]
    corners = [picture[150, 150], picture[150, 360], picture[360, 150], picture[360, 360]]
    assert corners[0] > 230
    assert corners[3] < 20
    assert 100 < corners[1] < 155
    assert 100 < corners[2] < 155


@needs_opengl
def test_other_segmentations_are_not_drawn(tmp_path):
    node = bridge.add_node(grid_image(np.full(SIZE[::-1], 50, np.float32)), "x", kind="image")
    bridge.add_node(cube(), "s", kind="labels")
    for path in views.save_slices(tmp_path, node):
        picture = read(path)[30:-30, 30:-30]
        assert not np.ptp(picture, axis=2).any()


@needs_opengl
def test_taking_pictures_leaves_the_scene_as_it_was(tmp_path):
    node = bridge.add_node(marked(), "x", kind="image")
    segmentation = bridge.add_node(cube(), "s", kind="labels", like=node)
    segmentation.GetDisplayNode().SetVisibility2DFill(True)
    segmentation.GetDisplayNode().SetOpacity2DOutline(0.3)
    before = scene_digest()
    views.save_slices(tmp_path, node, node, segmentation)
    assert scene_digest() == before


@needs_opengl
def test_air_and_table_do_not_flatten_a_ct(tmp_path):
    array = np.full(SIZE[::-1], -1000, np.int16)
    array[:, 10:40, 10:50] = 40
    array[:, 20:30, 20:30] = 90
    array[:, 12:14, 12:14] = 2500
    node = bridge.add_node(grid_image(array), "ct", kind="image")
    picture = read(views.save_slices(tmp_path, node, size=(600, 600))[0])[..., 0]
    liver, fat = picture[300, 250], picture[400, 450]
    assert liver - fat > 40
    assert node.GetDisplayNode().GetAutoWindowLevel() == 1


@needs_opengl
def test_pictures_of_many_cases_do_not_pile_up(tmp_path, scene):
    node = bridge.add_node(marked(), "x", kind="image")
    before = scene.GetNumberOfNodes()
    for _ in range(5):
        views.save_slices(tmp_path, node, size=(64, 64))
    assert scene.GetNumberOfNodes() == before


@needs_opengl
def test_a_folder_that_is_not_there_is_named(tmp_path):
    node = bridge.add_node(marked(), "x", kind="image")
    with pytest.raises(FileError, match="the picture cannot be written"):
        views.save_slices(tmp_path / "nowhere", node)


def test_the_slice_with_the_largest_area_is_chosen():
    array = np.zeros(SIZE[::-1], np.uint8)
    array[8:30, 20:30, 20:30] = 1
    array[27, 10:40, 10:40] = 1
    labels = Labels((grid_image(array),), (Segment("a", "A", (1, 0, 0)),))
    node = bridge.add_node(marked(), "x", kind="image")
    segmentation = bridge.add_node(labels, "s", kind="labels", like=node)
    point = views.slice_point(node, segmentation)
    assert point[2] == pytest.approx(27 - 19.5)


def test_among_equal_slices_the_middle_one_is_chosen():
    node = bridge.add_node(marked(), "x", kind="image")
    segmentation = bridge.add_node(cube(), "s", kind="labels", like=node)
    point = np.array(views.slice_point(node, segmentation))
    assert np.abs(point - (29.5 - 12, 24.5 - 35.5, 14.5 - 19.5)).max() <= 0.5


def test_without_segments_it_is_the_middle_of_the_background(scene):
    node = bridge.add_node(marked(), "x", kind="image")
    assert np.allclose(views.slice_point(node), 0)
    assert np.allclose(views.slice_point(node, scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "s")), 0)


def test_the_slice_follows_a_parent_transform():
    node = bridge.add_node(marked(), "x", kind="image")
    matrix = np.eye(4)
    matrix[:3, 3] = (10, 20, 30)
    put_under(node, add_transform(matrix))
    assert np.allclose(views.slice_point(node), (10, 20, 30))


def test_a_table_is_no_background(tmp_path, scene):
    with pytest.raises(InputError, match="image needs one of"):
        views.save_slices(tmp_path, scene.AddNewNodeByClass("vtkMRMLTableNode", "t"))


@pytest.fixture
def probe():
    """The probe, asked anew."""
    opengl.probe.cache_clear()
    yield opengl.probe
    opengl.probe.cache_clear()


def test_a_crash_of_the_test_picture_is_told_and_does_no_harm(probe, monkeypatch):
    monkeypatch.setattr(opengl, "TEST", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert "no usable OpenGL" in probe()
    assert "SIGSEGV" in probe()


def test_a_picture_of_the_wrong_colour_is_told(probe, monkeypatch):
    monkeypatch.setattr(opengl, "TEST", "raise SystemExit(3)")
    assert "status 3" in probe()


def test_a_test_picture_that_hangs_is_told(probe, monkeypatch):
    monkeypatch.setattr(opengl, "TEST", "import time; time.sleep(30)")
    monkeypatch.setattr(opengl, "SECONDS", 0.5)
    assert "could not be run (TimeoutExpired)" in probe()


def test_the_probe_asks_once(probe, monkeypatch):
    calls = []
    real = subprocess.run
    monkeypatch.setattr(opengl.subprocess, "run", lambda *a, **k: calls.append(a) or real(*a, **k))
    monkeypatch.setattr(opengl, "TEST", "raise SystemExit(0)")
    assert probe() is None
    assert probe() is None
    assert len(calls) == 1
    assert calls[0][0][0] == sys.executable


def test_without_opengl_there_is_one_warning_and_no_picture(tmp_path, probe, monkeypatch):
    monkeypatch.setattr(opengl, "TEST", "raise SystemExit(1)")
    monkeypatch.setattr(views, "_warned", False)
    node = bridge.add_node(marked(), "x", kind="image")
    said: list[str] = []
    for _ in range(3):
        assert views.save_slices(tmp_path, node, progress=Progress(on_warning=said.append)) == []
    assert len(said) == 1
    assert said[0].startswith("No pictures are made: there is no usable OpenGL")
    assert list(tmp_path.iterdir()) == []

"""Make the pictures of the tutorials from the tutorial data: panels, slices, a surface, plots.

    python docs/make_tutorial_pictures.py [readers] [scanner] [aligning] [organs]

Needs the packages of the tests (`pip install -e ".[test]"`) and OpenGL for the surface; the panels are the real
ones on the stand-in for Slicer's Qt side. The pictures go to `docs/pictures`.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "docs"), str(ROOT / "MedImgAnalysis")]


def panel_after_run(module: str, operation: str, parameters: dict[str, Any], inputs: dict[str, Any], name: str) -> Any:
    """Run an operation from the panel of a module and save a picture of it; gives the panel."""
    from slicer_standin import driving
    from slicer_standin.modules import LoadedModule

    loaded = LoadedModule(ROOT / "MedImgAnalysis" / module / f"{module}.py")
    panel = loaded.widget.panel
    panel.chooser.combo.setCurrentIndex(panel.chooser.combo.findData(operation))
    panel.state.keep_parameters(operation, {**panel.operation().values(), **parameters})
    for role, given in inputs.items():
        panel.inputs.selectors[role].show(given[:1], given[1] if len(given) > 1 else "")
        panel.inputs.selectors[role]._changed()
    driving.press(panel.run.apply_button)
    driving.wait_until(lambda: not panel.run.runner.running, timeout=120)
    driving.grab(loaded.parent, PICTURES / f"{name}.png")
    loaded.unload()
    return panel


def save_slice(image: Any, labels: Any, name: str, margin: int = 12) -> None:
    """A slice of the part of an image that holds the segments, with their outlines."""
    import numpy as np
    import SimpleITK as sitk
    from MedImgAnalysisLib.pages.slice_pictures import slice_picture

    inside = np.argwhere(sum(sitk.GetArrayFromImage(labels.mask(s)) for s in labels.segments) > 0)
    low = np.maximum(inside.min(axis=0) - margin, 0)[::-1].tolist()
    high = np.minimum(inside.max(axis=0) + margin, np.array(image.GetSize()[::-1]) - 1)[::-1].tolist()
    cropped = image[tuple(slice(a, b + 1) for a, b in zip(low, high))]
    address = slice_picture(cropped, labels, side=420)
    (PICTURES / f"{name}.png").write_bytes(base64.b64decode(address.partition(",")[2]))


def save_surface(node: Any, name: str, size: tuple[int, int] = (560, 420)) -> None:
    """The model with its colours and their scale, drawn off-screen."""
    import vtk

    mesh, display = node.GetPolyData(), node.GetDisplayNode()
    mesh.GetPointData().SetActiveScalars(display.GetActiveScalarName())
    table = vtk.vtkColorTransferFunction()
    low, high = display.GetScalarRange()
    for value, color in ((low, (0.23, 0.30, 0.75)), (0.0, (0.87, 0.87, 0.87)), (high, (0.71, 0.02, 0.15))):
        table.AddRGBPoint(value, *color)
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(mesh)
    mapper.SetLookupTable(table)
    mapper.SetScalarRange(low, high)
    actor, bar, scene = vtk.vtkActor(), vtk.vtkScalarBarActor(), vtk.vtkRenderer()
    actor.SetMapper(mapper)
    bar.SetLookupTable(table)
    bar.SetTitle(display.GetActiveScalarName())
    bar.SetLabelFormat("%.1f")
    bar.UnconstrainedFontSizeOn()
    for text in (bar.GetTitleTextProperty(), bar.GetLabelTextProperty()):
        text.SetColor(0, 0, 0)
        text.SetFontSize(14)
    scene.SetBackground(1, 1, 1)
    scene.AddActor(actor)
    scene.AddViewProp(bar)
    camera = scene.GetActiveCamera()
    camera.SetPosition(1, 1.2, 0.9)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    scene.ResetCamera()
    camera.SetWindowCenter(0.15, 0.0)
    camera.Zoom(1.2)
    save_rendered(scene, name, size)


def save_rendered(scene: Any, name: str, size: tuple[int, int]) -> None:
    """What a renderer shows, drawn off-screen."""
    import vtk

    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(*size)
    window.AddRenderer(scene)
    window.Render()
    grab, writer = vtk.vtkWindowToImageFilter(), vtk.vtkPNGWriter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    writer.SetInputConnection(grab.GetOutputPort())
    writer.SetFileName(str(PICTURES / f"{name}.png"))
    writer.Write()


def save_plot(curves: Any, name: str) -> None:
    """Curves as they are on a page."""
    from MedImgAnalysisLib.pages.plots import HEIGHT, WIDTH, svg
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    text = svg(curves).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace("currentColor", "#222")
    picture = QImage(2 * WIDTH, 2 * HEIGHT, QImage.Format_RGB32)
    picture.fill(0xFFFFFF)
    painter = QPainter(picture)
    QSvgRenderer(text.encode()).render(painter)
    painter.end()
    picture.scaledToWidth(WIDTH + WIDTH // 4).save(str(PICTURES / f"{name}.png"))


def readers(data: Path) -> None:
    """Pictures of the tutorial about two readers."""
    import slicer
    from MedImgAnalysisLib import files
    from MedImgAnalysisLib.scene import bridge

    nodes = [bridge.add_node(files.read(data / f"{name}.seg.nrrd", "labels"), name, kind="labels")
             for name in ("reader1", "reader2")]  # fmt: skip
    panel_after_run(
        "MedImgAgreement", "compare_segmentations",
        {"tolerances_mm": [1.0], "mark_errors": True, "color_surface": True},
        {"reference": (nodes[0],), "test": (nodes[1],)}, "agreement-panel",
    )  # fmt: skip
    find = slicer.mrmlScene.GetFirstNodeByName
    errors = bridge.value_of(find("reader1 Compare segmentations errors"), "labels")
    save_slice(files.read(data / "head.nrrd", "image"), errors, "agreement-errors")
    save_surface(find("reader1 Compare segmentations surface"), "agreement-surface")


def aligning(data: Path) -> None:
    """Pictures of the tutorial about aligning."""
    import slicer
    from make_dossier_picture import draw
    from MedImgAnalysisLib import files
    from MedImgAnalysisLib.pages.registration_pictures import Aligned
    from MedImgAnalysisLib.registration import Register
    from MedImgAnalysisLib.scene import bridge

    presets = {("baseline", "followup"): "MR to MR, same contrast", ("ct_trunk", "pet"): "PET to CT"}
    for (fixed, moving), preset in presets.items():
        nodes = [bridge.add_node(files.read(data / f"{name}.nrrd", "image"), name, kind="image")
                 for name in (fixed, moving)]  # fmt: skip
        panel_after_run(
            "MedImgRegistration", "register", dict(Register.presets[preset]),
            {"fixed": (nodes[0],), "moving": (nodes[1],)}, "registration-panel",
        )  # fmt: skip
        found = slicer.mrmlScene.GetFirstNodeByName(f"{moving} to {fixed} transform")
        images = [bridge.value_of(node, "image") for node in nodes]
        draw(Aligned(*images, bridge.value_of(found, "transform"), None), PICTURES / f"aligned-{moving}.png", planes=2)


def scanner(data: Path) -> None:
    """Pictures of the tutorial about the scanner's noise."""
    import slicer
    from MedImgAnalysisLib import files
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Curve, Curves

    labels = bridge.add_node(files.read(data / "regions.seg.nrrd", "labels"), "regions", kind="labels")
    series = []
    for name in ("january", "june"):
        volume = bridge.add_node(files.read(data / f"{name}.nrrd", "image"), name, kind="image")
        segment = labels.GetSegmentation().GetSegmentIdBySegmentName("Uniform")
        panel_after_run("MedImgQuality", "noise_power_spectrum", {},
                        {"image": (volume,), "mask": (labels, segment)}, "quality-panel")  # fmt: skip
        chart = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName(f"{name} Noise power spectrum curves"), "curves")
        radial = next(curve for curve in chart.series if curve.name == "Radial")
        series.append(Curve(name.capitalize(), radial.x, radial.y))
    save_plot(Curves(chart.title, chart.x_title, chart.y_title, tuple(series), chart.x_unit, chart.y_unit),
              "quality-noise")  # fmt: skip
    save_slice(files.read(data / "june.nrrd", "image"), files.read(data / "regions.seg.nrrd", "labels"),
               "quality-regions")  # fmt: skip


def organs(data: Path) -> None:
    """Pictures of the tutorial about organ volumes."""
    import SimpleITK as sitk
    from MedImgAnalysisLib import files
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.scene.logic import OperationLogic

    ct = bridge.add_node(files.read(data / "abdomen.nrrd", "image"), "abdomen", kind="image")
    logic = OperationLogic()
    smooth = logic.run("median", image=ct)
    found: Any = "Organs"
    for name, lower, upper in (("Liver", 90, 132), ("Spleen", 95, 140), ("Kidneys", 128, 172)):
        points = bridge.add_node(files.read(data / f"{name.lower()}.mrk.json", "landmarks"), name, kind="landmarks")
        wanted = {"lower": lower, "upper": upper, "segment": name}
        if name == "Liver":
            panel_after_run("MedImgSegmentation", "grow_connected", wanted,
                            {"image": (smooth,), "seed_points": (points,)}, "organs-panel")  # fmt: skip
        made = logic.run("grow_connected", image=smooth, seed_points=points, outputs={"labels": found}, **wanted)
        found = made.labels
    clean = logic.run("clean_segments", labels=found, opening_mm=3.0, smallest_ml=5.0,
                      outputs={"labels": "Clean organs"}).labels  # fmt: skip
    panel_after_run("MedImgSegmentation", "measure_segments", {"percentiles": [5.0, 50.0, 95.0]},
                    {"labels": (clean,), "image": (ct,)}, "organs-table")  # fmt: skip
    shown = sitk.IntensityWindowing(bridge.value_of(ct, "image"), -100.0, 260.0, 0.0, 255.0)
    save_slice(shown, bridge.value_of(clean, "labels"), "organs-slice")
    save_segments(clean, "organs-surface")


def save_segments(node: Any, name: str, size: tuple[int, int] = (420, 360)) -> None:
    """The surfaces of a segmentation in its colours, seen from the front, drawn off-screen."""
    import vtk
    from MedImgAnalysisLib.scene import showing

    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    showing.show_in_3d(node, ids)
    scene = vtk.vtkRenderer()
    scene.SetBackground(1, 1, 1)
    for identity in ids:
        mapper, actor = vtk.vtkPolyDataMapper(), vtk.vtkActor()
        mapper.SetInputData(node.GetClosedSurfaceInternalRepresentation(identity))
        mapper.ScalarVisibilityOff()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(segmentation.GetSegment(identity).GetColor())
        scene.AddActor(actor)
    camera = scene.GetActiveCamera()
    camera.SetPosition(-0.5, 1, 0.5)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    scene.ResetCamera()
    camera.Zoom(1.5)
    save_rendered(scene, name, size)


def main() -> None:
    """Make all pictures."""
    from slicer_standin import driving

    driving.installed()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        import organ_data
        import registration_data
        import tutorial_data

        tutorial_data.write(Path(folder))
        registration_data.write(Path(folder))
        organ_data.write(Path(folder))
        for make in (readers, scanner, aligning, organs):
            if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
                driving.begin()
                make(Path(folder))
    for path in sorted(PICTURES.glob("*.png")):
        print(path)


if __name__ == "__main__":
    main()

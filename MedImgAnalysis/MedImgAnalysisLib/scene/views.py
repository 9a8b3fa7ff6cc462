"""Pictures of the scene with Slicer's own slice views, drawn off-screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from ..errors import FileError
from ..progress import SILENT, Progress
from . import bridge, frames, segmentations, volumes
from .opengl import probe as probe
from .standalone import application_logic

SIZE = (512, 512)
ORIENTATIONS: dict[str, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""What is on the left, right, top and bottom of a picture, as radiologists look at it."""

_warned = False


def save_slices(
    folder: str | Path,
    background: Any,
    foreground: Any = None,
    segmentation: Any = None,
    prefix: str = "",
    *,
    size: tuple[int, int] = SIZE,
    progress: Progress = SILENT,
) -> list[Path]:
    """Write `<prefix>axial.png`, `<prefix>coronal.png` and `<prefix>sagittal.png`; the scene stays as it was.

    Each picture shows the slice in which the segmentation has its largest area, or without one the
    middle of the background. The foreground is blended half over the background; segments are
    drawn as outlines in their colours. Other segmentations of the scene are not shown.

    Parameters
    ----------
    folder
        Existing folder.
    background, foreground
        Volume nodes. Window and level are those of the nodes; where they are automatic and the volume is
        a CT, they are taken from the voxels inside the body, since air and table flatten the contrast.
    segmentation
        Segmentation node.
    prefix
        Start of the file names.
    size
        Width and height in pixels.
    progress
        Gets one warning per process where nothing can be drawn; the result is an empty list then.

    Raises
    ------
    InputError
        A node is of the wrong class or has no voxels.
    FileError
        A file could not be written.
    """
    global _warned
    bridge.check_class(background, "image")
    if foreground is not None:
        bridge.check_class(foreground, "image")
    if segmentation is not None:
        frames.expect(segmentation, "vtkMRMLSegmentationNode", "a segmentation")
    reason = probe()
    if reason is not None:
        if not _warned:
            progress.warn(f"No pictures are made: {reason}.")
        _warned = True
        return []
    point = slice_point(background, segmentation)
    written = []
    scene = slicer.mrmlScene
    with ExitStack() as stack:
        stack.enter_context(_only(scene, segmentation))
        for volume in (background, foreground):
            stack.enter_context(_window(volume))
        for name, sides in ORIENTATIONS.items():
            path = Path(folder) / f"{prefix}{name}.png"
            with SliceView(name, size) as view:
                view.show(background, foreground, point)
                view.mark(sides)
                view.write(path)
            written.append(path)
    return written


def slice_point(background: Any, segmentation: Any = None) -> tuple[float, float, float]:
    """RAS millimetres at which the sagittal, coronal and axial slice that are shown cross.

    The slice with the largest area of the segmentation (the one nearest to its middle among equal
    ones), else the middle of the background volume.
    """
    bounds = [0.0] * 6
    background.GetRASBounds(bounds)
    centre = (np.array(bounds[0::2]) + np.array(bounds[1::2])) / 2
    points = None if segmentation is None else _points(segmentation)
    if points is None or not len(points):
        return (float(centre[0]), float(centre[1]), float(centre[2]))
    thickness = _thickness(background)
    found = []
    for axis in range(3):
        step = thickness[axis]
        number = np.floor((points[:, axis] - bounds[2 * axis]) / step).astype(int)
        values, counts = np.unique(number, return_counts=True)
        best = values[counts == counts.max()]
        middle = (points[:, axis].mean() - bounds[2 * axis]) / step - 0.5
        chosen = best[np.argmin(np.abs(best - middle))]
        found.append(float(bounds[2 * axis] + (chosen + 0.5) * step))
    return (found[0], found[1], found[2])


def _points(segmentation: Any) -> np.ndarray | None:
    """RAS positions of all voxels inside any segment, None when there is none."""
    if segmentation.GetSegmentation().GetNumberOfSegments() == 0:
        return None
    labels = segmentations.labels_of(segmentation)
    index = [np.argwhere(sitk.GetArrayFromImage(labels.mask(segment))) for segment in labels.segments]
    return labels.grid.to_physical(np.concatenate(index)[:, ::-1].astype(float)) * (-1, -1, 1)


def _thickness(volume: Any) -> np.ndarray:
    """Distance of neighbouring slices of the volume along each RAS axis, in millimetres."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    axes = frames.to_array(matrix)[:3, :3]
    nearest = np.argmax(np.abs(axes / np.linalg.norm(axes, axis=0)), axis=1)
    return np.array([np.linalg.norm(axes[:, nearest[axis]]) for axis in range(3)])


@contextmanager
def _only(scene: Any, shown: Any) -> Iterator[None]:
    """Draw no segmentation but `shown`, with outlines and without filling; display nodes get all back."""
    touched = []
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        if node is shown and node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        if display is None:
            continue
        copy = display.CreateNodeInstance()
        copy.CopyContent(display)
        touched.append((display, copy))
        display.SetVisibility(node is shown)
        if node is shown:
            display.SetVisibility2D(True)
            display.SetVisibility2DFill(False)
            display.SetVisibility2DOutline(True)
            display.SetOpacity2DOutline(1.0)
            display.SetSliceIntersectionThickness(2)
    try:
        yield
    finally:
        for display, copy in touched:
            display.CopyContent(copy)


@contextmanager
def _window(volume: Any) -> Iterator[None]:
    """Window and level of a CT from the voxels above -500 HU, as long as the node's own are automatic."""
    display: Any = volume.GetScalarVolumeDisplayNode() if volume is not None else None
    values = _body(volume) if display is not None and display.GetAutoWindowLevel() else None
    if values is None:
        yield
        return
    low, high = np.percentile(values, (2, 98))
    copy = display.CreateNodeInstance()
    copy.CopyContent(display)
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(float(low), float(max(high, low + 1)))
    try:
        yield
    finally:
        display.CopyContent(copy)


def _body(volume: Any) -> np.ndarray | None:
    """Some voxels inside the body when the numbers are those of a CT (air near -1000 HU), else None."""
    array = volumes.array_of(volume)[::2, ::4, ::4]
    if array.ndim != 3 or array.size < 64 or not -1100 < np.percentile(array, 1) < -800:
        return None
    inside = array[array > -500]
    return inside if inside.size >= 64 else None


class SliceView:
    """One slice view with its window; its nodes leave the scene on exit."""

    def __init__(self, orientation: str, size: tuple[int, int]) -> None:
        self._orientation = orientation
        self._size = size

    def __enter__(self) -> SliceView:
        scene, application = slicer.mrmlScene, application_logic()
        self._before = bridge.node_ids(scene)
        self.renderer = vtk.vtkRenderer()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.ShowWindowOff()
        self.window.SetMultiSamples(0)
        self.window.SetSize(*self._size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(application)
        manager = "vtkMRMLSegmentationsDisplayableManager2D"
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.SetRenderer(self.renderer)
        self.group.Initialize(factory, self.renderer)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(self.mapper)
        self.actor.GetProperty().SetDisplayLocationToBackground()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        application.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddSliceNode(f"MedImg{self._orientation}")
        self.node.SetOrientation(self._orientation.capitalize())
        self.group.SetMRMLDisplayableNode(self.node)
        return self

    def show(
        self,
        background: Any,
        foreground: Any,
        point: tuple[float, float, float],
        *,
        opacity: float = 0.5,
        add: bool = False,
    ) -> None:
        """Show the slice through a RAS point; with `add` the colours of both volumes are added up."""
        composite = self.logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        composite.SetForegroundOpacity(0.0 if foreground is None else 1.0 if add else opacity)
        composite.SetCompositing(composite.Add if add and foreground is not None else composite.Alpha)
        composite.SetLabelVolumeID(None)
        self.logic.ResizeSliceNode(*self.window.GetSize())
        self.logic.FitSliceToBackground()
        normal = frames.to_array(self.node.GetSliceToRAS())[:3, 2]  # points to the left in sagittal views
        self.logic.SetSliceOffset(float(normal @ point))
        connection = self.logic.GetImageDataConnection()
        self.mapper.SetInputConnection(connection)
        if connection is not None and not self.renderer.HasViewProp(self.actor):
            self.renderer.AddViewProp(self.actor)

    def mark(self, sides: tuple[str, str, str, str]) -> None:
        """Letters at the borders, so that nobody mistakes left for right."""
        for text, (x, y) in zip(sides, ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03))):
            actor = vtk.vtkTextActor()
            actor.SetInput(text)
            style = actor.GetTextProperty()
            style.SetFontSize(16)
            style.SetBold(True)
            style.SetColor(1.0, 0.85, 0.3)
            style.SetShadow(True)
            style.SetJustificationToLeft() if x < 0.1 else style.SetJustificationToRight() if x > 0.9 else (
                style.SetJustificationToCentered()
            )
            style.SetVerticalJustificationToCentered()
            actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
            actor.SetPosition(x, y)
            self.renderer.AddViewProp(actor)

    def write(self, path: Path) -> None:
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        writer = vtk.vtkPNGWriter()
        writer.SetWriteToMemory(True)  # VTK would not say that a path cannot be written
        writer.SetInputConnection(grab.GetOutputPort())
        writer.Write()
        try:
            path.write_bytes(memoryview(writer.GetResult()))
        except OSError as error:
            raise FileError(f"{path}: the picture cannot be written: {error}.", path=str(path)) from None

    def __exit__(self, *_error: object) -> None:
        self.group.SetMRMLDisplayableNode(None)
        self.mapper.SetInputConnection(None)
        self.interactor.SetRenderWindow(None)
        self.window.Finalize()
        application_logic().GetSliceLogics().RemoveItem(self.logic)
        bridge.remove_new(slicer.mrmlScene, self._before)
        self.logic.SetMRMLScene(None)

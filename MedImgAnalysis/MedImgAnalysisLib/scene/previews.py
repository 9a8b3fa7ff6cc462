"""A preview in the scene: the slice that a view shows, as a volume that is not kept.

All of this happens on the main thread, but for `SlicePreview.compute`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
import slicer

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..preview import Preview, Previews, nearest_axis, obstacle
from ..progress import SILENT, Progress
from ..values import Labels
from . import bridge, frames, volumes
from .run import SceneRun
from .sources import values_of

ATTRIBUTE = "MedImgAnalysis.Preview"
COVER = 0.5
"""How much of the image segments cover at most, as in the views of a segmentation."""
LABELMAP = "vtkMRMLLabelMapVolumeNode"
SLICE_FLIP = (-1, -1, 1)


class Place(NamedTuple):
    """A slice of an image: the axis across it (0 is i) and its number."""

    axis: int
    number: int


class SlicePreview:
    """Previews of one run in one slice view; the scene is as before once it is closed.

    Parameters
    ----------
    run
        What Apply would do: one step.
    slice_node, composite_node
        The nodes of the slice view.
    """

    def __init__(self, run: SceneRun, slice_node: Any, composite_node: Any, progress: Progress = SILENT) -> None:
        self.stamps = stamps_of(run)
        self._slice, self._composite = slice_node, composite_node
        self._parent = run.parent
        values = values_of(run.recipe, run.sources, run.world, progress)
        roles = run.recipe.steps[0].inputs
        self.previews = Previews(
            {role: values[name] if isinstance(name, str) else [values[n] for n in name] for role, name in roles.items()}
        )
        source = run.sources.get(str(next(iter(roles.values()))))
        self._source = source.node if source is not None else None
        self.node: Any = None
        self._colors: Any = None
        self._before: tuple[str | None, float] | None = None

    def problem(self, operation: Operation) -> str:
        """Why the operation has no faithful preview, empty where it has one."""
        try:
            return obstacle(operation, self.previews.grid(operation))
        except InputError as error:
            return str(error)

    def place(self, operation: Operation) -> Place | None:
        """The slice of the first image that the view shows; None when it shows none."""
        return place_of(self.previews.grid(operation), self._slice, self._parent)

    def compute(self, operation: Operation, place: Place, progress: Progress = SILENT) -> Preview:
        """The slice as the operation would make it (any thread; the scene is not used)."""
        return self.previews.slices(operation, place.axis, place.number, place.number + 1, progress)

    def show(self, operation: Operation, found: Preview, opacity: float) -> None:
        """Put the slice over what the view shows."""
        labels = next((value for value in found.outputs.values() if isinstance(value, Labels)), None)
        if labels is not None:
            self._show_labels(labels, opacity)
            return
        image = next(value for value in found.outputs.values() if isinstance(value, sitk.Image))
        role = next(name for name, value in found.outputs.items() if value is image)
        kept = role in operation.keeps
        if self.node is not None and self.node.GetClassName() != volumes.node_class(image):
            self.close()
        if self.node is None:
            self.node = self._new_node(image)
        bridge.put_value(image, self.node, "image", like=self._source, parent=self._parent, keeps_display=kept)
        display = self.node.GetDisplayNode()
        if display is not None:
            mark(display)
            if kept and self._source is not None and self._source.GetDisplayNode() is not None:
                _same_window(display, self._source.GetDisplayNode())
        if self._before is None:
            self._before = (self._composite.GetForegroundVolumeID(), self._composite.GetForegroundOpacity())
        self._composite.SetForegroundVolumeID(self.node.GetID())
        self.fade(opacity)

    def _show_labels(self, labels: Labels, opacity: float) -> None:
        """Put segments over what the view shows, in their colours, as a label map that is not kept."""
        image = flattened(labels)
        if self.node is not None and self.node.GetClassName() != LABELMAP:
            self.close()
        if self.node is None:
            self.node = self._new_node(image, LABELMAP)
            self._colors = new_colors()
        fill_colors(self._colors, labels)
        if frames.parent_of(self.node) is not self._parent:
            self.node.SetAndObserveTransformNodeID(self._parent.GetID() if self._parent is not None else None)
        volumes.put_image(image, self.node)
        if self.node.GetDisplayNode() is None:
            self.node.CreateDefaultDisplayNodes()
        display = self.node.GetDisplayNode()
        mark(display)
        display.SetAndObserveColorNodeID(self._colors.GetID())
        if self._before is None:
            self._before = (self._composite.GetLabelVolumeID(), self._composite.GetLabelOpacity())
        self._composite.SetLabelVolumeID(self.node.GetID())
        self.fade(opacity)

    def fade(self, opacity: float) -> None:
        """How much of the preview covers the original, 0 to 1."""
        if self.node is None:
            return
        if self._composite.GetForegroundVolumeID() == self.node.GetID():
            self._composite.SetForegroundOpacity(opacity)
        elif self._composite.GetLabelVolumeID() == self.node.GetID():
            self._composite.SetLabelOpacity(COVER * opacity)

    def close(self) -> None:
        """Take the preview away; the view shows what it did before."""
        node, self.node = self.node, None
        if node is None:
            return
        if self._before is not None and self._composite.GetForegroundVolumeID() == node.GetID():
            self._composite.SetForegroundVolumeID(self._before[0])
            self._composite.SetForegroundOpacity(self._before[1])
        if self._before is not None and self._composite.GetLabelVolumeID() == node.GetID():
            self._composite.SetLabelVolumeID(self._before[0])
            self._composite.SetLabelOpacity(self._before[1])
        self._before = None
        scene = slicer.mrmlScene
        own = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
        colors, self._colors = self._colors, None
        for one in (node, *own, colors):
            if one is not None and scene.IsNodePresent(one):
                scene.RemoveNode(one)

    def _new_node(self, image: sitk.Image, kind: str = "") -> Any:
        scene = slicer.mrmlScene
        node = scene.CreateNodeByClass(kind or volumes.node_class(image))
        node.UnRegister(None)
        mark(node)
        node.SetName(scene.GenerateUniqueName("Preview"))
        return scene.AddNode(node)


def flattened(labels: Labels) -> sitk.Image:
    """One label image: the first segment is 1, the second 2; where segments overlap, the later one is seen."""
    array = np.zeros(tuple(reversed(labels.layers[0].GetSize())), np.uint8 if len(labels.segments) < 256 else np.int16)
    for number, segment in enumerate(labels.segments, start=1):
        array[sitk.GetArrayViewFromImage(labels.layers[segment.layer]) == segment.value] = number
    return labels.grid.put_on(sitk.GetImageFromArray(array))


def new_colors() -> Any:
    """A colour table that is neither listed nor saved."""
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    mark(node)
    node.SetTypeToUser()
    node.SetName("Preview colours")
    return slicer.mrmlScene.AddNode(node)


def fill_colors(node: Any, labels: Labels) -> None:
    """The colours of the segments by their place in the order, see `flattened`; 0 is clear."""
    node.SetNumberOfColors(len(labels.segments) + 1)
    node.SetColor(0, "Background", 0.0, 0.0, 0.0, 0.0)
    for number, segment in enumerate(labels.segments, start=1):
        node.SetColor(number, segment.name, *segment.color, 1.0)


def mark(node: Any) -> None:
    """Keep a node out of lists and saved scenes."""
    node.SetHideFromEditors(1)
    node.SetSaveWithScene(0)
    if node.IsA("vtkMRMLVolumeNode"):
        node.SetAttribute(ATTRIBUTE, "1")


def stamps_of(run: SceneRun) -> tuple[Any, ...]:
    """Changes whenever an input of the run does."""
    return tuple((name, source.node.GetID(), source.segment, source.stamp()) for name, source in run.sources.items())


def place_of(grid: Grid, slice_node: Any, parent: Any) -> Place | None:
    """The slice of a grid, in the space of `parent`, nearest to the plane of a slice view; None beside the grid."""
    to_ras = frames.to_array(slice_node.GetSliceToRAS())
    centre, normal = to_ras[:3, 3], to_ras[:3, 2]
    points = np.array([centre, centre + normal])
    if parent is not None:
        points = frames.map_points(frames.from_world(parent), points)
    points = points * SLICE_FLIP
    if grid.dimension == 2:
        return Place(1, 0)
    axis = nearest_axis(grid, tuple(points[1] - points[0]))
    index = int(np.floor(grid.to_index(points[:1])[0][axis] + 0.5))
    return Place(axis, index) if 0 <= index < grid.size[axis] else None


def _same_window(display: Any, other: Any) -> None:
    """Automatic window and level of a slice would differ from those of the whole image."""
    if isinstance(display, slicer.vtkMRMLScalarVolumeDisplayNode) and display.GetClassName() == other.GetClassName():
        display.SetAutoWindowLevel(0)
        display.SetWindowLevel(other.GetWindow(), other.GetLevel())
        display.SetInterpolate(other.GetInterpolate())


def view_nodes(view: str) -> tuple[Any, Any] | None:
    """Slice node and composite node of a view; None where there is no such view."""
    manager = slicer.app.layoutManager()
    widget = manager.sliceWidget(view) if manager is not None else None
    if widget is None:
        return None
    return widget.sliceLogic().GetSliceNode(), widget.sliceLogic().GetSliceCompositeNode()


def view_names() -> list[str]:
    """The slice views of the layout."""
    manager = slicer.app.layoutManager()
    return list(manager.sliceViewNames()) if manager is not None else []

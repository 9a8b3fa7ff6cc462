"""Nodes to values and values to nodes, whatever their kind.

Values are in world coordinates unless `world=False` asks for those of the node itself; a new node
with such a value is put under the same parent transform, so that it appears in the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from ..errors import InputError
from ..geometry import Grid
from ..progress import SILENT, Progress
from ..values import Frames, Labels, Segment
from . import (
    curves,
    frames,
    landmarks,
    rois,
    segment_writing,
    segmentations,
    sequences,
    surfaces,
    tables,
    transforms,
    volumes,
)

CLASSES: dict[str, tuple[str, ...]] = {
    "image": ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode", "vtkMRMLLabelMapVolumeNode"),
    "mask": ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode", "vtkMRMLScalarVolumeNode", rois.CLASS),
    "labels": ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode", rois.CLASS),
    "transform": (
        "vtkMRMLTransformNode",
        "vtkMRMLLinearTransformNode",
        "vtkMRMLBSplineTransformNode",
        "vtkMRMLGridTransformNode",
    ),
    "landmarks": ("vtkMRMLMarkupsFiducialNode", landmarks.CLOSED),
    "table": ("vtkMRMLTableNode",),
    "curves": ("vtkMRMLPlotChartNode",),
    "surface": ("vtkMRMLModelNode",),
    "frames": (sequences.CLASS,),
}
"""Node classes that can be read as a kind, the usual one first. Subclasses do not count: a label map is
a scalar volume for MRML, but no image of intensities. A sequence of such nodes is read as frames of the kind."""

OUTPUT_CLASSES = {
    **CLASSES,
    "image": ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"),
    "mask": ("vtkMRMLSegmentationNode",),
    "labels": ("vtkMRMLSegmentationNode",),
}
"""Node classes that a result of a kind can be written to."""

NO_SEGMENT_ID = "Segment_1"


def value_of(
    node: Any,
    kind: str,
    segment: str | None = None,
    *,
    world: bool = True,
    progress: Progress = SILENT,
    grid: Grid | None = None,
) -> Any:
    """The value of a node.

    Parameters
    ----------
    node
        A node of a class in `CLASSES[kind]`, or a sequence of such nodes, which gives `Frames`.
    kind
        image, mask, labels, transform, landmarks, table, curves, surface, or frames for a sequence of volumes.
    segment
        Id or name of one segment, for masks and labels.
    world
        With the parent transforms applied (default), or in the coordinates of the node itself.
    progress
        Gets a warning where something had to be resampled.
    grid
        Grid of the image that a region of interest is used with; it has no voxels of its own.

    Raises
    ------
    InputError
        The node is missing, empty or of another class; the message names it and what would be right.
    GeometryError
        The grid of the node is sheared.
    """
    check_class(node, kind)
    if sequences.is_sequence(node):

        def read(item: Any) -> Any:
            return value_of(item, item_kind(kind), segment, world=world, progress=progress, grid=grid)

        return sequences.frames_of(node, read, progress)
    if rois.is_roi(node):
        if grid is None:
            raise InputError(
                f"The region {frames.identifier(node)} is no segmentation; it can be used together with "
                "an image or a segmentation, whose voxels it chooses.",
                node=node.GetID(),
            )
        if kind == "mask":
            return rois.roi_mask(node, grid, world=world)
        return rois.roi_labels([node], grid, world=world)
    if kind == "image":
        return volumes.image_of(node, world=world, progress=progress)
    if kind == "mask":
        return segmentations.mask_of(node, segment, world=world, progress=progress)
    if kind == "labels":
        return segmentations.labels_of(node, segment, world=world, progress=progress)
    if kind == "transform":
        return transforms.transform_of(node, world=world, progress=progress)
    if kind == "landmarks":
        return landmarks.landmarks_of(node, world=world)
    if kind == "surface":
        return surfaces.surface_of(node, world=world)
    return tables.measurements_of(node) if kind == "table" else curves.curves_of(node)


def check_class(node: Any, kind: str, output: bool = False) -> None:
    """Raise `InputError` unless the node is of a class that fits the kind."""
    classes = (OUTPUT_CLASSES if output else CLASSES).get(kind)
    if classes is None:
        raise InputError(f"There is no kind of value {kind!r}; there are {', '.join(CLASSES)}.")
    if node is None or not hasattr(node, "GetClassName"):
        raise InputError(f"A node is needed for {kind}, not {node!r:.80}.")
    fits = node.GetClassName() in classes
    if sequences.is_sequence(node) and not output:
        fits = sequences.item_class(node) in CLASSES[item_kind(kind)]
    if not fits:
        words = ", ".join(_word(name) for name in classes)
        inside = f" of {_word(sequences.item_class(node))} nodes" if sequences.is_sequence(node) and not output else ""
        raise InputError(
            f"{frames.identifier(node)} is a {node.GetNodeTagName()} node{inside}; {kind} needs one of: {words}.",
            node=node.GetID(),
        )


def _word(name: str) -> str:
    """What people call a class of nodes."""
    return name.removeprefix("vtkMRML").removesuffix("Node")


def item_kind(kind: str) -> str:
    """The kind of one frame."""
    return "image" if kind == "frames" else kind


def node_class(value: Any, kind: str) -> str:
    """The class of the node that holds a value."""
    if isinstance(value, Frames):
        return sequences.CLASS
    if kind == "image":
        return volumes.node_class(value)
    if kind == "landmarks":
        return landmarks.node_class(value)
    return transforms.node_class(value) if kind == "transform" else OUTPUT_CLASSES[kind][0]


def add_node(
    value: Any, name: str, *, kind: str, like: Any = None, parent: Any = None, keeps_display: bool = False
) -> Any:
    """A new node with this value; nothing stays in the scene when that fails.

    Parameters
    ----------
    value, kind
        What it is, see `value_of`.
    name
        Name of the node; one that exists already gets a number.
    like
        Node that the value comes from: the new one goes to the same folder of the subject hierarchy.
    parent
        Transform node in whose space the value is (None: world coordinates); the new node is put under it.
    keeps_display
        Whether the voxels mean the same as those of `like`: then unit, window, level and colours are kept.
    """
    scene = slicer.mrmlScene
    before = node_ids(scene)
    node = scene.AddNewNodeByClass(node_class(value, kind), scene.GenerateUniqueName(name))
    try:
        put_value(value, node, kind, name=name, like=like, parent=parent, keeps_display=keeps_display)
        _into_folder(node, like)
        if isinstance(value, Frames):
            _browse(node, like if keeps_display else None)
    except BaseException:
        remove_new(scene, before)
        raise
    return node


def put_value(
    value: Any,
    node: Any,
    kind: str,
    *,
    name: str = "",
    like: Any = None,
    parent: Any = None,
    keeps_display: bool = False,
) -> None:
    """Overwrite a node with a value; see `add_node`. Its parent transform becomes that of the value."""
    if isinstance(value, Frames):
        if parent is not None:
            raise InputError("A sequence cannot be under a transform; take the inputs out of theirs.")
        shown = _one_of(like) if keeps_display else None
        sequences.put_frames(value, node, lambda item: _new_item(item, item_kind(kind), name, shown))
        if item_kind(kind) == "image":
            volumes.keep_voxel_order(node, value.values[0])
        elif kind == "transform":
            sequences.keep_exact(node)
        return
    if kind in ("image", "transform", "landmarks", "labels", "mask", "surface"):
        _set_parent(node, parent)
    if kind == "image":
        if node.GetClassName() != volumes.node_class(value):
            raise InputError(
                f"{frames.identifier(node)} is a {node.GetNodeTagName()} node; this result has "
                f"{value.GetNumberOfComponentsPerPixel()} numbers per voxel. Choose another output."
            )
        volumes.put_image(value, node)
        volumes.keep_voxel_order(node, value)
        volumes.new_display(node)
        if keeps_display and like is not None:
            volumes.keep_display(node, _one_of(like))
    elif kind in ("labels", "mask"):
        labels = value if kind == "labels" else mask_labels(value, name)
        node.GetSegmentation().RemoveAllSegments()
        segment_writing.put_labels(labels, node)
        refer_to_volume(node, like, labels)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
    else:
        writers: dict[str, Callable[[Any, Any], None]] = {
            "transform": transforms.put_transform,
            "landmarks": landmarks.put_landmarks,
            "table": tables.put_measurements,
            "curves": curves.put_curves,
            "surface": surfaces.put_surface,
        }
        writers[kind](value, node)
        if kind == "landmarks" and node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()


def _new_item(value: Any, kind: str, name: str, shown: Any) -> Any:
    """A data node for one frame, outside of the scene; `shown` is the volume whose quantity and unit it keeps."""
    item = slicer.mrmlScene.CreateNodeByClass(node_class(value, kind))
    item.UnRegister(None)
    if kind == "image":
        volumes.put_image(value, item)
        if shown is not None:
            volumes.keep_display(item, shown)
    elif kind in ("labels", "mask"):
        segment_writing.put_labels(value if kind == "labels" else mask_labels(value, name), item)
    elif kind == "surface":
        surfaces.put_mesh(value, item)
    elif kind == "transform":
        transforms.put_transform(value, item)
    else:
        landmarks.put_landmarks(value, item)
    return item


def _one_of(node: Any) -> Any:
    """The first frame of a sequence, another node itself."""
    return sequences.items(node)[0] if sequences.is_sequence(node) else node


def _browse(node: Any, like: Any) -> None:
    """Show the first frame of a new sequence, with the window and level of what shows `like`."""
    if sequences.browse(node) is None:
        return
    source = next(iter(sequences.proxies_of(like)), None) if sequences.is_sequence(like) else like
    for proxy in sequences.proxies_of(node):
        if source is not None and proxy.IsA("vtkMRMLVolumeNode") and source.IsA("vtkMRMLVolumeNode"):
            volumes.keep_display(proxy, source)


def mask_labels(mask: Any, name: str) -> Labels:
    """A mask as labels of one segment with this name."""
    labels = Labels.from_masks([(name or NO_SEGMENT_ID, mask)])
    only = labels.segments[0]
    return Labels(labels.layers, (Segment(NO_SEGMENT_ID, only.name, only.color, only.layer, only.value),))


def refer_to_volume(node: Any, like: Any, labels: Labels) -> None:
    """Name `like` as the source volume of a segmentation when it is on the same grid."""
    if like is None or not like.IsA("vtkMRMLVolumeNode") or frames.parent_of(node) is not frames.parent_of(like):
        return
    try:
        grid = volumes.node_grid(like, world=False)
    except InputError:
        return
    if labels.grid.dimension == 3 and grid.same_as(labels.grid):
        node.SetReferenceImageGeometryParameterFromVolumeNode(like)


def _set_parent(node: Any, parent: Any) -> None:
    if frames.parent_of(node) is not parent:
        node.SetAndObserveTransformNodeID(parent.GetID() if parent is not None else None)


def _into_folder(node: Any, like: Any) -> None:
    """Put a new node beside the one it comes from, without telling selectors about it twice."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if like is None or hierarchy is None:
        return
    own, other = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(like)
    if own and other:
        hierarchy.SetItemParent(own, hierarchy.GetItemParent(other))


def node_ids(scene: Any) -> set[str]:
    """The ids of all nodes of a scene."""
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def remove_new(scene: Any, before: set[str]) -> None:
    """Remove every node that has come since `before`, the last one first."""
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    new = [found for found in reversed(nodes) if found.GetID() not in before]
    # A browser that is still there would make a new proxy for the one that is removed.
    for node in sorted(new, key=lambda found: found.GetClassName() != sequences.BROWSER):
        if node.GetScene() is not None:
            scene.RemoveNode(node)

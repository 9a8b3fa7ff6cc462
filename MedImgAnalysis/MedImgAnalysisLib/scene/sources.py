"""What a run reads from the scene: nodes and segments, their common frame, and whether they have changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk
import slicer

from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from ..recipe import Recipe
from ..values import Frames, Labels
from . import bridge, frames, rois, sequences, volumes


@dataclass(frozen=True)
class Source:
    """A node as the input of a recipe, or one segment of it, or several regions of interest as one segmentation."""

    name: str
    kind: str
    node: Any
    segment: str | None = None
    more: tuple[Any, ...] = ()

    @property
    def nodes(self) -> tuple[Any, ...]:
        """All nodes that are read."""
        return self.node, *self.more

    @property
    def is_region(self) -> bool:
        """Whether it has no voxels of its own."""
        return rois.is_roi(self.node)

    @classmethod
    def of(cls, name: str, kind: str, given: Any) -> Source:
        """From a node, a pair (node, segment) or a list of regions; raises `InputError` that names the input."""
        if isinstance(given, (list, tuple)) and given and all(hasattr(item, "IsA") for item in given):
            return cls._of_regions(name, kind, tuple(given))
        node, segment = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
        try:
            bridge.check_class(node, kind)
        except InputError as error:
            raise InputError(f"Input {name!r}: {error}", role=name) from None
        if node.GetScene() is not slicer.mrmlScene:
            raise InputError(f"Input {name!r}: {frames.identifier(node)} is not in the scene any more.", role=name)
        if segment is not None and kind not in ("mask", "labels"):
            raise InputError(f"Input {name!r} is {kind}; it takes a node, not a segment.", role=name)
        if segment is not None and rois.is_roi(node):
            raise InputError(f"Input {name!r}: the region {frames.identifier(node)} has no segments.", role=name)
        return cls(name, kind, node, segment or None)

    @classmethod
    def _of_regions(cls, name: str, kind: str, nodes: tuple[Any, ...]) -> Source:
        if len(nodes) > 1 and (kind != "labels" or not all(rois.is_roi(node) for node in nodes)):
            raise InputError(
                f"Input {name!r} takes one node ({kind}), not {len(nodes)}; several regions of interest "
                "can stand for a segmentation.",
                role=name,
            )
        first = cls.of(name, kind, nodes[0])
        others = tuple(cls.of(name, kind, node).node for node in nodes[1:])
        return cls(name, kind, first.node, None, others)

    def value(self, world: bool, progress: Progress, grid: Grid | None = None) -> Any:
        """The value in world or node coordinates; a warning says so when it is one frame of a sequence.

        `grid` is that of the image which regions of interest are used with.
        """
        browser = sequences.browser_of_proxy(self.node)
        if browser is not None:
            whole = browser.GetSequenceNode(self.node)
            progress.warn(
                f"{frames.identifier(self.node)} belongs to the sequence "
                f"{(browser if whole is None else whole).GetName()!r}; only its current frame "
                f"(#{browser.GetSelectedItemNumber()}) is used. Choose the sequence itself for all its frames."
            )
        if self.more and grid is not None:
            return rois.roi_labels(self.nodes, grid, world=world)
        return bridge.value_of(self.node, self.kind, self.segment, world=world, progress=progress, grid=grid)

    def origin(self) -> dict[str, Any]:
        """What the provenance record says of it."""
        found: dict[str, Any] = {"name": self.node.GetName(), "id": self.node.GetID()}
        if self.more:
            found = {
                "name": ", ".join(node.GetName() for node in self.nodes),
                "id": self.node.GetID(),
                "regions": [node.GetID() for node in self.nodes],
            }
        return found if self.segment is None else {**found, "segment": self.segment}

    def title(self) -> str:
        """How default names call it: the node, or the segment of a node."""
        if self.segment is None:
            return str(self.node.GetName())
        if not self.node.IsA("vtkMRMLSegmentationNode"):
            return f"{self.node.GetName()} {self.segment}" if sequences.is_sequence(self.node) else self.segment
        segment = self.node.GetSegmentation().GetSegment(self.segment)
        return str(segment.GetName()) if segment is not None else self.segment

    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever the voxels, points, numbers or the position of the node do."""
        return tuple(part for node in self.nodes for part in _stamp(node, self.kind))

    def changed(self, stamp: tuple[Any, ...]) -> str:
        """A sentence when a node is gone or differs from when it was read, else an empty text."""
        for node in self.nodes:
            if node.GetScene() is not slicer.mrmlScene:
                return f"The input {node.GetName()!r} was deleted while the operation ran; nothing was changed."
        if self.stamp() != stamp:
            return (
                f"The input {self.node.GetName()!r} was changed while the operation ran; nothing was written. "
                "Run again."
            )
        return ""


def _stamp(node: Any, kind: str) -> list[Any]:
    parts: list[Any] = []
    if sequences.is_sequence(node):
        parts += [node.GetIndexName(), node.GetIndexUnit()]
        for number, item in enumerate(sequences.items(node)):
            parts += [node.GetNthIndexValue(number), *_stamp(item, bridge.item_kind(kind))]
        return parts
    if node.IsA("vtkMRMLVolumeNode"):
        data = node.GetImageData()
        parts += [data.GetMTime() if data else 0, _matrix(node)]
    elif node.IsA("vtkMRMLSegmentationNode"):
        parts.append(node.GetSegmentation().GetMTime())
        segmentation = node.GetSegmentation()
        for number in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(number)
            image = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
            parts += [segmentation.GetNthSegmentID(number), segment.GetName(), image.GetMTime() if image else 0]
    elif node.IsA("vtkMRMLTransformNode"):
        transform = node.GetTransformFromParent()
        parts.append(transform.GetMTime() if transform else 0)
    elif rois.is_roi(node):
        parts += rois.state_of(node)
    elif node.IsA("vtkMRMLMarkupsNode"):
        value = bridge.value_of(node, kind, world=False)
        parts += [value.names, value.points.tobytes()]
    elif node.IsA("vtkMRMLTableNode"):
        parts.append(node.GetTable().GetMTime() if node.GetTable() else 0)
    elif node.IsA("vtkMRMLModelNode"):
        parts.append(node.GetPolyData().GetMTime() if node.GetPolyData() else 0)
    for parent in frames.parents_of(node):
        transform = parent.GetTransformToParent()
        parts += [parent.GetID(), transform.GetMTime() if transform else 0]
    return parts


def _matrix(node: Any) -> tuple[float, ...]:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return tuple(frames.to_array(matrix).ravel().tolist())


def common_parent(sources: Iterable[Source]) -> tuple[bool, Any]:
    """Whether to compute in world coordinates, and else the transform node that all inputs are under.

    Inputs under one and the same transform that keeps lengths and angles are taken in their own
    coordinates, and results get that parent, so they move along with the inputs. In every other
    case (different parents, scaling, bending) all is in world coordinates and results have no
    parent. Millimetres are those of the world either way.
    """
    placed = [node for source in sources for node in source.nodes if source.kind not in ("table", "curves")]
    parents = {frames.parent_of(node) for node in placed}
    if len(parents) == 1:
        parent = parents.pop()
        if parent is None or frames.rigid(parent):
            return parent is None, parent
    return True, None


def check_not_moved_twice(sources: Iterable[Source]) -> None:
    """Refuse a transform input that some other input is under already: it would be applied twice."""
    every = list(sources)
    given = [source.node for source in every if source.kind == "transform"]
    for role, node in [(source.name, node) for source in every for node in source.nodes]:
        for parent in frames.parents_of(node):
            if parent in given:
                raise InputError(
                    f"{frames.identifier(node)} is already under the transform "
                    f"{frames.identifier(parent)}, which is an input as well; take it out first.",
                    role=role,
                )


def values_of(recipe: Recipe, sources: Mapping[str, Source], world: bool, progress: Progress) -> dict[str, Any]:
    """The values of all inputs; regions of interest on the grid of what they are used with.

    A segmentation node always has three axes. Its one slice counts as 2-D where all images are 2-D, and without images
    where it was written as 2-D.
    """
    values = {name: source.value(world, progress) for name, source in sources.items() if not source.is_region}
    images = [_one_of(values[name]) for name in values if recipe.inputs[name] in ("image", "frames")]
    for name, source in sources.items():
        if name in values and recipe.inputs[name] in ("mask", "labels"):
            was_flat = not images and source.node.GetAttribute(volumes.DIMENSION) == "2"
            if was_flat or (images and all(image.GetDimension() == 2 for image in images)):
                values[name] = _flat(values[name])
    for name, source in sources.items():
        if source.is_region:
            values[name] = source.value(world, progress, _grid_for(name, recipe, values))
    return {name: values[name] for name in sources}


def _one_of(value: Any) -> Any:
    """The first frame, or the value itself."""
    return value.values[0] if isinstance(value, Frames) else value


def _flat(value: Any) -> Any:
    """A mask or labels of one slice, or frames of them, in 2-D."""
    if isinstance(value, Frames):
        return value.with_values([_flat(item) for item in value.values])
    if isinstance(value, Labels):
        return Labels(tuple(volumes.flat(layer) for layer in value.layers), value.segments)
    return volumes.flat(value)


def _grid_for(name: str, recipe: Recipe, values: Mapping[str, Any]) -> Grid | None:
    """The grid of the image of a region: of the role that it is a mask of, else of the first image of its step,
    else of any image, else of a segmentation."""
    near: list[str] = []
    for step in recipe.steps:
        roles = [role for role, bound in step.inputs.items() if name in ([bound] if isinstance(bound, str) else bound)]
        if roles:
            owner = step.inputs.get(roles[0].removesuffix("_mask"))
            near += [bound for bound in (owner, *step.inputs.values()) if isinstance(bound, str)]
    ordered = [*near, *values]
    for kind in (sitk.Image, Labels):
        for other in ordered:
            value = _one_of(values.get(other))
            if isinstance(value, kind):
                return Grid.of(value) if isinstance(value, sitk.Image) else value.grid
    return None

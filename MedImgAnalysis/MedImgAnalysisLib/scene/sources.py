"""What a run reads from the scene: nodes and segments, their common frame, and whether they have changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import slicer

from ..errors import InputError
from ..progress import Progress
from . import bridge, frames


@dataclass(frozen=True)
class Source:
    """A node as the input of a recipe, or one segment of it."""

    name: str
    kind: str
    node: Any
    segment: str | None = None

    @classmethod
    def of(cls, name: str, kind: str, given: Any) -> Source:
        """From a node or a pair (node, segment); raises `InputError` that names the input."""
        node, segment = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
        try:
            bridge.check_class(node, kind)
        except InputError as error:
            raise InputError(f"Input {name!r}: {error}", role=name) from None
        if node.GetScene() is not slicer.mrmlScene:
            raise InputError(f"Input {name!r}: {frames.identifier(node)} is not in the scene any more.", role=name)
        if segment is not None and kind not in ("mask", "labels"):
            raise InputError(f"Input {name!r} is {kind}; it takes a node, not a segment.", role=name)
        return cls(name, kind, node, segment or None)

    def value(self, world: bool, progress: Progress) -> Any:
        """The value in world or node coordinates; a warning says so when it is one frame of a sequence."""
        sequences = getattr(slicer.modules, "sequences", None)
        browser = sequences.logic().GetFirstBrowserNodeForProxyNode(self.node) if sequences is not None else None
        if browser is not None:
            frame = browser.GetSelectedItemNumber() + 1
            progress.warn(f"{frames.identifier(self.node)} belongs to the sequence {browser.GetName()!r}; only its "
                          f"current frame ({frame}) is used.")
        return bridge.value_of(self.node, self.kind, self.segment, world=world, progress=progress)

    def origin(self) -> dict[str, Any]:
        """What the provenance record says of it."""
        found = {"name": self.node.GetName(), "id": self.node.GetID()}
        return found if self.segment is None else {**found, "segment": self.segment}

    def title(self) -> str:
        """How default names call it: the node, or the segment of a node."""
        if self.segment is None:
            return str(self.node.GetName())
        if not self.node.IsA("vtkMRMLSegmentationNode"):
            return self.segment
        segment = self.node.GetSegmentation().GetSegment(self.segment)
        return str(segment.GetName()) if segment is not None else self.segment

    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever the voxels, points, numbers or the position of the node do."""
        node = self.node
        parts: list[Any] = []
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
        elif node.IsA("vtkMRMLMarkupsNode"):
            value = bridge.value_of(node, self.kind, world=False)
            parts += [value.names, value.points.tobytes()]
        elif node.IsA("vtkMRMLTableNode"):
            parts.append(node.GetTable().GetMTime() if node.GetTable() else 0)
        for parent in frames.parents_of(node):
            transform = parent.GetTransformToParent()
            parts += [parent.GetID(), transform.GetMTime() if transform else 0]
        return tuple(parts)

    def changed(self, stamp: tuple[Any, ...]) -> str:
        """A sentence when the node is gone or differs from when it was read, else an empty text."""
        if self.node.GetScene() is not slicer.mrmlScene:
            return f"The input {self.node.GetName()!r} was deleted while the operation ran; nothing was changed."
        if self.stamp() != stamp:
            return (f"The input {self.node.GetName()!r} was changed while the operation ran; nothing was written. "
                    "Run again.")
        return ""


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
    placed = [source.node for source in sources if source.kind not in ("table", "curves")]
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
    for source in every:
        for parent in frames.parents_of(source.node):
            if parent in given:
                raise InputError(f"{frames.identifier(source.node)} is already under the transform "
                                 f"{frames.identifier(parent)}, which is an input as well; take it out first.",
                                 role=source.name)

"""From segmentation nodes to labels: segment by segment, overlap kept, no voxel lost.

Segments that share a layer of the node share a label image here as well, so nothing is merged.
A segment is always addressed by its id; names are for people and may repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import InputError
from ..geometry import Grid, union_grid
from ..progress import SILENT, Progress
from ..values import Labels, Segment
from . import frames, volumes

BINARY = "Binary labelmap"
FRACTIONAL = "Fractional labelmap"
TERMINOLOGY = "TerminologyEntry"
UNNAMED = "~SCT^85756007^Tissue~SCT^85756007^Tissue~"
"""In the terminology that Slicer gives a segment of which nothing is known; it is not read as a tag."""
ALIGNED = 1e-3  # of a voxel: lattices that agree so well are one lattice


def labels_of(node: Any, segment: str | None = None, *, world: bool = True, progress: Progress = SILENT) -> Labels:
    """The segments of a segmentation node, or one of them, on its reference grid.

    The grid is the reference geometry of the node, extended where segments reach beyond it, so that
    no voxel is lost. Where all segments that are wanted are on one other lattice (oversampled), the
    grid is on that. Layers on different lattices are resampled to the reference with the nearest
    neighbour, which is said through `progress`.

    Parameters
    ----------
    node
        Segmentation node. A label map volume node gives one segment per value.
    segment
        Id or name of the one segment that is wanted.
    world
        With the parent transforms applied, see `volumes.image_of`.

    Raises
    ------
    InputError
        No segments; no such segment; fractional segments, which are no yes-or-no sets of voxels.
    """
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        return _chosen(_from_labelmap(node, world, progress), segment)
    frames.expect(node, "vtkMRMLSegmentationNode", "a segmentation")
    segmentation = _binary(node)
    ids = [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]
    if not ids:
        raise InputError(f"The segmentation {frames.identifier(node)} has no segments.", node=node.GetID())
    if segment is not None:
        ids = [_find(node, segmentation, ids, segment)]
    labels = _collect(node, segmentation, ids, progress)
    return _in_world(labels, node, progress) if world else labels


def mask_of(node: Any, segment: str | None = None, *, world: bool = True, progress: Progress = SILENT) -> sitk.Image:
    """One segment, or a label map volume, as an image of 0 and 1.

    A segmentation of several segments needs `segment`; a volume counts as inside where it is not 0.
    """
    if node.IsA("vtkMRMLVolumeNode"):
        if segment is not None:
            labels = labels_of(node, segment, world=world, progress=progress)
            return labels.mask(labels.segments[0])
        image = volumes.image_of(node, world=world, progress=progress)
        if image.GetNumberOfComponentsPerPixel() != 1:
            raise InputError(f"The volume {frames.identifier(node)} has several components; it cannot be a mask.")
        return image
    labels = labels_of(node, segment, world=world, progress=progress)
    if len(labels.segments) != 1:
        raise InputError(
            f"The segmentation {frames.identifier(node)} has {len(labels.segments)} segments; "
            f"choose one of {', '.join(labels.names)}.",
            node=node.GetID(),
        )
    return labels.mask(labels.segments[0])


def _from_labelmap(node: Any, world: bool, progress: Progress) -> Labels:
    image = volumes.image_of(node, world=world, progress=progress)
    labels = Labels.from_labelmap(image)
    table = node.GetDisplayNode().GetColorNode() if node.GetDisplayNode() else None
    if table is None or table.GetSingletonTag():  # colours of the application name no structures
        return labels
    names = {s.value: table.GetColorName(s.value) for s in labels.segments if table.GetColorName(s.value)}
    colors = {}
    for value in names:
        color = [0.0] * 4
        if table.GetColor(value, color):
            colors[value] = (color[0], color[1], color[2])
    return Labels.from_labelmap(image, names, colors)


def _chosen(labels: Labels, segment: str | None) -> Labels:
    return labels if segment is None else Labels(labels.layers, (labels.find(segment),))


def _find(node: Any, segmentation: Any, ids: list[str], wanted: str) -> str:
    if wanted in ids:
        return wanted
    hits = [i for i in ids if segmentation.GetSegment(i).GetName() == wanted]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise InputError(f"{frames.identifier(node)} has {len(hits)} segments named {wanted!r}; use the segment id.")
    names = ", ".join(segmentation.GetSegment(i).GetName() for i in ids)
    raise InputError(f"{frames.identifier(node)} has no segment {wanted!r}; it has {names}.", node=node.GetID())


def _binary(node: Any) -> Any:
    """The segmentation with label images; the node itself is not touched when they must be made first."""
    segmentation = node.GetSegmentation()
    if segmentation.GetSourceRepresentationName() == FRACTIONAL:
        raise InputError(
            f"The segmentation {frames.identifier(node)} is fractional; convert it to binary label maps first.",
            node=node.GetID(),
        )
    if segmentation.GetNumberOfSegments() == 0 or segmentation.ContainsRepresentation(BINARY):
        return segmentation
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    if not copy.CreateRepresentation(BINARY):
        raise InputError(
            f"The segmentation {frames.identifier(node)} cannot be converted to label maps.", node=node.GetID()
        )
    return copy


def reference_grid(segmentation: Any) -> Grid | None:
    """The grid that the segmentation says it belongs to."""
    text = segmentation.GetConversionParameter(slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName())
    if not text:
        return None
    image = slicer.vtkOrientedImageData()
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False):
        return None
    return _grid_of(image)


def _grid_of(image: Any) -> Grid | None:
    """Grid of the extent of an oriented image, None when it is empty."""
    extent = image.GetExtent()
    size = tuple(extent[2 * a + 1] - extent[2 * a] + 1 for a in range(3))
    if min(size) < 1:
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    array = frames.to_array(matrix)
    array[:3, 3] += array[:3, :3] @ np.array(extent[0::2], float)
    return frames.matrix_grid(array, size, "The segmentation")


def _collect(node: Any, segmentation: Any, ids: list[str], progress: Progress) -> Labels:
    parts: list[Any] = []  # the layers' images, each once
    segments: list[Segment] = []
    for identity in ids:
        source = segmentation.GetSegment(identity)
        image = source.GetRepresentation(BINARY)
        if image not in parts:
            parts.append(image)
        segments.append(
            Segment(
                identity,
                source.GetName() or identity,
                tuple(source.GetColor()),
                parts.index(image),
                source.GetLabelValue(),
                tags_of(source),
            )
        )
    used: dict[int, set[int]] = {}
    for found in segments:
        used.setdefault(found.layer, set()).add(found.value)
    images = [None if image is None or _grid_of(image) is None else _image(image) for image in parts]
    grid = _common_grid(node, segmentation, images, used)
    layers = tuple(_paste(image, grid, node, progress) for image in images)
    return Labels(layers, tuple(segments))


def _image(image: Any) -> sitk.Image:
    """The cropped voxels of a layer with the grid of their own extent."""
    scalars = image.GetPointData().GetScalars()
    array = vtk_to_numpy(scalars).reshape(tuple(reversed(image.GetDimensions())))
    grid = _grid_of(image)
    assert grid is not None
    return grid.put_on(sitk.GetImageFromArray(volumes.storable(array, "segmentation")))


def _common_grid(node: Any, segmentation: Any, images: list[sitk.Image | None], used: Mapping[int, set[int]]) -> Grid:
    grid = reference_grid(segmentation)
    lattices = [Grid.of(image) for image in images if image is not None]
    together = bool(lattices) and all(_one_lattice(other, lattices[0]) for other in lattices)
    if grid is not None and together and not _one_lattice(lattices[0], grid):
        grid = union_grid(lattices[0], grid)
    for number, image in enumerate(images):
        if image is None:
            continue
        if grid is None:
            grid = Grid.of(image)
        view = sitk.GetArrayViewFromImage(image)
        inside = np.argwhere(np.isin(view, sorted(used[number])))
        if not len(inside):
            continue
        low, high = inside.min(axis=0)[::-1], inside.max(axis=0)[::-1]
        box = Grid.of(image[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1])
        grid = union_grid(grid, box)
    if grid is None:
        raise InputError(
            f"The segmentation {frames.identifier(node)} is empty and has no reference geometry; set its "
            "source volume.",
            node=node.GetID(),
        )
    return grid


def _paste(image: sitk.Image | None, grid: Grid, node: Any, progress: Progress) -> sitk.Image:
    """A layer on the full grid: by index where the lattices agree, else by the nearest neighbour."""
    if image is None:
        return grid.blank()
    own = Grid.of(image)
    if not _one_lattice(own, grid):
        progress.warn(
            f"A layer of the segmentation {node.GetName()!r} is on another lattice than its reference "
            "geometry; it was resampled to the nearest voxel."
        )
        return sitk.Resample(
            image,
            list(grid.size),
            sitk.Transform(3, sitk.sitkIdentity),
            sitk.sitkNearestNeighbor,
            grid.origin,
            grid.spacing,
            grid.direction,
            0,
        )
    start = np.rint(grid.to_index(np.asarray(own.origin)[None])[0]).astype(int)
    low = np.maximum(start, 0)
    high = np.minimum(start + own.size, grid.size)
    view = sitk.GetArrayViewFromImage(image)
    whole = np.zeros(tuple(reversed(grid.size)), view.dtype)
    if (low < high).all():
        target = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1]))
        source = tuple(slice(int(a - s), int(b - s)) for a, b, s in zip(low[::-1], high[::-1], start[::-1]))
        whole[target] = view[source]
    return grid.put_on(sitk.GetImageFromArray(whole))


def _one_lattice(a: Grid, b: Grid) -> bool:
    index = b.to_index(a.corners)
    steps = np.rint(index[0]) + a.to_index(a.corners)
    return bool(np.abs(index - steps).max() <= ALIGNED)


def _in_world(labels: Labels, node: Any, progress: Progress) -> Labels:
    parent = frames.parent_of(node)
    if parent is None:
        return labels
    matrix = frames.world_matrix(parent)
    moved = None if matrix is None else matrix @ frames.grid_matrix(labels.grid)
    if moved is None or not frames.orthogonal(moved):
        progress.warn(
            f"The segmentation {node.GetName()!r} is under a transform that bends or shears; it was resampled."
        )
        return Labels(tuple(volumes.hardened(layer, parent, labels=True) for layer in labels.layers), labels.segments)
    grid = frames.matrix_grid(moved, labels.grid.size, "The segmentation")
    return Labels(tuple(grid.put_on(sitk.Image(layer)) for layer in labels.layers), labels.segments)


def tags_of(segment: Any) -> dict[str, str]:
    """The tags of a vtkSegment, with its terminology unless it is the one of segments of which nothing is known."""
    tags = all_tags_of(segment)
    return {key: value for key, value in tags.items() if key != TERMINOLOGY or UNNAMED not in value}


def all_tags_of(segment: Any) -> dict[str, str]:
    """All tags of a vtkSegment.

    The wrapped class lists no tag names, but prints them; each is then asked for by name.
    """
    lines = str(segment).split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() == "Tags:"), len(lines))
    tags: dict[str, str] = {}
    for line in lines[start + 1 :]:
        text = line.strip()
        for end in (n for n, letter in enumerate(text) if letter == ":"):
            if segment.HasTag(text[:end]):
                value = vtk.reference("")
                segment.GetTag(text[:end], value)
                tags[text[:end]] = str(value)
                break
    return tags


def segment_digest(segmentation: Any, identity: str) -> str:
    """SHA-256 of the voxels of a segment and where they are, by which an edit by hand is noticed."""
    segment = segmentation.GetSegment(identity)
    image = segment.GetRepresentation(BINARY)
    digest = hashlib.sha256()
    if image is None or _grid_of(image) is None:
        return digest.hexdigest()
    layer = _image(image)
    inside = sitk.GetArrayViewFromImage(layer) == segment.GetLabelValue()
    found = np.argwhere(inside)
    if len(found):
        low, high = found.min(axis=0), found.max(axis=0) + 1
        box = inside[tuple(slice(a, b) for a, b in zip(low, high))]
        grid = Grid.of(layer)
        start = grid.to_physical(low[::-1][None].astype(float))[0]
        digest.update(repr((box.shape, np.round(start, 4).tolist(), np.round(grid.axes, 6).tolist())).encode())
        digest.update(np.packbits(box).tobytes())
    return digest.hexdigest()

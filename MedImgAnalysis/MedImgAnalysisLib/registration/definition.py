"""Where a transform says something: its own lattice, and which points it is defined for.

Outside its lattice ITK lets a displacement field or a b-spline map every point to itself. That is no result of a
registration, so measures leave such points out and count them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress

SLAB_VOXELS = 1 << 17
"""Voxels that are mapped between two looks at the wish to stop."""
TOUCH_VOXELS = 1e-6
"""What a point may lie outside the outermost voxel centres, for rounding."""


def parts(transform: sitk.Transform) -> list[sitk.Transform]:
    """The transforms that make up a transform, in the order in which a point goes through them."""
    plain = transform.Downcast() if hasattr(transform, "Downcast") else transform
    if not isinstance(plain, sitk.CompositeTransform):
        return [plain]
    inner = [plain.GetNthTransform(n) for n in range(plain.GetNumberOfTransforms())]
    if len(inner) == 1 and inner[0].IsLinear():
        # A class that SimpleITK does not know is shown as a composite of itself without end.
        return [inner[0]]
    return [part for one in reversed(inner) for part in parts(one)]


def lattice(transform: sitk.Transform) -> Grid | None:
    """The voxel grid of the first displacement field that a point meets; None for transforms without one."""
    for part in parts(transform):
        if isinstance(part, sitk.DisplacementFieldTransform):
            return Grid.of(part.GetDisplacementField())
        if not part.IsLinear():
            return None
    return None


def slab_grids(grid: Grid, progress: Progress, message: str, voxels: int = SLAB_VOXELS) -> Iterator[tuple[slice, Grid]]:
    """The grid in slabs along its last axis: the range of each and its grid. Reports, and stops when asked to."""
    depth = max(1, voxels // int(np.prod(grid.size[:-1])))
    last = grid.size[-1]
    for start in range(0, last, depth):
        progress.report(start / last, message)
        stop = min(start + depth, last)
        first = np.array([0] * (grid.dimension - 1) + [start], float)
        origin = tuple(grid.to_physical(first[None])[0].tolist())
        yield slice(start, stop), Grid((*grid.size[:-1], stop - start), grid.spacing, origin, grid.direction)


def wider(grid: Grid) -> Grid:
    """The grid with one more voxel on all sides."""
    origin = tuple(grid.to_physical(np.full((1, grid.dimension), -1.0))[0].tolist())
    return Grid(tuple(n + 2 for n in grid.size), grid.spacing, origin, grid.direction)


def on_slab(transform: sitk.Transform, grid: Grid) -> sitk.Transform:
    """A transform that is equal at the voxel centres of `grid`, and quick to ask several times.

    The displacements there as a field; linear transforms as they are.
    """
    return transform if transform.IsLinear() else sitk.DisplacementFieldTransform(_field(transform, grid))


def displacement(transform: sitk.Transform, grid: Grid) -> np.ndarray:
    """T(x) - x at every voxel centre in LPS millimetres, float64 of shape (k, j, i, component)."""
    return sitk.GetArrayFromImage(_field(transform, grid))


def _field(transform: sitk.Transform, grid: Grid) -> sitk.Image:
    return sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, list(grid.size), grid.origin, grid.spacing, grid.direction
    )


def defined(
    transform: sitk.Transform, grid: Grid, before: sitk.Transform | None = None, touch: float = TOUCH_VOXELS
) -> np.ndarray | None:
    """Which voxel centres the transform is defined for, boolean (k, j, i); None when for all.

    A displacement field is defined in the box of its voxel centres, a b-spline in its domain. With `before` the points
    go through that transform first. `touch` is the part of a voxel (of the domain of a b-spline) that counts on the
    outside of the edge, or not any more inside of it when it is negative: at its very edge ITK evaluates a b-spline
    wrongly.
    """
    way = [before] if before is not None else []
    found: np.ndarray | None = None
    for part in parts(transform):
        box = _box(part, touch)
        if box is not None:
            here = _hits(box, way, grid)
            found = here if found is None else found & here
        way.append(part)
    return found


def covered(other: Grid, transform: sitk.Transform, grid: Grid) -> np.ndarray:
    """Voxel centres of `grid` that the transform takes between voxel centres of `other`, boolean (k, j, i).

    Interpolation repeats the border for another half voxel; what is made up there must not be compared.
    """
    return _hits(_centres(other), [transform], grid)


def _hits(box: sitk.Image, way: list[sitk.Transform], grid: Grid) -> np.ndarray:
    """Voxel centres that lie in the one voxel of `box` after going through all of `way`."""
    found = sitk.Resample(
        box,
        list(grid.size),
        _through(way, grid.dimension),
        sitk.sitkNearestNeighbor,
        grid.origin,
        grid.spacing,
        grid.direction,
        0.0,
        sitk.sitkUInt8,
    )
    return sitk.GetArrayFromImage(found).astype(bool)


def _through(way: list[sitk.Transform], dimension: int) -> sitk.Transform:
    """One transform that maps points through all of `way`, first one first."""
    return sitk.CompositeTransform(way[::-1]) if way else sitk.Transform(dimension, sitk.sitkIdentity)


def way_and_back(first: sitk.Transform, second: sitk.Transform, grid: Grid) -> np.ndarray:
    """second(first(x)) - x at every voxel centre in LPS millimetres, float64 of shape (k, j, i, component).

    A field that comes second is interpolated as an image: composites copy their transforms, and fields are large.
    """
    after = parts(second)
    if len(after) > 1 or not isinstance(after[0], sitk.DisplacementFieldTransform):
        return displacement(sitk.CompositeTransform([second, first]), grid)
    moved = sitk.Resample(
        after[0].GetDisplacementField(),
        list(grid.size),
        first,
        sitk.sitkLinear,
        grid.origin,
        grid.spacing,
        grid.direction,
        0.0,
        sitk.sitkVectorFloat64,
    )
    return displacement(first, grid) + sitk.GetArrayFromImage(moved)


def _box(part: sitk.Transform, touch: float = TOUCH_VOXELS) -> sitk.Image | None:
    """One large voxel that covers where `part` is defined; None when it is defined everywhere."""
    if isinstance(part, sitk.DisplacementFieldTransform):
        return _centres(Grid.of(part.GetDisplacementField()), touch)
    if isinstance(part, sitk.BSplineTransform):
        sides = np.array(part.GetTransformDomainPhysicalDimensions())
        direction = part.GetTransformDomainDirection()
        axes = np.reshape(direction, (len(sides),) * 2)
        middle = np.array(part.GetTransformDomainOrigin()) + axes @ (sides / 2)
        return _voxel(middle, sides * (1 + 2 * touch), direction)
    return None


def _centres(grid: Grid, touch: float = TOUCH_VOXELS) -> sitk.Image:
    """One voxel that reaches from the first to the last voxel centre of a grid."""
    steps = np.array(grid.size) - 1
    sides = (steps + 2 * np.where(steps, touch, TOUCH_VOXELS)) * np.array(grid.spacing)
    return _voxel(grid.to_physical(steps[None] / 2)[0], sides, grid.direction)


def _voxel(middle: np.ndarray, sides: np.ndarray, direction: tuple[float, ...]) -> sitk.Image:
    box = sitk.Image([1] * len(sides), sitk.sitkUInt8) + 1
    box.SetSpacing(sides.tolist())
    box.SetOrigin(middle.tolist())
    box.SetDirection(direction)
    return box


def undefined_points(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Which of the points (N, d) a transform is not defined for, boolean (N,): ITK leaves them in place."""
    lost = np.zeros(len(points), bool)
    here = np.array(points, float)
    for part in parts(transform):
        box = _box(part)
        if box is not None:
            index = Grid.of(box).to_index(here)
            lost |= (np.abs(index) > 0.5).any(axis=1)
        here = np.array([part.TransformPoint(point) for point in here.tolist()]).reshape(here.shape)
    return lost

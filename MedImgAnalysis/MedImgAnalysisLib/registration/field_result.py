"""The displacements of a lattice as one transform of its own, the linear part included.

One node in the scene and one file hold the whole result then, and a volume under the node is seen where the resampled
one is. A displacement field has a vector for every second fixed voxel along each axis, as it is smooth over several of
them; a cubic B-spline contains linear maps exactly.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..kernels import gaussian, separable
from ..kernels.lattice import covering
from ..kernels.spline_field import basis
from ..progress import SILENT, Progress
from .flow_level import FlowLevel

Linear = tuple[np.ndarray, np.ndarray]
FAINT = 1e-3
"""Weight of the bending of a B-spline in its fit: fixes control points that no node of the field lies near."""

EVERY = 2.0
"""Fixed voxels between two vectors of a displacement field."""
SLAB = 1 << 18
"""Voxels of a field that are made at a time."""
MARGIN = 2
"""Voxels that the domain of a B-spline reaches beyond the outermost voxel centres: on its very edge ITK leaves points
in place, and the differences at the last voxels ask for the next ones."""


def field_grid(level: FlowLevel, grid: Grid) -> Grid:
    """The lattice of the displacement field for a fixed grid: over all of it, every second voxel along each axis.

    Along axes on which the nodes of the level are nearer to each other, as between thick slices, as near as these.
    """
    node = np.array(level.lattice_grid.spacing) / grid.spacing
    axes = [covering(n, float(step)) for n, step in zip(grid.size, np.clip(node, 1.0, EVERY), strict=True)]
    origin = grid.to_physical(np.array([[axis.start for axis in axes]]))[0]
    spacing = tuple(s * axis.step for s, axis in zip(grid.spacing, axes, strict=True))
    return Grid(tuple(axis.nodes for axis in axes), spacing, tuple(origin.tolist()), grid.direction)


def field_transform(level: FlowLevel, fixed: Grid, linear: Linear, progress: Progress = SILENT) -> sitk.Transform:
    """T(x) - x on the lattice of `field_grid`, to be interpolated linearly."""
    grid = field_grid(level, fixed)
    d = grid.dimension
    image = grid.put_on(sitk.Image(list(grid.size), sitk.sitkVectorFloat64, d))
    layers = max(1, SLAB // int(np.prod(grid.size[:-1])))
    for start in range(0, grid.size[-1], layers):
        progress.check()
        stop = min(start + layers, grid.size[-1])
        origin = grid.to_physical(np.array([[0.0] * (d - 1) + [start]]))[0]
        slab = Grid((*grid.size[:-1], stop - start), grid.spacing, tuple(origin.tolist()), grid.direction)
        # Written into the image layer by layer: a field as one array and as an image would be twice the memory.
        image[(slice(None),) * (d - 1) + (slice(start, stop),)] = image_like(_vectors(level, slab, linear), slab)
    return sitk.DisplacementFieldTransform(image)


def _vectors(level: FlowLevel, grid: Grid, linear: Linear) -> np.ndarray:
    """T(x) - x at the voxel centres of a grid with the axes of the fixed one, float64 (k, j, i, component)."""
    d = grid.dimension
    index = np.meshgrid(*[np.arange(n) for n in grid.size[::-1]], indexing="ij", sparse=True)
    field = np.empty((*grid.size[::-1], d))
    begin, from_index, from_mm = _parts(grid, linear)
    for row in range(d):
        steps = (from_index[row, axis] * index[d - 1 - axis] for axis in range(d))
        field[..., row] = sum(steps, begin[row])
    for axis in range(d):
        along = level.at(grid, d - 1 - axis)
        for row in range(d):
            field[..., row] += from_mm[row, axis] * along
    return field


def spline_transform(level: FlowLevel, grid: Grid, linear: Linear, grid_mm: float) -> sitk.Transform:
    """The B-spline with control points about `grid_mm` apart that is nearest to the field in the least squares sense.

    Its domain reaches two voxels beyond the outermost voxel centres of the fixed grid.
    """
    d, lattice = grid.dimension, level.lattice_grid
    start = grid.to_index(np.array([lattice.origin]))[0]
    fits: list[np.ndarray] = []
    counts: list[int] = []
    for axis in range(d):
        length = grid.size[axis] + 2 * MARGIN
        spans = max(1, round((length - 1) * grid.spacing[axis] / grid_mm))
        at = start[axis] + np.arange(lattice.size[axis]) * lattice.spacing[axis] / grid.spacing[axis]
        fits.insert(0, _fit(np.clip(at + MARGIN, 0, length - 1), length, spans))
        counts.append(spans)
    steps = (np.array(grid.size) + 2 * MARGIN - 1) / np.array(counts)
    origin = grid.to_physical((-MARGIN - steps)[None])[0]
    spacing = tuple((steps * grid.spacing).tolist())
    nodes = Grid(tuple(n + 3 for n in counts), spacing, tuple(origin.tolist()), grid.direction)
    along = [separable.apply(part, fits, dtype=np.float64) for part in level.field[::-1]]
    begin, from_index, from_mm = _parts(nodes, linear)
    index = np.meshgrid(*[np.arange(n) for n in nodes.size[::-1]], indexing="ij", sparse=True)
    images = []
    for row in range(d):
        values = np.full(nodes.size[::-1], begin[row])
        for axis in range(d):
            values += from_index[row, axis] * index[d - 1 - axis]
            values += from_mm[row, axis] * along[axis]
        images.append(image_like(values, nodes))
    return sitk.BSplineTransform(images, 3)


def smooth_around(level: FlowLevel, bad: np.ndarray, grid: Grid, nodes: float) -> None:
    """Smooth the field by an SD of `nodes` near the voxels `bad` (k, j, i) of the fixed grid; elsewhere it stays."""
    lattice = level.lattice_grid
    where = lattice.to_index(grid.to_physical(np.argwhere(bad)[:, ::-1].astype(float)))[:, ::-1]
    shape = level.field.shape[1:]
    near = np.zeros(shape, np.float32)
    near[tuple(np.clip(np.rint(where), 0, np.array(shape) - 1).astype(int).T)] = 1
    sigmas = [nodes] * near.ndim
    # One bad node alone still reaches a weight of 1 at its place.
    peak = float(np.prod([gaussian.taps(nodes).max()] * near.ndim))
    weight = np.minimum(gaussian.smooth(near, sigmas) / peak, 1)
    for part in level.field:
        part += weight * (gaussian.smooth(part, sigmas) - part)


def _parts(grid: Grid, linear: Linear) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T(x) - x = begin + from_index i + from_mm u for index i and displacement u (mm along the axes of the grid)."""
    matrix, offset = linear
    more = matrix - np.eye(grid.dimension)
    turn = np.reshape(grid.direction, (grid.dimension,) * 2)
    return more @ np.array(grid.origin) + offset, more @ grid.axes, matrix @ turn


def _fit(at: np.ndarray, length: int, spans: int) -> np.ndarray:
    """Matrix (control points, positions) of the least squares fit of a B-spline to values at `at`."""
    functions = basis(at, length, spans)
    bends = FAINT * np.diff(np.eye(spans + 3), 2, axis=0)
    both = np.linalg.pinv(np.concatenate([functions, bends]))
    return both[:, : len(at)]

"""One resolution of a deformable registration: local least squares for the step, composition of small steps.

The fixed and the moving image are normalised locally (mean 0, SD 1 in a Gaussian window). Around every node of a
lattice the displacement step v that explains the difference best is found in a Gaussian window W (Lucas and Kanade
1981, in its inverse form of Baker and Matthews 2004, with the gradient of the fixed image):

    (W * g g' + damping) v = W * g |c| (f - b m),   g the gradient of f, b the local regression of f on m, c the local
    correlation

With b and |c| the sign and size of the local relation of intensities do not matter: the sum of squared local
correlations grows. The transform becomes x -> phi(x + v(x)) with steps that are limited and smooth, so that each step
is invertible and with it their composition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..geometry import Grid
from ..kernels import gaussian, separable
from ..kernels.lattice import Lattice, covering, gaussian_sums, spline
from ..kernels.sampling import sample
from ..progress import SILENT, Progress

PIECE = 1 << 16
"""Voxels of a slab of warping: its index arrays stay in the cache of a core."""
LARGEST_STEP = 0.4
"""Part of the node distance that a step may have: the step alone is then invertible."""


class Force(NamedTuple):
    """How steps are found and how smooth they are; lengths in voxels of the level.

    `correlation` weighs by local correlation, else squared differences count. `window` is the SD of the window of a
    step, `smoothing` that of the field after each step, `statistics` that of local mean and SD, `floor` the SD
    (intensity) below which the texture of an image counts as noise, for fixed and moving.
    """

    correlation: bool
    window: float
    smoothing: float
    statistics: float
    floors: tuple[float, float]
    damping: float = 0.02
    nodes: float = 2.0


class FlowLevel:
    """Images, lattice and displacements of one level.

    `field` is (component, *nodes), float32: displacements of the nodes in millimetres along the axes of the fixed
    grid, in numpy order (k, j, i).
    """

    def __init__(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        linear: tuple[np.ndarray, np.ndarray],
        spacing_mm: float,
        force: Force,
        masks: tuple[sitk.Image | None, sitk.Image | None] = (None, None),
        progress: Progress = SILENT,
    ) -> None:
        self.grid, self._force, self._quiet = Grid.of(fixed), force, _Checks(progress)
        self._spacing = np.array(self.grid.spacing_kji, np.float32)
        shape = self.grid.size[::-1]
        voxels = spacing_mm / self._spacing
        steps = np.maximum(1.0, np.floor(force.nodes * voxels + 0.25))
        self.axes = [covering(n, float(step)) for n, step in zip(shape, steps)]
        self.node_mm = steps * self._spacing
        self._sums = [
            gaussian_sums(a, n, max(force.window * v, 0.5)).astype(np.float32)
            for a, n, v in zip(self.axes, shape, voxels)
        ]
        self._splines = [spline(a, np.arange(n)).astype(np.float32) for a, n in zip(self.axes, shape)]
        self._local = (force.statistics * voxels).tolist()
        self._smoothing = (force.smoothing * spacing_mm / self.node_mm).tolist()
        self._fixed = self._prepared(fixed, force.floors[0], self._local)
        self._moving = self._prepared(moving, force.floors[1], (force.statistics * spacing_mm / _kji(moving)).tolist())
        self._masks = tuple(None if m is None else sitk.GetArrayFromImage(m).astype(bool) for m in masks)
        self._map(Grid.of(moving), *linear)
        self._inverse = self._inverted()
        self.field = np.zeros((len(shape), *(a.nodes for a in self.axes)), np.float32)

    def start_from(self, other: FlowLevel) -> None:
        """Take over the field of a coarser level."""
        self.field = other.at(self.lattice_grid())

    def lattice_grid(self) -> Grid:
        """The nodes as a grid."""
        return node_grid(self.grid, self.axes)

    def at(self, grid: Grid) -> np.ndarray:
        """The field on a grid with the axes of the fixed one, (component, k, j, i) float32, in millimetres."""
        own = self.lattice_grid()
        start = own.to_index(np.array([grid.origin]))[0][::-1]
        steps = np.array(grid.spacing_kji) / np.array(own.spacing_kji)
        matrices = [
            spline(Lattice(0.0, 1.0, axis.nodes), first + step * np.arange(n))
            for axis, first, step, n in zip(self.axes, start, steps, grid.size[::-1])
        ]
        return np.stack([separable.apply(part, matrices, self._quiet) for part in self.field])

    def step(self) -> tuple[float, float]:
        """Improve the field once: (measure before, RMS of the step in millimetres).

        The measure is the mean squared local correlation (1 is best), or the mean squared difference.
        """
        warped, inside = self._warped()
        residual, measure = self._residual(warped, inside)
        right = self._right_side(residual)
        v = np.empty_like(self.field)
        for row, terms in enumerate(_SYMMETRIC[len(v)]):
            v[row] = sum(self._inverse[n] * right[column] for column, n in enumerate(terms))
        length = np.sqrt(np.square(v / self.node_mm.reshape(-1, *[1] * len(v)).astype(np.float32)).sum(axis=0))
        v *= np.minimum(1.0, LARGEST_STEP / np.maximum(length, 1e-6))
        self.field = self._composed(v)
        return measure, float(np.sqrt(np.square(v).sum(axis=0).mean(dtype=np.float64)))

    def _prepared(self, image: sitk.Image, floor: float, sigmas: Sequence[float]) -> np.ndarray:
        array = sitk.GetArrayFromImage(image).astype(np.float32, copy=False)
        if not self._force.correlation:
            return array / np.float32(floor)
        array -= gaussian.smooth(array, sigmas, self._quiet)
        spread = gaussian.smooth(np.square(array), sigmas, self._quiet)
        array /= np.sqrt(np.maximum(spread, 0) + np.float32(floor) ** 2)
        return array

    def _map(self, moving: Grid, matrix: np.ndarray, offset: np.ndarray) -> None:
        """The way from index and displacement (mm along the axes) in the fixed grid to index in the moving one."""
        inverse = np.linalg.inv(moving.axes)
        across = (inverse @ matrix @ self.grid.axes)[::-1, ::-1]
        self._from_index = across
        self._from_mm = (across / self._spacing).astype(np.float32)
        begin = inverse @ (matrix @ np.array(self.grid.origin) + offset - np.array(moving.origin))
        self._begin = begin[::-1]

    def _warped(self) -> tuple[np.ndarray, np.ndarray]:
        """The moving image at phi(x), and where it is defined."""
        shape, lengths = self._fixed.shape, self._moving.shape
        dense = np.empty((len(shape), *shape), np.float32)
        for part, out in zip(self.field, dense):
            out[...] = separable.apply(part, self._splines, self._quiet)
        warped, inside = np.empty(shape, np.float32), np.ones(shape, bool)
        moving_mask = self._masks[1]

        def work(piece: tuple[int, int]) -> None:
            rows = slice(*piece)
            index = _open_index(shape, rows)
            places = []
            for axis, length in enumerate(lengths):
                place = self._begin[axis] + sum(
                    (w * i).astype(np.float64) for w, i in zip(self._from_index[axis], index)
                )
                place = np.asarray(place, np.float32)
                for w, part in zip(self._from_mm[axis], dense):
                    place = place + w * part[rows]
                inside[rows] &= (place >= -0.5) & (place <= length - 0.5)
                places.append(place)
            sample([self._moving], places, [warped[rows]])
            if moving_mask is not None:
                nearest = tuple(
                    np.clip(np.rint(p), 0, n - 1).astype(np.intp) for p, n in zip(places, lengths, strict=True)
                )
                inside[rows] &= moving_mask[nearest]

        for_each(work, _pieces(shape), progress=self._quiet)
        if self._masks[0] is not None:
            inside &= self._masks[0]
        return warped, inside

    def _residual(self, warped: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, float]:
        """The weighted difference |c| (f - b m) in the place of `warped`, and the measure."""
        count = max(int(np.count_nonzero(inside)), 1)
        fixed = self._fixed
        if not self._force.correlation:
            np.subtract(fixed, warped, out=warped)
            warped *= inside
            return warped, float(np.square(warped).sum(dtype=np.float64) / count)
        common = gaussian.smooth(fixed * warped, self._local, self._quiet)
        own = gaussian.smooth(np.square(warped), self._local, self._quiet)
        slabs = _pieces(warped.shape)

        def work(piece: tuple[int, int]) -> float:
            rows = slice(*piece)
            slope = common[rows] / (own[rows] + np.float32(0.01))
            # Both images have local SD 1 at the most: what is left is the square of the correlation.
            squared = np.clip(common[rows] * slope, 0, 1) * inside[rows]
            warped[rows] = (fixed[rows] - slope * warped[rows]) * np.sqrt(squared)
            return float(squared.sum(dtype=np.float64))

        return warped, sum(for_each(work, slabs, progress=self._quiet)) / count

    def _right_side(self, residual: np.ndarray) -> list[np.ndarray]:
        return [separable.apply(self._slope(axis) * residual, self._sums, self._quiet) for axis in range(residual.ndim)]

    def _slope(self, axis: int) -> np.ndarray:
        """Derivative of the fixed image along a numpy axis, per millimetre; 0 at the border."""
        slope = np.zeros_like(self._fixed)
        if slope.shape[axis] > 2:
            middle, ahead, behind = (_cut(slope.ndim, axis, *ends) for ends in ((1, -1), (2, None), (0, -2)))
            np.subtract(self._fixed[ahead], self._fixed[behind], out=slope[middle])
            slope[middle] *= np.float32(0.5) / self._spacing[axis]
        return slope

    def _inverted(self) -> list[np.ndarray]:
        """Inverse of the damped matrix W * g g' at every node: its different entries."""
        slopes = [self._slope(axis) for axis in range(self._fixed.ndim)]
        if self._masks[0] is not None:
            for slope in slopes:
                slope *= self._masks[0]
        entries = {
            (a, b): separable.apply(slopes[a] * slopes[b], self._sums, self._quiet)
            for a in range(len(slopes))
            for b in range(a, len(slopes))
        }
        trace = sum(entries[a, a] for a in range(len(slopes))) / len(slopes)
        damping = np.float32(self._force.damping * float(np.mean(trace)) + 1e-12)
        for a in range(len(slopes)):
            entries[a, a] += damping
        return _inverse_2d(entries) if len(slopes) == 2 else _inverse_3d(entries)

    def _composed(self, v: np.ndarray) -> np.ndarray:
        """Displacements of x -> phi(x + v(x)), smoothed."""
        shape, out = v.shape[1:], np.empty_like(v)
        per_node = (1 / self.node_mm).astype(np.float32)

        def work(piece: tuple[int, int]) -> None:
            rows = slice(*piece)
            places = [
                part[rows] * scale + i.astype(np.float32)
                for part, scale, i in zip(v, per_node, _open_index(shape, rows))
            ]
            sample(list(self.field), places, [part[rows] for part in out])

        for_each(work, _pieces(shape), progress=self._quiet)
        out += v
        return np.stack([gaussian.smooth(part, self._smoothing, self._quiet) for part in out])


_SYMMETRIC = {2: ((0, 1), (1, 2)), 3: ((0, 1, 2), (1, 3, 4), (2, 4, 5))}
"""Where the entries of a symmetric matrix are in the list of its upper triangle."""


def _inverse_2d(m: dict[tuple[int, int], np.ndarray]) -> list[np.ndarray]:
    det = m[0, 0] * m[1, 1] - m[0, 1] * m[0, 1]
    return [m[1, 1] / det, -m[0, 1] / det, m[0, 0] / det]


def _inverse_3d(m: dict[tuple[int, int], np.ndarray]) -> list[np.ndarray]:
    a, b, c, d, e, f = (m[pair] for pair in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    cofactors = [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b]
    det = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    for cofactor in cofactors:
        cofactor /= det
    return cofactors


class _Checks(Progress):
    """Passes on the wish to stop and nothing else: what the steps of one iteration report is noise."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled


def node_grid(grid: Grid, axes: Sequence[Lattice]) -> Grid:
    """The nodes along the axes (k, j, i) of a grid as a grid of their own."""
    backwards = list(axes)[::-1]
    origin = grid.to_physical(np.array([[axis.start for axis in backwards]]))[0]
    spacing = tuple(s * axis.step for s, axis in zip(grid.spacing, backwards))
    return Grid(tuple(a.nodes for a in backwards), spacing, tuple(origin.tolist()), grid.direction)


def _kji(image: sitk.Image) -> np.ndarray:
    return np.array(image.GetSpacing()[::-1])


def _pieces(shape: Sequence[int]) -> list[tuple[int, int]]:
    return ranges(shape[0], int(np.prod(shape[1:])), PIECE)


def _open_index(shape: Sequence[int], rows: slice) -> list[np.ndarray]:
    """Voxel index along each axis for some rows, in shapes that broadcast."""
    lengths = [np.arange(rows.start, rows.stop), *(np.arange(n) for n in shape[1:])]
    return [n.reshape([-1 if a == axis else 1 for a in range(len(shape))]) for axis, n in enumerate(lengths)]


def _cut(dimension: int, axis: int, start: int, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if a == axis else slice(None) for a in range(dimension))

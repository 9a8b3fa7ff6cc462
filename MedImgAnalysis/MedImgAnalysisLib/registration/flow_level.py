"""One resolution of a deformable registration: Gauss-Newton steps on a lattice, composed to one invertible map.

Around every node the images say in a Gaussian window W where the moving image should go (Lucas and Kanade 1981):

    A = W * (certainty g g'),    b = W * (pull g),    g the gradient of the warped moving image

with pull and certainty of `relation`. `stiffness` solves for the step v, and the map becomes x -> phi(x + v(x)). Steps
are limited to a part of the node distance and smooth, so that each of them is invertible and with it what they compose.
The field has a node for every second voxel: it is smoother than the window, and finer nodes would say nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..geometry import Grid
from ..kernels import separable
from ..kernels.lattice import Lattice, covering, gaussian_sums, spline
from ..kernels.sampling import sample
from ..kernels.slopes import Slopes
from ..progress import SILENT, Progress
from .relation import RELATIONS, Relation, binned, normalised, pieces
from .stiffness import Stiffness, solved

LARGEST_STEP = 0.4
"""Part of the node distance that a step may have: it is invertible then, being smooth over more than a node."""
NODE_VOXELS = 2.0
RIM_VOXELS = 2.0
"""What lies nearer to the border of the moving image is not compared: the local window there knows one side only."""
SPLINE_REACH = 16
"""Nodes beyond which a node has no influence on a cubic spline: less than 1e-8."""
NOTHING = 1e-8
"""Certainty per mm2 that rounding alone can make."""
DAMPING = 0.01
"""Certainty that every node has, relative to the mean: keeps equations solvable where there is nothing to see."""

OVERSHOT = 0.6
"""What steps are shortened by when the last one made the images less alike."""


class Force(NamedTuple):
    """How steps are found. Lengths in voxels of the level; stiffness relative to the mean certainty of the images.

    `window` is the SD of the window of a step, `local` that of the window in which images are normalised. `floors`
    are the SD (intensity) of fixed and moving below which texture counts as noise, `ranges` the values between which
    their histogram bins lie. `composed` False adds steps instead, without a limit: faster, and may fold.
    """

    similarity: str
    window: float
    local: float
    stiffness: Stiffness
    rounds: int
    floors: tuple[float, float]
    ranges: tuple[tuple[float, float], tuple[float, float]]
    composed: bool = True


class FlowLevel:
    """Images, lattice and displacements of one level.

    `field` is (component, *nodes), float32: displacements of the nodes in millimetres along the axes of the fixed
    grid, in numpy order (k, j, i). The linear transform (A, b), y = A x + b in LPS, follows after it.
    """

    def __init__(
        self,
        images: tuple[sitk.Image, sitk.Image],
        linear: tuple[np.ndarray, np.ndarray],
        spacing_mm: float,
        force: Force,
        masks: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
        progress: Progress = SILENT,
    ) -> None:
        self.grid, self._force, self._quiet, self._masks = Grid.of(images[0]), force, _Checks(progress), masks
        self._spacing = np.array(self.grid.spacing_kji)
        shape = self.grid.size[::-1]
        voxels = spacing_mm / self._spacing
        steps = np.maximum(1.0, np.floor(NODE_VOXELS * voxels + 0.25))
        self.axes = [covering(n, float(step)) for n, step in zip(shape, steps, strict=True)]
        self.node_mm = steps * self._spacing
        windows = np.maximum(force.window * voxels, 0.5)
        self._sums = [gaussian_sums(*each) for each in zip(self.axes, shape, windows.tolist(), strict=True)]
        self._dense = separable.Layers([spline(a, np.arange(n)) for a, n in zip(self.axes, shape, strict=True)])
        self._local = (force.local * voxels).tolist()
        other = (force.local * spacing_mm / np.array(images[1].GetSpacing()[::-1])).tolist()
        self._fixed = self._prepared(images[0], 0, self._local)
        self._moving = self._prepared(images[1], 1, other)
        self._moving_grid = Grid.of(images[1])
        self.follow(linear)
        self._usual = self._usual_certainty()
        self._gain, self._last = 1.0, -np.inf
        self.field = np.zeros((len(shape), *(a.nodes for a in self.axes)), np.float32)

    @property
    def lattice_grid(self) -> Grid:
        """The nodes as a grid."""
        backwards = self.axes[::-1]
        origin = self.grid.to_physical(np.array([[axis.start for axis in backwards]]))[0]
        spacing = tuple(s * axis.step for s, axis in zip(self.grid.spacing, backwards, strict=True))
        return Grid(tuple(a.nodes for a in backwards), spacing, tuple(origin.tolist()), self.grid.direction)

    def at(self, grid: Grid, component: int) -> np.ndarray:
        """One component of the field on a grid with the axes of the fixed one, (k, j, i) float32, in millimetres."""
        own = self.lattice_grid
        start = own.to_index(np.array([grid.origin]))[0][::-1]
        steps = np.array(grid.spacing_kji) / np.array(own.spacing_kji)
        places = [first + step * np.arange(n) for first, step, n in zip(start, steps, grid.size[::-1], strict=True)]
        # Of a few layers only the nodes near them are needed.
        low = max(0, int(places[0][0]) - SPLINE_REACH)
        layers = self.field[component, low : int(places[0][-1]) + SPLINE_REACH + 2]
        places[0] = places[0] - low
        matrices = [spline(Lattice(0.0, 1.0, n), place) for n, place in zip(layers.shape, places, strict=True)]
        return separable.apply(layers, matrices, self._quiet)

    def release(self) -> None:
        """Give up the images; the field stays."""
        del self._fixed, self._moving

    def start_from(self, other: FlowLevel) -> None:
        """Take over the field of a coarser level."""
        self.field = np.stack([other.at(self.lattice_grid, c) for c in range(len(self.field))])

    def compared(self) -> tuple[np.ndarray, Relation]:
        """The moving image at phi(x), and what both images say of each other there."""
        warped, inside = self._warped()
        return warped, RELATIONS[self._force.similarity](self._fixed, warped, inside, self._local, self._quiet)

    def step(self) -> tuple[float, float]:
        """Improve the field once: (similarity before, RMS of the step in millimetres)."""
        entries, right, measure = self._equations()
        rising = -measure if self._force.similarity == "mean_squares" else measure
        if rising < self._last:
            # Steps that overshoot swing to and fro, above all where images are small.
            self._gain *= OVERSHOT
        self._last = rising
        scale = self._usual
        if self._force.similarity == "mutual_information":
            scale = sum(float(entries[a, a].mean(dtype=np.float64)) for a in range(len(right))) / len(right)
        scale = max(scale, NOTHING)
        for axis in range(len(right)):
            entries[axis, axis] += np.float32(DAMPING * scale)
        stiffness = Stiffness(*(weight * scale for weight in self._force.stiffness))
        v = solved(entries, right, self.field, stiffness, self._force.rounds, self._quiet)
        v *= np.float32(self._gain)
        length = np.sqrt(sum(np.square(part / np.float32(mm)) for part, mm in zip(v, self.node_mm, strict=True)))
        limit = LARGEST_STEP if self._force.composed else 1.0
        v *= np.minimum(1.0, limit / np.maximum(length, 1e-6))
        self.field = self._composed(v) if self._force.composed else self.field + v
        return measure, float(np.sqrt(np.square(v).sum(axis=0).mean(dtype=np.float64)))

    def _prepared(self, image: sitk.Image, side: int, sigmas: Sequence[float]) -> np.ndarray:
        array = np.array(sitk.GetArrayViewFromImage(image), np.float32)
        if self._force.similarity == "mutual_information":
            return binned(array, *self._force.ranges[side])
        if self._force.similarity == "mean_squares":
            array /= np.float32(self._force.floors[0])
            return array
        return normalised(array, sigmas, self._force.floors[side], self._quiet)

    def follow(self, linear: tuple[np.ndarray, np.ndarray]) -> None:
        """Take another linear transform after the field."""
        # The way from index and displacement (mm along the axes) in the fixed grid to index in the moving one.
        (matrix, offset), moving = linear, self._moving_grid
        inverse = np.linalg.inv(moving.axes)
        self._from_index = (inverse @ matrix @ self.grid.axes)[::-1, ::-1]
        self._from_mm = (self._from_index / self._spacing).astype(np.float32)
        self._begin = (inverse @ (matrix @ np.array(self.grid.origin) + offset - np.array(moving.origin)))[::-1]

    def _usual_certainty(self) -> float:
        """Mean squared derivative of the fixed image along an axis: what A has on its diagonal where images agree."""
        inside = True if self._masks[0] is None else self._masks[0]
        slopes = (Slopes(self._fixed, self._spacing, (axis,)).whole for axis in range(self._fixed.ndim))
        return float(np.mean([np.square(slope, out=slope).mean(dtype=np.float64, where=inside) for slope in slopes]))

    def _equations(self) -> tuple[dict[tuple[int, int], np.ndarray], np.ndarray, float]:
        """A and b at every node, and the similarity."""
        warped, (pull, certainty, measure) = self.compared()
        axes = range(warped.ndim)

        def summed(values: np.ndarray, *along: int) -> np.ndarray:
            # Slopes are made again where they are needed, plane by plane: quicker than memory is cheap.
            slopes = Slopes(warped, self._spacing, along)
            return separable.apply(values, self._sums, self._quiet, times=slopes if warped.ndim == 3 else slopes.whole)

        right = np.stack([summed(pull, a) for a in axes])
        del pull
        entries = {(a, b): summed(certainty, a, b) for a in axes for b in axes[a:]}
        return entries, right, measure

    def _warped(self) -> tuple[np.ndarray, np.ndarray]:
        """The moving image at phi(x), and where it counts."""
        shape, lengths = self._fixed.shape, self._moving.shape
        warped, inside = np.empty(shape, np.float32), np.ones(shape, bool)
        rims = [min(RIM_VOXELS - 0.5, (n - 1) / 4) for n in lengths]

        def work(piece: tuple[int, int]) -> None:
            rows = slice(*piece)
            index = _open_index(shape, rows)
            dense = [self._dense.of(part, rows) for part in self.field]
            places = []
            for axis, length in enumerate(lengths):
                place = self._begin[axis] + sum(w * i for w, i in zip(self._from_index[axis], index, strict=True))
                place = place.astype(np.float32)
                for w, part in zip(self._from_mm[axis], dense, strict=True):
                    place += w * part
                inside[rows] &= (place >= rims[axis]) & (place <= length - 1 - rims[axis])
                places.append(place)
            sample([self._moving], places, [warped[rows]])
            if self._masks[1] is not None:
                nearest = (np.clip(np.rint(p), 0, n - 1).astype(np.intp) for p, n in zip(places, lengths, strict=True))
                inside[rows] &= self._masks[1][tuple(nearest)]

        for_each(work, pieces(shape), progress=self._quiet)
        if self._masks[0] is not None:
            inside &= self._masks[0]
        return warped, inside

    def _composed(self, v: np.ndarray) -> np.ndarray:
        """Displacements of x -> phi(x + v(x))."""
        shape, out = v.shape[1:], np.empty_like(v)
        per_node = (1 / self.node_mm).astype(np.float32)

        def work(piece: tuple[int, int]) -> None:
            rows = slice(*piece)
            ways = zip(v, per_node, _open_index(shape, rows), strict=True)
            places = [part[rows] * scale + i.astype(np.float32) for part, scale, i in ways]
            sample(list(self.field), places, [part[rows] for part in out])

        for_each(work, pieces(shape), progress=self._quiet)
        out += v
        return out


class _Checks(Progress):
    """Passes on the wish to stop and nothing else: what the parts of one step report is noise."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled


def _open_index(shape: Sequence[int], rows: slice) -> list[np.ndarray]:
    """Index along each axis for some rows, in shapes that broadcast."""
    lengths = [np.arange(rows.start, rows.stop), *(np.arange(n) for n in shape[1:])]
    return [n.reshape([-1 if a == axis else 1 for a in range(len(shape))]) for axis, n in enumerate(lengths)]

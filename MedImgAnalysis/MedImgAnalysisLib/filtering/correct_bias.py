"""N4 bias field correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, map_slabs
from ..errors import InputError
from ..geometry import Grid, image_like
from ..kernels import separable
from ..kernels.ranks import slabs_of
from ..kernels.sharpening import expected, triangular_histogram
from ..kernels.spline_field import Fitter, basis, refined
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalising import require_spread, where

FEWEST = 16
"""Voxels of an axis that shrinking leaves."""


class Corrected(NamedTuple):
    image: Image
    field: Image


class _Work(NamedTuple):
    """The shrunk image: logarithms, weights (1 where a voxel counts), places of the voxels for each axis (k, j, i)."""

    logs: np.ndarray
    weights: np.ndarray
    places: list[np.ndarray]


@dataclass(frozen=True)
class CorrectBias(Operation):
    """Remove slow changes of brightness across an MR image (N4 bias field correction).

    The image is the true one times a smooth field. In turns the histogram of the log intensities is sharpened, and a
    sum of cubic B-splines is fitted to what the sharpening moved; each level has twice as many splines along each
    axis (Tustison et al. 2010). The algorithm and its result are those of ITK's filter (to 1e-4), but splines are
    fitted and evaluated axis by axis, some twenty times faster. It works on every n-th voxel, since averages would mix
    tissues; the field is then evaluated at every voxel of the full image. The geometric mean of the field over
    the voxels that count is 1, so that the mean brightness stays.

    Without a mask the voxels above Otsu's threshold count, voxels of 0 or less never do. Meant for magnitude MR: an
    image with negative values (CT) has no multiplicative field. The result is float32 (float64 for input of more than
    16 bits that is not float32).

    Inputs
    ------
    image
        MR image.
    mask
        Tissue that the field is found from, such as the brain or the body; all voxels are corrected.

    Outputs
    -------
    image
        Corrected image: the image over the field.
    field
        Bias field on the grid of the image.

    Parameters
    ----------
    shrink_factor
        The field is found from every n-th voxel along axes of the smallest spacing, from more along axes of larger
        spacing; at least 16 voxels of an axis are left.
    levels
        Levels of refinement; each halves the distance of the splines.
    iterations
        Most iterations of a level.
    convergence
        A level ends when the field changes by less than this part (coefficient of variation).
    spline_mm
        Distance of the splines on the first level; if not set, one piece across the whole image.
    width
        Full width at half maximum of the blur of the log histogram by the field.
    wiener_noise
        Noise term of the deconvolution of the histogram.
    bins
        Bins of the histogram.
    """

    name: ClassVar[str] = "correct_bias"
    title: ClassVar[str] = "Bias field correction (N4)"
    group: ClassVar[str] = "Bias field"
    memory_factor: ClassVar[float] = 4.0
    squares: ClassVar[bool] = True
    why_whole: ClassVar[str] = "the field is fitted to all of it"
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Standard": {},
        "Fast": {"shrink_factor": 6, "levels": 3, "iterations": 30},
        "Strong field (body, surface coil)": {"spline_mm": 150.0, "levels": 4, "iterations": 100},
    }

    shrink_factor: Annotated[int, Quantity("", low=1, high=16)] = 4
    levels: Annotated[int, Quantity("", low=1, high=6)] = 4
    iterations: Annotated[int, Quantity("", low=1, high=1000)] = 50
    convergence: Annotated[float, Quantity("", low=0.0, high=0.1)] = 0.001
    spline_mm: Annotated[float | None, Quantity("mm", low=10.0, high=2000.0)] = None
    width: Annotated[float, Quantity("", low=0.01, high=2.0)] = 0.15
    wiener_noise: Annotated[float, Quantity("", low=1e-6, high=1.0)] = 0.01
    bins: Annotated[int, Quantity("", low=16, high=4096)] = 200

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Corrected:
        grid = Grid.of(image)
        work = self._shrunk(image, mask, grid, progress.part(0.0, 0.15))
        lengths = grid.size[::-1]
        coefficients, spans = self._lattice(work, grid, progress.part(0.15, 0.8))
        full = [basis(np.arange(n), n, s) for n, s in zip(lengths, spans, strict=True)]
        array = sitk.GetArrayViewFromImage(image)
        dtype = separable.working_type(array.dtype)
        field = separable.apply(coefficients, full, progress.part(0.8, 0.93), "Evaluating the field", dtype)
        map_slabs(np.exp, field, 0, field)
        return Corrected(image_like(_quotient(array, field, progress.part(0.93, 1.0)), grid), image_like(field, grid))

    def _shrunk(self, image: sitk.Image, mask: sitk.Image | None, grid: Grid, progress: Progress) -> _Work:
        array = sitk.GetArrayViewFromImage(image)
        if array.min() < 0:
            progress.warn("The image has negative values, which no field explains; voxels of 0 or less are left out.")
        factors = [
            min(max(1, round(self.shrink_factor * min(grid.spacing) / s)), max(1, n // FEWEST))
            for s, n in zip(grid.spacing_kji, array.shape, strict=True)
        ]
        places = [np.arange((f - 1) // 2, n, f) for f, n in zip(factors, array.shape, strict=True)]
        every = tuple(slice(int(p[0]), None, f) for p, f in zip(places, factors, strict=True))
        values = array[every].astype(np.float64)
        progress.check()
        require_spread(float(values.min()), float(values.max()), "corrected", "image")
        chosen = values > 0
        inside = None if mask is None else sitk.GetArrayViewFromImage(mask)[every] != 0
        if inside is not None:
            chosen &= inside
        elif chosen.any():
            chosen = _above_otsu(values, chosen)
        if not chosen.any():
            raise InputError(f"The {where(mask)} has no voxel above 0 on the shrunk grid.", role="image")
        low, high = float(values.min(where=chosen, initial=np.inf)), float(values.max(where=chosen, initial=0.0))
        if not high > low * (1 + 1e-9):
            raise InputError(f"The {where(mask)} is constant ({low:.6g}), so it shows no bias field.", role="image")
        logs = np.log(values, out=np.zeros_like(values), where=chosen)
        return _Work(logs, chosen.astype(np.float64), places)

    def _lattice(self, work: _Work, grid: Grid, progress: Progress) -> tuple[np.ndarray, list[int]]:
        """Coefficients of the log field whose mean over the weights is 0, and spans for each axis (k, j, i)."""
        lengths = grid.size[::-1]
        wide = self.spline_mm or float("inf")
        first = [max(1, round((n - 1) * s / wide)) for n, s in zip(lengths, grid.spacing_kji, strict=True)]
        spans = [[s << level for s in first] for level in range(self.levels)]
        log_field = np.zeros_like(work.logs)
        coefficients = np.zeros([1 if n == 1 else s + 3 for s, n in zip(first, lengths, strict=True)])
        for level in range(self.levels):
            if level:
                coefficients = refined(coefficients, lengths, spans[level - 1], spans[level])
            part = progress.part(level / self.levels, (level + 1) / self.levels)
            bases = [basis(c, n, s) for c, n, s in zip(work.places, lengths, spans[level], strict=True)]
            fitter = Fitter(bases, work.weights)
            for turn in range(self.iterations):
                part.report(turn / self.iterations, f"Level {level + 1} of {self.levels}, iteration {turn + 1}")
                change = fitter.fit(self._residual(work, log_field))
                progress.check()
                step = fitter.evaluate(change)
                coefficients += change
                log_field += step
                if _variation(step, work.weights) <= self.convergence:
                    break
        mean = float((log_field * work.weights).sum() / work.weights.sum())
        return coefficients - mean, spans[-1]

    def _residual(self, work: _Work, log_field: np.ndarray) -> np.ndarray:
        """What sharpening takes away from the log intensities, times the weights."""
        logs, weights = work.logs, work.weights
        out = np.empty_like(logs)
        chosen = weights > 0

        def subtracted(part: slice) -> tuple[float, float]:
            np.subtract(logs[part], log_field[part], out=out[part])
            found = out[part][chosen[part]]
            return float(found.min(initial=np.inf)), float(found.max(initial=-np.inf))

        ends = for_each(subtracted, slabs_of(out))
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        step = (high - low) / (self.bins - 1)
        if step <= 0:
            return np.zeros_like(out)

        def counted(part: slice) -> np.ndarray:
            inside = chosen[part]
            return triangular_histogram(out[part][inside], weights[part][inside], low, step, self.bins)

        counts = np.sum(for_each(counted, slabs_of(out)), axis=0)
        sharp = expected(counts, low, step, self.width, self.wiener_noise)
        at = low + step * np.arange(self.bins)

        def left(part: slice) -> None:
            out[part] -= np.interp(out[part], at, sharp)
            out[part] *= weights[part]

        for_each(left, slabs_of(out))
        return out


def _above_otsu(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Voxels above Otsu's threshold (1979) of those that are chosen; all of them where it leaves none."""
    picked = values[chosen]
    counts, edges = np.histogram(picked[:: max(1, picked.size >> 20)], 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    share = below / below[-1]
    part = np.cumsum(counts * middle) / below[-1]
    between = np.divide(
        (part[-1] * share - part) ** 2, share * (1 - share), out=np.zeros(256), where=(share > 0) & (share < 1)
    )
    found = chosen & (values > edges[1:][int(between.argmax())])
    return found if found.any() else chosen


def _variation(step: np.ndarray, weights: np.ndarray) -> float:
    """Coefficient of variation of the change of the field."""

    def summed(part: slice) -> tuple[float, float, float]:
        change, weight = np.expm1(-step[part]).ravel(), weights[part].ravel()
        return float(weight.sum()), float(change @ weight), float(np.square(change) @ weight)

    total, first, second = np.sum(for_each(summed, slabs_of(step)), axis=0)
    return float(np.sqrt(max(second / total - (first / total) ** 2, 0.0)) / (1 + first / total))


def _quotient(array: np.ndarray, field: np.ndarray, progress: Progress) -> np.ndarray:
    out = np.empty_like(field)

    def divided(part: slice) -> None:
        np.divide(array[part], field[part], out=out[part])

    for_each(divided, slabs_of(array), progress=progress, message="Correcting")
    return out

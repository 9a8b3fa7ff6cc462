"""Tubes of many widths: Frangi's and Sato's filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..errors import ParameterError
from ..geometry import Grid
from ..kernels.hessian import eigenvalues, hessians
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import gaussian_halo
from .region import Measuring, filter_measured
from .voxels import centred

PLATE, BLOB = 0.5, 0.5
"""alpha and beta of Frangi."""
SLAB = 100_000


@dataclass(frozen=True)
class Vesselness(Measuring):
    """Bring out tubes, such as vessels and airways, of a range of widths.

    From the eigenvalues of the Hessian of the image smoothed at several sigmas, normalised by sigma^2, in
    millimetres; the largest answer over the sigmas is kept. A tube of radius r answers most at sigma near r / sqrt(2).
    With |l1| <= |l2| <= |l3|, and 0 where l2 or l3 have the sign of the other polarity:

    Frangi et al. (1998): (1 - exp(-Ra^2 / 2 a^2)) exp(-Rb^2 / 2 b^2) (1 - exp(-S^2 / 2 c^2)) with Ra = |l2| / |l3|,
    Rb = |l1| / sqrt(|l2 l3|), S^2 = l1^2 + l2^2 + l3^2, a = b = 0.5; from 0 to 1. Sato et al. (1998): sqrt(l2 l3), in
    the unit of the image. In 2-D, and in a volume of a single slice, lines: exp(-(l1 / l2)^2 / 2 b^2) (1 - exp(-S^2 /
    2 c^2)), and |l2|. The result is float32.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where tubes are wanted; elsewhere the result is 0.

    Outputs
    -------
    image
        Answer on the same grid.

    Parameters
    ----------
    measure
        Frangi is nearly independent of contrast, Sato is proportional to it.
    structures
        Bright tubes on darker ground, or dark ones on brighter ground.
    smallest_mm
        Smallest sigma.
    largest_mm
        Largest sigma.
    scales
        Number of sigmas, in equal ratios.
    contrast
        c of Frangi in the unit of the image: smaller contrast counts as noise. Not given: half of the largest S of
        each sigma in the image, or in the box of the mask.
    """

    name: ClassVar[str] = "vesselness"
    title: ClassVar[str] = "Vesselness"
    group: ClassVar[str] = "Enhance"
    memory_factor: ClassVar[float] = 5.0
    squares: ClassVar[bool] = True
    memory_bytes: ClassVar[float] = 2.5e8
    why_whole: ClassVar[str] = "the contrast of tubes is that of the strongest one; give `contrast`"
    presets: ClassVar = {
        "Fine vessels": {"smallest_mm": 0.5, "largest_mm": 1.5},
        "Large vessels": {"smallest_mm": 2.0, "largest_mm": 6.0},
        "Airways in CT": {"structures": "dark", "smallest_mm": 1.0, "largest_mm": 4.0},
    }

    measure: Annotated[str, Choice("frangi", "sato")] = "frangi"
    structures: Annotated[str, Choice("bright", "dark")] = "bright"
    smallest_mm: Annotated[float, Quantity("mm", low=0.1, high=50.0)] = 1.0
    largest_mm: Annotated[float, Quantity("mm", low=0.1, high=50.0)] = 3.0
    scales: Annotated[int, Quantity("", low=1, high=20)] = 3
    contrast: Annotated[float | None, Quantity("", low=1e-12)] = None

    def check(self) -> None:
        if self.smallest_mm > self.largest_mm:
            raise ParameterError(
                f"vesselness: smallest_mm is {self.smallest_mm:g}; it must be at most largest_mm, {self.largest_mm:g}.",
                operation=self.name,
                field="smallest_mm",
            )

    def halo(self, grid: Grid) -> tuple[int, ...] | None:
        return None if self.measure == "frangi" and self.contrast is None else self._margin(grid)

    def _margin(self, grid: Grid) -> tuple[int, ...]:
        return gaussian_halo((self.largest_mm,) * grid.dimension, grid, least=1)

    def effort(self, grid: Grid) -> float:
        return self.scales / 3

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        whole = tuple(reversed(grid.size))
        sigmas = np.geomspace(self.smallest_mm, self.largest_mm, self.scales).tolist()

        def compute(part: sitk.Image, inside: np.ndarray | None, middle: float, progress: Progress) -> np.ndarray:
            array = centred(part, middle, progress)
            best = np.zeros(array.shape, np.float32)
            # Along an axis of a single voxel nothing is known of the shape: a line would pass for a plate.
            used = [n for n, size in enumerate(whole) if size > 1] if len(whole) == 3 else [0, 1]
            if len(used) != 2:
                used = list(range(len(whole)))
            flat = tuple(slice(None) if n in used else 0 for n in range(len(whole)))
            spacing = [grid.spacing_kji[n] for n in used]
            for n, sigma in enumerate(sigmas):
                here = progress.part(n / len(sigmas), (n + 1) / len(sigmas))
                self._at_scale(array[flat], spacing, sigma, best[flat], here)
            progress.report(1.0, "Vesselness")
            return best

        return filter_measured(self, image, mask, self._margin(grid), compute, progress, outside=0.0)

    def _at_scale(
        self, array: np.ndarray, spacing: list[float], sigma: float, best: np.ndarray, progress: Progress
    ) -> None:
        """Raise `best` to the answer at one sigma; `spacing` is by numpy axis."""
        frangi = self.measure == "frangi"
        form = np.empty(array.shape, np.float32)
        strength = np.empty(array.shape, np.float32) if frangi else None
        sign = -1.0 if self.structures == "bright" else 1.0
        for planes, hessian in hessians(array, [sigma / s for s in spacing], spacing, progress):
            block, power = form[planes], None if strength is None else strength[planes]

            def work(
                rows: tuple[int, int],
                block: np.ndarray = block,
                power: np.ndarray | None = power,
                hessian: list[np.ndarray] = hessian,
            ) -> None:
                part = slice(*rows)
                values = [sign * sigma**2 * value for value in eigenvalues([entry[part] for entry in hessian])]
                if power is None:
                    block[part] = _sato(values)
                else:
                    block[part] = _frangi_form(values)
                    power[part] = sum(value**2 for value in values)

            done = planes.stop / len(array)
            for_each(work, ranges(len(block), block[:1].size, SLAB), progress=progress.part(done, done))
        if strength is not None:
            limit = self.contrast or 0.5 * float(strength.max()) ** 0.5
            factor = np.float32(-0.5 / max(limit, 1e-18) ** 2)
            for start, stop in ranges(len(form), form[:1].size):
                progress.check()
                form[start:stop] *= -np.expm1(strength[start:stop] * factor)
        for start, stop in ranges(len(form), form[:1].size):
            progress.check()
            np.maximum(best[start:stop], form[start:stop], out=best[start:stop])


def _ordered(values: list[np.ndarray]) -> np.ndarray:
    """Eigenvalues in rising order of size."""
    stacked = np.array(values)
    return np.take_along_axis(stacked, np.argsort(np.abs(stacked), axis=0), axis=0)


def _frangi_form(values: list[np.ndarray]) -> np.ndarray:
    """The factors that look at the shape only; tubes have large positive eigenvalues here."""
    first, *rest = _ordered(values)
    last = rest[-1]
    tube = np.min(rest, axis=0) > 0
    safe = np.where(tube, last, 1)
    if len(values) == 2:
        answer = np.exp(-((first / safe) ** 2) / (2 * BLOB**2))
    else:
        middle = np.where(tube, rest[0], 1)
        answer = -np.expm1(-((middle / safe) ** 2) / (2 * PLATE**2))
        answer *= np.exp(-(first**2) / (middle * safe) / (2 * BLOB**2))
    return np.asarray(np.where(tube, answer, 0))


def _sato(values: list[np.ndarray]) -> np.ndarray:
    """Geometric mean of the positive eigenvalues but the smallest."""
    largest = np.sort(values, axis=0)[1:]
    product = np.prod(np.maximum(largest, 0), axis=0)
    return np.asarray(np.sqrt(product) if len(largest) == 2 else product)

"""The surface block: everything that follows from the distances between two surfaces.

With A the surface of the reference, B that of the test, `d_A` the distances from the elements of A to
the nearest of B with weights `w_A`, and the same for B. Two conventions, named in every key:

`surfel`
    The elements are the cells of 2 x 2 x 2 voxel centres that hold both labels, weighted with the area of
    the surface patch inside (Nikolov et al. 2021). Slice thickness does not count twice.
`voxel`
    The elements are the voxels with a face neighbour outside, each counted once.

Staircase surfaces underestimate the mean distance by up to half a voxel. Huttenlocher 1993, Heimann
2009, Nikolov 2021, Maier-Hein 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..progress import Progress
from ..values import Column
from .nearest import nearest
from .scan import Elements

CONVENTIONS = ("surfel", "voxel")
PERCENT = 95
TOLERANCE_MM = 1e-6
"""Added to the tolerance of the surface Dice, so that rounding does not decide for elements exactly on it."""

_NUMBERS = (
    ("hd", "Hausdorff distance", "Largest distance, max(max d_A, max d_B)"),
    ("hd_ref_to_pred", "Hausdorff reference to test", "max d_A"),
    ("hd_pred_to_ref", "Hausdorff test to reference", "max d_B"),
    ("hd95", "HD95", "max(P95(d_A), P95(d_B)), the maximum of the two directions"),
    ("hd95_pooled", "HD95 pooled", "P95 of the distances of both directions together"),
    ("hd95_mean", "HD95 mean", "(P95(d_A) + P95(d_B)) / 2"),
    ("hd95_ref_to_pred", "HD95 reference to test", "P95(d_A)"),
    ("hd95_pred_to_ref", "HD95 test to reference", "P95(d_B)"),
    ("asd_ref_to_pred", "ASD reference to test", "Weighted mean of d_A"),
    ("asd_pred_to_ref", "ASD test to reference", "Weighted mean of d_B"),
    ("assd", "ASSD", "Average symmetric surface distance, mean over the elements of both surfaces together"),
    ("masd", "MASD", "Mean of the two directed means"),
    ("rmsd", "RMSD", "Root of the mean squared distance over the elements of both surfaces together"),
)
_ONLY = {
    "surfel": (
        ("area_ref", "Reference surface", "Area of the reference surface (length in 2-D)"),
        ("area_pred", "Test surface", "Area of the test surface (length in 2-D)"),
    ),
    "voxel": (
        ("median", "Median distance", "Median of the distances of both directions together"),
        ("n_ref", "Reference elements", "Border voxels of the reference"),
        ("n_pred", "Test elements", "Border voxels of the test"),
    ),
}


class Directed(NamedTuple):
    """Distances in millimetres of the elements of one surface, and their weights (None: all one)."""

    distances: np.ndarray
    weights: np.ndarray | None

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum()) if self.weights is not None else float(len(self.distances))

    def moment(self, power: int) -> float:
        """Weighted sum of the distances to a power."""
        values = self.distances**power
        # Not a dot product: those of BLAS depend on the number of threads in the last digits.
        return float((values * self.weights).sum() if self.weights is not None else values.sum())

    def within(self, tolerance_mm: float) -> float:
        """Weight of the elements that are at most this far."""
        near = self.distances <= tolerance_mm + TOLERANCE_MM
        return float(self.weights[near].sum()) if self.weights is not None else float(np.count_nonzero(near))


def columns(conventions: Sequence[str], tolerances_mm: Sequence[float], flat: bool) -> tuple[Column, ...]:
    """The columns of the block; `flat` for 2-D, where surfaces are contours."""
    made: list[Column] = []
    for convention in conventions:
        for key, title, text in (*_NUMBERS, *_ONLY[convention]):
            unit = ("mm" if flat else "mm2") if key.startswith("area") else "" if key.startswith("n_") else "mm"
            kind = int if key.startswith("n_") else float
            made.append(Column(f"{convention}_{key}", f"{title} ({convention})", unit, text, kind))
        for tolerance in tolerances_mm:
            made.append(
                Column(
                    f"{convention}_{nsd_key(tolerance)}",
                    f"Surface Dice {tolerance:g} mm ({convention})",
                    "",
                    f"Part of both surfaces that is at most {tolerance:g} mm from the other one",
                )
            )
    return tuple(made)


def nsd_key(tolerance_mm: float) -> str:
    """`nsd_2mm` for a tolerance of 2 mm."""
    return f"nsd_{tolerance_mm:g}mm"


def undefined(
    convention: str, elements: tuple[Elements, Elements] | None, tolerances_mm: Sequence[float], distance: float
) -> dict[str, float]:
    """The block when a mask is empty: `distance` (NaN, or what stands for a missing one) for every distance.

    The surface Dice is 0 when only one is empty, since the whole other surface finds no partner.
    """
    sizes = [len(found.at) for found in elements] if elements else [0, 0]
    numbers: dict[str, float] = {key: distance for key, _, _ in _NUMBERS}
    if convention == "surfel":
        areas = [float(found.weights.sum()) for found in elements or () if found.weights is not None] or [0.0, 0.0]
        numbers |= {"area_ref": areas[0], "area_pred": areas[1]}
    else:
        numbers |= {"median": distance, "n_ref": sizes[0], "n_pred": sizes[1]}
    dice = 0.0 if any(sizes) else math.nan
    numbers |= {nsd_key(tolerance): dice for tolerance in tolerances_mm}
    return {f"{convention}_{key}": value for key, value in numbers.items()}


def surface(
    convention: str, elements: tuple[Elements, Elements], tolerances_mm: Sequence[float], progress: Progress
) -> dict[str, float]:
    """The block of one convention for two surfaces that have elements."""
    reference, test = elements
    a = Directed(nearest(reference, test, progress.part(0.0, 0.5)), reference.weights)
    b = Directed(nearest(test, reference, progress.part(0.5, 1.0)), test.weights)
    return numbers_of(convention, a, b, tolerances_mm)


def numbers_of(convention: str, a: Directed, b: Directed, tolerances_mm: Sequence[float]) -> dict[str, float]:
    """All numbers of the block from the distances of both directions."""
    high, wide = [float(side.distances.max()) for side in (a, b)], [percentile(side) for side in (a, b)]
    means = [side.moment(1) / side.total for side in (a, b)]
    both = a.total + b.total
    weights = None if a.weights is None or b.weights is None else np.concatenate([a.weights, b.weights])
    pooled = Directed(np.concatenate([a.distances, b.distances]), weights)
    numbers = {
        "hd": max(high),
        "hd_ref_to_pred": high[0],
        "hd_pred_to_ref": high[1],
        "hd95": max(wide),
        "hd95_pooled": percentile(pooled),
        "hd95_mean": sum(wide) / 2,
        "hd95_ref_to_pred": wide[0],
        "hd95_pred_to_ref": wide[1],
        "asd_ref_to_pred": means[0],
        "asd_pred_to_ref": means[1],
        "assd": (a.moment(1) + b.moment(1)) / both,
        "masd": sum(means) / 2,
        "rmsd": math.sqrt((a.moment(2) + b.moment(2)) / both),
    }
    if convention == "surfel":
        numbers |= {"area_ref": a.total, "area_pred": b.total}
    else:
        numbers["median"] = float(np.median(pooled.distances))
        numbers |= {"n_ref": len(a.distances), "n_pred": len(b.distances)}
    for tolerance in tolerances_mm:
        numbers[nsd_key(tolerance)] = (a.within(tolerance) + b.within(tolerance)) / both
    return {f"{convention}_{key}": value for key, value in numbers.items()}


def percentile(side: Directed, percent: float = PERCENT) -> float:
    """The percentile of the distances.

    Unweighted: linear between the neighbours, as numpy does. Weighted: the smallest distance with at
    least so much of the weight at or below it.
    """
    if side.weights is None:
        return float(np.percentile(side.distances, percent))
    apart = side.distances > 0
    wanted = percent / 100 * side.total - float(side.weights[~apart].sum())
    if wanted <= 0 or not apart.any():
        return 0.0
    distances, weights = side.distances[apart], side.weights[apart]
    order = np.argsort(distances)
    at = int(np.searchsorted(np.cumsum(weights[order]), wanted))
    return float(distances[order[min(at, len(order) - 1)]])

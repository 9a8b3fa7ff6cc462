"""Every surface number once more on another path, so that a doubtful one can be checked on the spot.

The first path finds elements in slabs with bit shifts, searches trees and sorts; this one looks at the
whole box at once, reads exact distance maps (Maurer et al. 2003, SimpleITK, float32) at the elements and
leaves percentiles to numpy. The two agree to about 1e-6 of the distance. They share the table of areas.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..progress import Progress, waited
from ..values import Column
from .nearest import distance_map
from .scan import Elements
from .surface import TOLERANCE_MM, nsd_key
from .surfel_areas import area_table

ALARM_MM = 1e-3
"""A difference beyond this is said as a warning."""


def check_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """A column of differences for each number of the surface block."""
    return tuple(
        Column(f"{c.key}_check", f"{c.title}, difference", c.unit, "Second opinion minus the number itself")
        for c in columns
    )


def check(
    convention: str,
    masks: tuple[np.ndarray, np.ndarray],
    spacing: tuple[float, ...],
    tolerances_mm: Sequence[float],
    progress: Progress,
) -> dict[str, float]:
    """The surface block of two masks that are not empty.

    Parameters
    ----------
    masks
        Boolean arrays of equal shape, 2-D or 3-D, cut to the joint box.
    spacing
        Millimetres in the order of numpy axes.
    """
    found = [_elements(convention, np.pad(mask, 1), spacing) for mask in masks]
    progress.check()
    distances = []
    for own, other in (found, found[::-1]):
        mapped = waited(distance_map, other, progress=progress)
        distances.append(mapped.ravel()[own.at].astype(np.float64))
    a, b = distances
    wa, wb = (np.ones(len(e.at)) if e.weights is None else e.weights for e in found)
    both, weights = np.concatenate([a, b]), np.concatenate([wa, wb])
    p95 = [_p95(convention, d, w) for d, w in ((a, wa), (b, wb), (both, weights))]
    means = [float(np.average(a, weights=wa)), float(np.average(b, weights=wb))]
    numbers = {
        "hd": float(both.max()),
        "hd_ref_to_pred": float(a.max()),
        "hd_pred_to_ref": float(b.max()),
        "hd95": max(p95[:2]),
        "hd95_pooled": p95[2],
        "hd95_mean": (p95[0] + p95[1]) / 2,
        "hd95_ref_to_pred": p95[0],
        "hd95_pred_to_ref": p95[1],
        "asd_ref_to_pred": means[0],
        "asd_pred_to_ref": means[1],
        "assd": float(np.average(both, weights=weights)),
        "masd": (means[0] + means[1]) / 2,
        "rmsd": float(np.sqrt(np.average(both * both, weights=weights))),
    }
    if convention == "surfel":
        numbers |= {"area_ref": float(wa.sum()), "area_pred": float(wb.sum())}
    else:
        numbers |= {"median": float(np.quantile(both, 0.5)), "n_ref": len(a), "n_pred": len(b)}
    for tolerance in tolerances_mm:
        numbers[nsd_key(tolerance)] = float(np.average(both <= tolerance + TOLERANCE_MM, weights=weights))
    return {f"{convention}_{key}": value for key, value in numbers.items()}


def _p95(convention: str, distances: np.ndarray, weights: np.ndarray) -> float:
    if convention == "voxel":
        return float(np.quantile(distances, 0.95))
    return float(np.quantile(distances, 0.95, weights=weights, method="inverted_cdf"))


def _elements(convention: str, padded: np.ndarray, spacing: tuple[float, ...]) -> Elements:
    """Elements of a mask with a rim of background, found from all corners or neighbours at once."""
    origin = (0.0,) * padded.ndim
    if convention == "surfel":
        code = np.zeros(tuple(n - 1 for n in padded.shape), np.uint8)
        for bit, corner in enumerate(itertools.product((0, 1), repeat=padded.ndim)):
            own = padded[tuple(slice(c, n - 1 + c) for c, n in zip(corner, padded.shape))]
            code += own.astype(np.uint8) * np.uint8(1 << bit)
        full = 2 ** (2**padded.ndim) - 1
        at = np.flatnonzero((code != 0) & (code != full))
        return Elements(at, code.shape, spacing, origin, area_table(spacing)[code.ravel()[at]])
    from scipy.ndimage import binary_erosion

    return Elements(np.flatnonzero(padded & ~binary_erosion(padded)), padded.shape, spacing, origin)

"""Morphological snakes: contours moved by dilation, erosion and a median-like smoothing of a mask.

Marquez-Neila, Baumela and Alvarez (2014). A contour is the edge of a boolean array (k, j, i) or (j, i); all voxels
count as cubic. The functions give what scikit-image's `morphological_chan_vese` and
`morphological_geodesic_active_contour` give.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

Offsets = tuple[tuple[int, ...], ...]


def elements(dimension: int) -> tuple[Offsets, ...]:
    """The four lines of a 3 x 3 square, or the nine planes of a 3 x 3 x 3 cube, through its centre."""
    if dimension == 2:
        lines = ((1, 0), (0, 1), (1, 1), (1, -1))
        return tuple(((0, 0), step, (-step[0], -step[1])) for step in lines)
    normals = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    normals += [(1, sign, 0) for sign in (1, -1)] + [(1, 0, sign) for sign in (1, -1)]
    normals += [(0, 1, sign) for sign in (1, -1)]
    cube = list(product((-1, 0, 1), repeat=3))
    return tuple(tuple(o for o in cube if np.dot(o, normal) == 0) for normal in normals)


def _combined(mask: np.ndarray, element: Offsets, erode: bool) -> np.ndarray:
    """Erosion or dilation by one element; beyond the border there is nothing."""
    padded = np.pad(mask, 1)
    out: np.ndarray | None = None
    for offset in element:
        part = padded[tuple(slice(1 + o, 1 + o + n) for o, n in zip(offset, mask.shape, strict=True))]
        if out is None:
            out = part.copy()
        elif erode:
            out &= part
        else:
            out |= part
    assert out is not None
    return out


def supremum_of_erosions(mask: np.ndarray) -> np.ndarray:
    """True where the mask holds a whole line (plane) through the voxel."""
    out = np.zeros_like(mask)
    for element in elements(mask.ndim):
        out |= _combined(mask, element, erode=True)
    return out


def infimum_of_dilations(mask: np.ndarray) -> np.ndarray:
    """True where every line (plane) through the voxel meets the mask."""
    out = np.ones_like(mask)
    for element in elements(mask.ndim):
        out &= _combined(mask, element, erode=False)
    return out


def smoothed(mask: np.ndarray, turn: int) -> np.ndarray:
    """One step of curvature motion; even and odd turns take the two operators in opposite order."""
    if turn % 2 == 0:
        return supremum_of_erosions(infimum_of_dilations(mask))
    return infimum_of_dilations(supremum_of_erosions(mask))


def differences(mask: np.ndarray) -> list[np.ndarray]:
    """Twice the central differences along each axis (one-sided at the border), int8."""
    values = mask.view(np.int8)
    found = []
    for axis in range(mask.ndim):
        moved = np.moveaxis(values, axis, 0)
        out = np.zeros_like(moved)
        if len(moved) > 1:
            out[1:-1] = moved[2:] - moved[:-2]
            out[0], out[-1] = 2 * (moved[1] - moved[0]), 2 * (moved[-1] - moved[-2])
        found.append(np.moveaxis(out, 0, axis))
    return found


def attach_to_regions(mask: np.ndarray, image: np.ndarray, inner_weight: float, outer_weight: float) -> np.ndarray:
    """Give each voxel at the contour to the side whose mean is closer (Chan and Vese)."""
    inner = float(image[mask].mean(dtype=np.float64)) if mask.any() else 0.0
    outer = float(image[~mask].mean(dtype=np.float64)) if not mask.all() else 0.0
    at = np.zeros(mask.shape, bool)
    for difference in differences(mask):
        at |= difference != 0
    values = image[at].astype(np.float64)
    cost = inner_weight * (values - inner) ** 2 - outer_weight * (values - outer) ** 2
    out = mask.copy()
    out[at] = np.where(cost == 0, mask[at], cost < 0)
    return out


def attach_to_edges(mask: np.ndarray, speed_gradient: Sequence[np.ndarray]) -> np.ndarray:
    """Move the contour down into the valley of the speed, whose gradient is given axis by axis."""
    pull = np.zeros(mask.shape, np.float64)
    for slope, difference in zip(speed_gradient, differences(mask), strict=True):
        pull += slope * difference
    out = mask.copy()
    out[pull > 0] = True
    out[pull < 0] = False
    return out


def push(mask: np.ndarray, outwards: bool, free: np.ndarray) -> np.ndarray:
    """Dilate or erode by the whole neighbourhood where the speed leaves the contour `free`."""
    cube: Offsets = tuple(product((-1, 0, 1), repeat=mask.ndim))
    return np.where(free, _combined(mask, cube, erode=not outwards), mask)

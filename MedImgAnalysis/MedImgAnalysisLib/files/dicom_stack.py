"""From slices to a volume on a right-angled, evenly spaced grid; everything that does not fit is said.

Order is by position along the normal of the slices, never by file name or instance number. Missing
slices are not squeezed together and tilted stacks are not straightened by changing the header: the
voxels stay where they were measured, and those between them are interpolated.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..geometry import image_like
from ..progress import SILENT, Progress
from .dicom_headers import Slice
from .dicom_pixels import Pixels
from .header import lps_grid
from .images import check_values

SAME_ANGLE = 1e-3
SAME_POSITION_MM = 0.01
EVEN = 0.01
"""Largest deviation from the usual step, relative to it, that counts as rounding."""


def one_orientation(place: Path, slices: Sequence[Slice], progress: Progress = SILENT) -> list[Slice]:
    """The slices of the largest group of equal orientation and size, without repeated instances."""
    unique = {(s.uid or s.path, s.frame): s for s in reversed(slices)}
    kept = [s for s in slices if unique[(s.uid or s.path, s.frame)] is s]
    if len(kept) < len(slices):
        names = sorted(s.name for s in slices if s not in kept)
        progress.warn(f"{place.name}: slices are stored more than once; left out: {_some(names)}.")
    if len(kept) == 1:
        return kept
    groups: list[list[Slice]] = []
    for one in kept:
        if one.orientation is None or one.position is None:
            raise FileError(
                f"{place}: {one.name} does not say where it lies (ImagePositionPatient, "
                "ImageOrientationPatient), so the slices cannot be ordered.",
                path=place,
            )
        for group in groups:
            if np.abs(np.subtract(group[0].orientation or (), one.orientation)).max() <= SAME_ANGLE:
                group.append(one)
                break
        else:
            groups.append([one])
    groups.sort(key=len, reverse=True)
    if len(groups) > 1 and len(groups[0]) == len(groups[1]):
        raise FileError(
            f"{place}: the series holds {len(groups)} stacks of different orientation with "
            f"{len(groups[0])} slices each; put the one you need into its own folder.",
            path=place,
        )
    if len(groups) > 1:
        names = sorted(s.name for group in groups[1:] for s in group)
        progress.warn(f"{place.name}: images of another orientation (such as localisers) are left out: {_some(names)}.")
    _check_equal(place, groups[0])
    return groups[0]


def _check_equal(place: Path, slices: Sequence[Slice]) -> None:
    """`FileError` that names the slices whose size or pixel spacing differs from the others'."""
    for what, of in (
        ("rows x columns", lambda s: (s.rows, s.columns)),
        ("values per pixel", lambda s: s.samples),
        ("pixel spacing", lambda s: s.spacing and tuple(round(v, 4) for v in s.spacing)),
    ):
        counts = Counter(of(s) for s in slices)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            odd = [s for s in slices if of(s) != usual]
            raise FileError(
                f"{place}: {_some([s.name for s in odd])} has {what} {of(odd[0])}, the other slices have "
                f"{usual}; remove it or complete the series.",
                path=place,
            )


def split_volumes(place: Path, slices: Sequence[Slice], progress: Progress = SILENT) -> list[list[Slice]]:
    """Slices ordered along their normal, one list for each time point, echo or acquisition.

    Several volumes need the same number of slices at every position; single positions that are
    occupied twice are reduced to their first image, with a warning.
    """
    if len(slices) == 1:
        return [list(slices)]
    depth = _depths(slices)
    order = np.argsort(depth, kind="stable")
    places: list[list[Slice]] = []
    last = -math.inf
    for n in order:
        if depth[n] - last > SAME_POSITION_MM:
            places.append([])
            last = depth[n]
        places[-1].append(slices[n])
    for here in places:
        here.sort(key=lambda s: s.order)
    counts = {len(here) for here in places}
    if len(counts) == 1:
        return [[here[n] for here in places] for n in range(counts.pop())]
    extra = [s.name for here in places for s in here[1:]]
    progress.warn(
        f"{place.name}: several different images lie at one position (two acquisitions?); the first of each "
        f"was taken, left out: {_some(sorted(extra))}."
    )
    return [[here[0] for here in places]]


def _depths(slices: Sequence[Slice]) -> np.ndarray:
    """Position along the common normal, mm."""
    return np.array([s.position for s in slices], float) @ _axes(slices[0])[:, 2]


def _axes(one: Slice) -> np.ndarray:
    """Unit vectors along a row, along a column and the normal, as the columns of a matrix."""
    x, y = np.reshape(one.orientation or (1, 0, 0, 0, 1, 0), (2, 3)).astype(float)
    if not (np.linalg.norm(x) > 0.5 and np.linalg.norm(y) > 0.5):
        raise FileError(
            f"{one.path}: ImageOrientationPatient {one.orientation} holds no two directions.", path=one.path
        )
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


def build(place: Path, slices: Sequence[Slice], pixels: Pixels, progress: Progress = SILENT) -> sitk.Image:
    """The volume of slices that are ordered along their normal, one for each position."""
    first = slices[0]
    if first.mosaic:
        raise FileError(
            f"{place}: {first.name} holds the slices of a volume as tiles of one picture (Siemens mosaic), which lie "
            "elsewhere than its header says; convert the series to NIfTI, for example with dcm2niix.",
            path=place,
        )
    spacing = _pixel_spacing(place, first, progress)
    axes = _axes(first)
    start = np.array(first.position or (0.0, 0.0, 0.0))
    if first.orientation is None or first.position is None:
        progress.warn(
            f"{place.name}: the image does not say how it lies in the patient; left and right cannot be trusted."
        )
    values = pixels.values(slices, progress)
    if len(slices) == 1:
        step = first.thickness or 0.0
        if step <= 0:
            progress.warn(
                f"{place.name}: the slice thickness is not known; 1 mm is assumed, so volumes cannot be trusted."
            )
            step = 1.0
    else:
        shift = (np.array([s.position for s in slices], float) - start) @ axes
        values, start = _straighten(place, values, shift[:, :2] / spacing, start, axes, spacing, shift[-1, 2], progress)
        values, step = _even(place, slices, values, shift[:, 2], progress)
    notes: list[str] = []
    size = values.shape[2], values.shape[1], values.shape[0]
    grid = lps_grid(place, size, axes * [*spacing, step], start.tolist(), notes, [*spacing, step])
    for sentence in notes:
        progress.warn(sentence)
    image = image_like(values, grid)
    check_values(place, image, progress)
    return image


def _pixel_spacing(place: Path, one: Slice, progress: Progress) -> np.ndarray:
    """(along a row, along a column) in mm."""
    spacing = one.spacing or one.detector_spacing
    if spacing is None:
        progress.warn(
            f"{place.name}: no pixel spacing is given; 1 mm is assumed, so lengths, areas and volumes cannot "
            "be trusted."
        )
        return np.ones(2)
    if one.spacing is None:
        progress.warn(f"{place.name}: only the spacing at the detector is given; lengths in the patient are smaller.")
    if min(spacing) <= 0:
        raise FileError(f"{place}: the pixel spacing is {spacing} mm; it must be above 0.", path=place)
    return np.array(spacing[::-1], float)


def _straighten(
    place: Path,
    values: np.ndarray,
    shift: np.ndarray,
    start: np.ndarray,
    axes: np.ndarray,
    spacing: np.ndarray,
    depth: float,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Move each slice in its plane to where it was measured, when the stack does not follow its normal.

    `shift` is (n, 2) in pixels along (row, column) against the first slice.
    """
    if np.abs(shift).max() <= 0.1:
        return values, start
    angle = math.degrees(math.atan2(float(np.linalg.norm(shift[-1] * spacing)), abs(depth)))
    progress.warn(
        f"{place.name}: the slices are not stacked along their normal (gantry tilt of {angle:.1f} degrees); "
        "they were moved in their planes by interpolation, so that every voxel is where it was measured."
    )
    low = np.floor(shift.min(axis=0) + 1e-6)
    more = np.ceil(shift.max(axis=0) - low - 1e-6).astype(int)
    outside = values.min()
    shape = (len(values), values.shape[1] + more[1], values.shape[2] + more[0], *values.shape[3:])
    wide = np.full(shape, outside, values.dtype)
    for n, (x, y) in enumerate(shift - low):
        plane = np.full(shape[1:], float(outside))
        plane[: values.shape[1], : values.shape[2]] = values[n]
        moved = _moved(_moved(plane, float(y), 0, float(outside)), float(x), 1, float(outside))
        wide[n] = np.rint(moved) if values.dtype.kind in "iu" else moved
    return wide, start + axes[:, :2] @ (low * spacing)


def _moved(plane: np.ndarray, by: float, axis: int, outside: float) -> np.ndarray:
    """`plane` moved by a number of pixels along an axis, linear between pixels."""
    whole = math.floor(by + 1e-6)
    part = max(by - whole, 0.0)

    def rolled(count: int) -> np.ndarray:
        result = np.full_like(plane, outside)
        source = [slice(None)] * plane.ndim
        target = list(source)
        source[axis], target[axis] = slice(0, plane.shape[axis] - count), slice(count, None)
        result[tuple(target)] = plane[tuple(source)]
        return result

    near = rolled(whole)
    return near if part < 1e-6 else (1 - part) * near + part * rolled(whole + 1)


def _even(
    place: Path, slices: Sequence[Slice], values: np.ndarray, depth: np.ndarray, progress: Progress
) -> tuple[np.ndarray, float]:
    """Slices at equal distances: as they are when they are, else interpolated where some are missing."""
    steps = np.diff(depth)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > max(EVEN * usual, SAME_POSITION_MM)
    if not odd.any():
        return values, float(depth[-1] / len(steps))
    gaps = [
        f"between {slices[n].name} and {slices[n + 1].name} ({steps[n]:.4g} mm instead of {usual:.4g} mm)"
        for n in np.flatnonzero(odd)[:3]
    ]
    count = math.floor(depth[-1] / usual + EVEN) + 1
    if count > 2 * len(slices) or count < 2:
        raise FileError(f"{place}: more slices are missing than there are: gaps {', '.join(gaps)}.", path=place)
    more = f" and {int(odd.sum()) - 3} more" * (int(odd.sum()) > 3)
    progress.warn(
        f"{place.name}: uneven slice distances: {', '.join(gaps)}{more}; interpolated to {count} slices at "
        f"equal distances of {usual:.4g} mm."
    )
    made = np.empty((count, *values.shape[1:]), values.dtype)
    for n in range(count):
        at = n * usual
        after = int(np.clip(np.searchsorted(depth, at), 1, len(depth) - 1))
        weight = float(np.clip((at - depth[after - 1]) / (depth[after] - depth[after - 1]), 0.0, 1.0))
        if min(weight, 1 - weight) * steps[after - 1] <= max(EVEN * usual, SAME_POSITION_MM):
            made[n] = values[after if weight > 0.5 else after - 1]
        else:
            mixed = (1 - weight) * values[after - 1].astype(float) + weight * values[after]
            made[n] = np.rint(mixed) if values.dtype.kind in "iu" else mixed
    return made, usual


def _some(names: Sequence[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")

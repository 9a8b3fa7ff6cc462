"""What a picture of slices shows: a volume, or one over another, with colours and a range of values."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SIDE = 360
QUALITY = 90

Ramp = tuple[tuple[float, float, float, float], ...]
"""Colours between which is interpolated: (part of the range from 0 to 1, red, green, blue)."""

GREY: Ramp = ((0, 0, 0, 0), (1, 1, 1, 1))
GREEN: Ramp = ((0, 0, 0, 0), (1, 0, 1, 0))
MAGENTA: Ramp = ((0, 0, 0, 0), (1, 1, 0, 1))
DIVERGING: Ramp = (
    (0, 0.10, 0.25, 0.85),
    (0.25, 0.40, 0.65, 0.95),
    (0.5, 0.96, 0.96, 0.96),
    (0.75, 0.97, 0.60, 0.35),
    (1, 0.75, 0.05, 0.10),
)
FOLDED: Ramp = ((0, 1, 0, 1), (3 / 255, 1, 0, 1), (3 / 255 + 1e-6, *DIVERGING[0][1:]), *DIVERGING[1:])
"""Diverging; the first hundredth of the range is magenta."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A scalar image with the values that get the first and the last colour."""

    image: sitk.Image
    low: float
    high: float
    ramp: Ramp = GREY


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture for each slice plane through `point` (LPS millimetres).

    `how` says how the layer above is put on the one below: `over` covers the part `opacity` of it, `sum` adds both.
    """

    below: Layer
    point: tuple[float, ...]
    above: Layer | None = None
    how: str = "over"
    opacity: float = 0.5


Draw = Callable[[Picture], list[str]]
"""Gives `data:` addresses, one for each plane: axial, coronal and sagittal; a flat image has one."""


def colours(ramp: Ramp, count: int = 256) -> np.ndarray:
    """The ramp as (count, 3), 0 to 1."""
    stops = np.array(ramp, float)
    at = np.linspace(0, 1, count)
    return np.column_stack([np.interp(at, stops[:, 0], stops[:, channel]) for channel in (1, 2, 3)])


def spread(array: np.ndarray) -> tuple[float, float]:
    """The 1st and 99.5th percentile of the finite values, from a part of them where there are many."""
    few = array.ravel()[:: max(1, array.size >> 20)].astype(float)
    few = few[np.isfinite(few)]
    if not few.size:
        return 0.0, 1.0
    low, high = np.percentile(few, (1, 99.5))
    if high <= low:
        low, high = float(few.min()), float(few.max())
    return float(low), float(high if high > low else low + 1)


def jpeg(pixels: np.ndarray) -> str:
    """A `data:` address of 8-bit pixels (rows, columns, 3)."""
    picture = sitk.GetImageFromArray(np.ascontiguousarray(pixels), isVector=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "slice.jpg"
        sitk.WriteImage(picture, str(target), useCompression=True, compressionLevel=QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(target.read_bytes()).decode()

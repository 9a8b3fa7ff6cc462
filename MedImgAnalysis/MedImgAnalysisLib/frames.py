"""Several values of one kind in a row, such as the time points of a 4-D image.

Frames are counted from 0 wherever a number names one: `scan.nii.gz#2`, the column "Frame" of a table, "frame #2" in
a sentence. Frame 3 of 20 in a progress bar is frame #2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import InputError

NUMBERED = "frame"
"""Title of positions that are nothing but the numbers of the frames."""


@dataclass(frozen=True, eq=False)
class Frames:
    """One value at each of several positions.

    An operation that is given frames where it takes one value runs frame by frame, see `framewise`. An operation
    that needs all of them at once has a role that is annotated `Frames`.

    Attributes
    ----------
    values
        Images (masks), transforms, labels, landmarks or surfaces; all of one kind, images of one dimension and
        number of components.
    positions
        Where each frame is, strictly rising; 0, 1, 2... when not given.
    title, unit
        What a position is, such as "time" in "s". The unit is empty when nobody has said it.
    """

    kind = "frames"
    values: tuple[Any, ...]
    positions: tuple[float, ...] = ()
    title: str = NUMBERED
    unit: str = ""

    def __post_init__(self) -> None:
        values = tuple(self.values)
        positions = tuple(float(position) for position in self.positions) or tuple(map(float, range(len(values))))
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "positions", positions)
        if not values:
            raise InputError("There must be at least one frame.")
        if len({_family(value) for value in values}) > 1:
            raise InputError(f"All frames must be of one kind, not {', '.join(sorted(set(map(_family, values))))}.")
        if len(positions) != len(values):
            raise InputError(f"There are {len(positions)} positions for {len(values)} frames.")
        if not all(map(math.isfinite, positions)) or (np.diff(positions) <= 0).any():
            raise InputError("The positions of frames must be finite and rise from frame to frame.")

    @classmethod
    def of(cls, image: sitk.Image, title: str = "time", unit: str = "") -> Frames:
        """The frames along the fourth axis of a 4-D image, at its origin and spacing along that axis."""
        if image.GetDimension() != 4:
            raise InputError(f"An image of 4 dimensions is needed, this one has {image.GetDimension()}.")
        size, start, step = list(image.GetSize()), image.GetOrigin()[3], image.GetSpacing()[3]
        collapse = sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOSUBMATRIX
        values = [sitk.Extract(image, [*size[:3], 0], [0, 0, 0, n], collapse) for n in range(size[3])]
        return cls(tuple(values), tuple(start + step * n for n in range(size[3])), title, unit)

    def __len__(self) -> int:
        return len(self.values)

    def with_values(self, values: Sequence[Any]) -> Frames:
        """Other values at the same positions."""
        return Frames(tuple(values), self.positions, self.title, self.unit)

    def same_positions(self, other: Frames) -> bool:
        """Whether the frames of both are at the same places of the same axis."""
        return self.positions == other.positions and self.unit == other.unit

    @property
    def even_step(self) -> float | None:
        """The distance from frame to frame, None when it varies by more than a millionth of itself."""
        steps = np.diff(self.positions)
        if len(steps) == 0:
            return 1.0
        mean = (self.positions[-1] - self.positions[0]) / len(steps)
        return float(mean) if np.abs(steps - mean).max() <= 1e-6 * mean else None


def _family(value: Any) -> str:
    """What must be the same in all frames."""
    if isinstance(value, sitk.Image):
        components = value.GetNumberOfComponentsPerPixel()
        return f"{value.GetDimension()}-D image" + (f" of {components} components" if components > 1 else "")
    if isinstance(value, sitk.Transform):
        return f"{value.GetDimension()}-D transform"
    kind = getattr(value, "kind", None)
    if kind is None or isinstance(value, Frames):
        raise InputError(f"A {type(value).__name__} cannot be a frame.")
    return str(kind)

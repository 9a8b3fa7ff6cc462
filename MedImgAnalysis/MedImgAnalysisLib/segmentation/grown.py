"""What the operations that grow from seeds have in common: roles, checks, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ..errors import ParameterError
from ..operation import Operation
from ..values import Column, Labels, Measurements
from .outcome import SEGMENT, SIZE_COLUMNS


class Grown(NamedTuple):
    labels: Labels
    table: Measurements


RANGE_COLUMNS = (
    Column("seeds", "Seeds", "", "Voxels from which it grew", int),
    Column("lower", "Lower", "", "Smallest value that was let in"),
    Column("upper", "Upper", "", "Largest value that was let in"),
)
COLUMNS = (SEGMENT, *RANGE_COLUMNS, *SIZE_COLUMNS)


@dataclass(frozen=True)
class Growing(Operation):
    """Base of the operations that grow from seeds; their roles are described here.

    Inputs
    ------
    image
        Image with one number per voxel.
    seeds
        Voxels to begin from.
    seed_points
        Points to begin from.
    mask
        Where the segment may be.

    Outputs
    -------
    labels
        One segment.
    table
        Range, voxels, volume and intensity.

    Parameters
    ----------
    segment
        Name of the segment.
    """

    group: ClassVar[str] = "Grow"
    why_whole: ClassVar[str] = "growing goes through all of it"

    def check_range(self, lower: float | None, upper: float | None) -> None:
        """Raise `ParameterError` where the limits of a range are the wrong way round."""
        if lower is not None and upper is not None and lower > upper:
            raise ParameterError(
                f"{self.name}: lower is {lower:g} and upper {upper:g}; lower must not be larger.",
                operation=self.name,
                field="lower",
            )

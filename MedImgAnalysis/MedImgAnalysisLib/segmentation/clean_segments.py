"""Clean-up of segments: specks, bridges, gaps, holes and rough surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from ..boxes import Box
from ..errors import EmptyResultError, ParameterError
from ..kernels.components import Components
from ..kernels.gaussian import TRUNCATE
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements, Segment
from .binary import closed, filled, opened, smoothed
from .layers import Layers, chosen_segments
from .outcome import SEGMENT


class Cleaned(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("voxels_before", "Voxels before", "", "Voxels in the segment before", int),
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("added", "Added", "", "Voxels that were not in the segment before", int),
    Column("removed", "Removed", "", "Voxels that are no longer in the segment", int),
    Column("components", "Components", "", "Connected parts of the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("status", "Status", "", "Why a number is missing", str),
)


@dataclass(frozen=True)
class CleanSegments(Operation):
    """Remove specks and bridges, close gaps and holes, and smooth the surface of segments.

    For what a threshold or a network leaves behind. Each step is optional; they are taken in this order, segment by
    segment: opening (parts vanish that a ball of the radius does not fit into), choice of components, closing (gaps
    are filled that the ball does not fit into), filling of holes, smoothing (Gaussian mean of the mask above one half),
    and the choice of components once more. Lengths are millimetres on the grid as it is.

    Other segments keep every voxel. What a segment would gain from another one is left out, unless `overlap` allows
    that both hold it, in layers of their own. A segment that vanishes is left out, which is said; when all vanish,
    the run is refused.

    Inputs
    ------
    labels
        Segments.

    Outputs
    -------
    labels
        All segments, those that were chosen cleaned.
    table
        What was added and removed.

    Parameters
    ----------
    segments
        Names of the segments to clean, separated by commas; all if empty.
    opening_mm
        Radius of the opening; 0 leaves it out.
    closing_mm
        Radius of the closing; 0 leaves it out.
    fill_holes
        Fill holes that do not reach the border of the image, in three dimensions; in a single slice in the plane.
    smoothing_mm
        SD of the smoothing; 0 leaves it out.
    smallest_ml
        Components of a smaller volume are dropped; of 2-D images those of a smaller area, in square centimetres.
    keep_largest
        How many of the largest components are kept; 0 keeps all.
    corners
        Whether voxels that share only an edge or a corner are connected.
    overlap
        Let closing, filling and smoothing take voxels that other segments hold.
    """

    name: ClassVar[str] = "clean_segments"
    title: ClassVar[str] = "Clean segments"
    group: ClassVar[str] = "Clean up"
    memory_factor: ClassVar[float] = 4.0
    presets: ClassVar = {
        "Largest component without holes": {"keep_largest": 1},
        "Without specks below 0.1 ml": {"smallest_ml": 0.1, "fill_holes": False},
        "Smooth": {"smoothing_mm": 1.0},
    }

    segments: str = ""
    opening_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 0.0
    closing_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 0.0
    fill_holes: bool = True
    smoothing_mm: Annotated[float, Quantity("mm", low=0.0, high=50.0)] = 0.0
    smallest_ml: Annotated[float, Quantity("ml", low=0.0, high=1e6)] = 0.0
    keep_largest: Annotated[int, Quantity("", low=0, high=10000)] = 0
    corners: bool = False
    overlap: bool = False

    def check(self) -> None:
        """Refuse a run that would change nothing."""
        lengths = self.opening_mm or self.closing_mm or self.smoothing_mm
        if not (lengths or self.fill_holes or self.smallest_ml or self.keep_largest):
            raise ParameterError(
                "clean_segments: every step is off; choose at least one.", operation=self.name, field="keep_largest"
            )

    def run(self, labels: Labels, *, progress: Progress = SILENT) -> Cleaned:
        chosen = chosen_segments(labels, self.segments)
        layers = Layers(labels, progress)
        for name in self._still(layers):
            progress.warn(f"{name} is shorter than every voxel and has no effect.")
        rows, vanished = [], []
        for number, segment in enumerate(chosen):
            part = progress.part(number / len(chosen), (number + 1) / len(chosen))
            part.report(0.0, segment.name)
            row = self._clean(layers, segment, labels.grid.dimension == 2, part)
            if row is None:
                vanished.append(segment)
            else:
                rows.append(row)
        names = ", ".join(repr(segment.name) for segment in vanished)
        if vanished and not rows:
            raise EmptyResultError(
                f"Nothing is left of {names}; choose smaller radii or volumes.", role="labels", segments=len(vanished)
            )
        if vanished:
            progress.warn(f"Nothing is left of {names}: left out.")
            for segment in vanished:
                layers.drop(segment)
        progress.report(1.0)
        return Cleaned(layers.labels(), Measurements(COLUMNS, tuple(rows)))

    def _still(self, layers: Layers) -> list[str]:
        """The lengths that are given but shorter than every voxel."""
        lengths = {"opening_mm": self.opening_mm, "closing_mm": self.closing_mm}
        wide = [s for s, n in zip(layers.spacing, layers.shape) if n > 1]
        return [f"{name} {mm:g}" for name, mm in lengths.items() if mm and wide and mm < min(wide)]

    def _clean(self, layers: Layers, segment: Segment, flat: bool, progress: Progress) -> dict | None:
        reach = max(2 * self.opening_mm, 2 * self.closing_mm, TRUNCATE * self.smoothing_mm) + 2 * max(layers.spacing)
        box = layers.box(segment, reach)
        if box is None:
            return None
        before = layers.inside(segment, box)
        volume = float(np.prod(layers.spacing[1:] if flat else layers.spacing))
        # Square centimetres in a plane: 100 mm2, as 1000 mm3 are a millilitre.
        smallest = self.smallest_ml * (100 if flat else 1000) / volume
        after, parts = self._steps(before, layers, segment, box, smallest, progress)
        count = int(np.count_nonzero(after))
        if not count:
            return None
        layers.put(segment, after, box)
        return {
            "segment": segment.name,
            "voxels_before": int(np.count_nonzero(before)),
            "voxels": count,
            "added": int(np.count_nonzero(after & ~before)),
            "removed": int(np.count_nonzero(before & ~after)),
            "components": parts,
            "volume_ml": np.nan if flat else count * volume / 1000,
            "status": "no_volume_in_2d" if flat else "",
        }

    def _steps(
        self, before: np.ndarray, layers: Layers, segment: Segment, box: Box, smallest: float, progress: Progress
    ) -> tuple[np.ndarray, int]:
        spacing = layers.spacing
        after = before
        if self.opening_mm:
            after = opened(after, self.opening_mm, spacing, progress.part(0.0, 0.2))
            after, _ = self._components(after, smallest, progress)
        elif self.closing_mm or self.smoothing_mm:
            after, _ = self._components(after, smallest, progress)
        if self.closing_mm:
            after = closed(after, self.closing_mm, spacing, progress.part(0.2, 0.4))
        if self.fill_holes:
            after = filled(after, progress.part(0.4, 0.5))
        if self.smoothing_mm:
            after = smoothed(after, self.smoothing_mm, spacing, progress.part(0.5, 0.8))
        if not self.overlap and (gained := after & ~before).any():
            after = after & ~(gained & layers.others(segment, box))
        return self._components(after, smallest, progress)

    def _components(self, inside: np.ndarray, smallest: float, progress: Progress) -> tuple[np.ndarray, int]:
        numbers, sizes = Components(inside, progress, self.corners).numbered(progress)
        kept = int(np.count_nonzero(sizes >= smallest - 1e-6))
        kept = min(kept, self.keep_largest) if self.keep_largest else kept
        if kept == len(sizes):
            return inside, kept
        return np.asarray((numbers > 0) & (numbers <= kept)), kept

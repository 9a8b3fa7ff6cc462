"""What is wrong with an image before anything is done with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..quality.findings import STATUS, WARNINGS, Findings
from ..values import Column, Image, Measurements
from .slice_positions import positions_of, usual_step

COLUMNS = (
    Column("n_voxels", "Voxels", "", "Voxels of the image", int),
    Column("n_nan", "NaN", "", "Voxels that are not a number", int),
    Column("n_inf", "Infinite", "", "Voxels that are infinite", int),
    Column("constant", "Constant", "", "1 when all finite voxels have one value", int),
    Column("minimum", "Minimum", "", "Smallest finite value"),
    Column("maximum", "Maximum", "", "Largest finite value"),
    Column("type_low", "Type from", "", "Smallest value of the pixel type; undefined for floats"),
    Column("type_high", "Type to", "", "Largest value of the pixel type; undefined for floats"),
    Column("range_used_percent", "Range used", "%", "Maximum minus minimum over the range of the pixel type"),
    Column("at_minimum_percent", "At the minimum", "%", "Share of finite voxels that have the smallest value"),
    Column("at_maximum_percent", "At the maximum", "%", "Share of finite voxels that have the largest value"),
    Column("slices", "Slices", "", "Slices along the third axis", int),
    Column("constant_slices", "Constant slices", "", "Slices of one value between others, as lost ones look", int),
    Column("border_slices", "Empty end slices", "", "Slices of one value at the ends of the stack", int),
    Column("duplicate_slices", "Duplicate slices", "", "Slices equal to the one before, not constant", int),
    Column("nonfinite_slices", "Slices without numbers", "", "Slices whose voxels are all NaN or infinite", int),
    Column("odd_slices", "Odd slices", "", "Slices whose mean is off the line of their neighbours", int),
    Column("missing_slices", "Missing slices", "", "Slices that would fit into the gaps of the positions", int),
    Column("step_min", "Smallest step", "mm", "Smallest distance of neighbouring slices"),
    Column("step_median", "Usual step", "mm", "Median distance of neighbouring slices"),
    Column("step_max", "Largest step", "mm", "Largest distance of neighbouring slices"),
    Column("spacing_ratio", "Spacing ratio", "", "Largest over smallest spacing of the grid"),
    WARNINGS,
    STATUS,
)
SLICES = (
    Column("slice", "Slice", "", "Number of the slice along the third axis, from 0", int),
    Column("finding", "Finding", "", "constant, duplicate, nonfinite, odd or gap_after", str),
    Column("value", "Value", "", "Mean of the slice; for a gap the step to the next slice in mm"),
    Column("x", "L", "mm", "Middle of the slice towards left", position="L"),
    Column("y", "P", "mm", "Middle of the slice towards posterior", position="P"),
    Column("z", "S", "mm", "Middle of the slice towards superior", position="S"),
    STATUS,
)
FEW_AT_END = 10
CLIPPED_PERCENT = 0.01


class Integrity(NamedTuple):
    table: Measurements
    slices: Measurements


class _Slice(NamedTuple):
    nan: int
    inf: int
    low: float
    high: float
    mean: float
    same: bool


@dataclass(frozen=True)
class CheckIntegrity(Operation):
    """Look for voxels and slices that are broken, lost, doubled or cut off.

    One pass over the voxels counts NaN and infinity, finds the range of values against that of the pixel type, and the
    share of voxels at the smallest and largest value (`clipped_high` warns when more than 0.01 % and more than ten
    voxels of an image that is no label image have exactly the largest: values may have been cut off there). For each
    slice along the third axis: whether it is constant (a lost slice that was filled), equal to the one before
    (doubled), or odd, its mean away from that of its neighbours by more than `odd_factor` times what is usual.

    An image in memory always has slices at equal distances. Whether they were measured so is told by their
    positions, when there is a table of them: steps that differ by more than `tolerance_percent` of the usual
    one give `uneven_spacing`, gaps of two steps or more give `missing_slices`; regularise_slices mends both.

    Words in the warnings column: `nonfinite`, `constant`, `clipped_high`, `constant_slices`, `duplicate_slices`,
    `nonfinite_slices`, `odd_slices`, `uneven_spacing`, `missing_slices`, `very_anisotropic` (spacing ratio above 10),
    `spacing_may_be_unknown` (all 1 mm, at the origin, not turned: as pictures without geometry are).

    Inputs
    ------
    image
        Image to check.
    positions
        Where the slices were measured: a row for each slice in the order of the image, millimetres in one column.

    Outputs
    -------
    table
        One row.
    slices
        A row for each finding about a slice, with its middle in space.

    Parameters
    ----------
    odd_factor
        How many times the usual deviation makes a slice odd.
    tolerance_percent
        Part of the usual step that a step may differ.
    column
        Column of the positions; empty: the only column of numbers, or the one called position_mm.
    """

    name: ClassVar[str] = "check_integrity"
    title: ClassVar[str] = "Check integrity"
    group: ClassVar[str] = "Repair"
    memory_factor: ClassVar[float] = 1.0
    finite_only: ClassVar[bool] = False

    odd_factor: Annotated[float, Quantity("", low=3.0, high=100.0)] = 10.0
    tolerance_percent: Annotated[float, Quantity("%", low=0.01, high=50.0)] = 1.0
    column: str = ""

    def run(self, image: Image, positions: Measurements | None = None, *, progress: Progress = SILENT) -> Integrity:
        grid = Grid.of(image)
        array = sitk.GetArrayViewFromImage(image)
        layers = array if grid.dimension == 3 else array[None]
        depth = len(layers)
        known = for_each(
            lambda k: _look(layers, k), range(depth), progress=progress.part(0.0, 0.7), message="Looking at slices"
        )
        found = Findings(n_voxels=array.size, n_nan=sum(s.nan for s in known), n_inf=sum(s.inf for s in known))
        self._values(found, layers, known, progress.part(0.7, 1.0))
        rows: list[dict[str, Any]] = []
        self._slices(found, known, grid, rows)
        self._positions(found, positions, grid, depth, rows)
        ratio = max(grid.spacing) / min(grid.spacing)
        found.put("spacing_ratio", ratio)
        if ratio > 10:
            found.warn("very_anisotropic")
        identity = np.allclose(grid.direction, np.eye(grid.dimension).ravel())
        if identity and not any(grid.origin) and all(s == 1 for s in grid.spacing):
            found.warn("spacing_may_be_unknown")
        row = found.row()
        words = row["warnings"]
        progress.warn(f"Found in the image: {words}." if words else "Nothing wrong was found in the image.")
        progress.report(1.0)
        rows.sort(key=lambda entry: entry["slice"])
        return Integrity(Measurements(COLUMNS, (row,)), Measurements(SLICES, tuple(rows)))

    def _values(self, found: Findings, layers: np.ndarray, known: list[_Slice], progress: Progress) -> None:
        finite = layers.size - found.values["n_nan"] - found.values["n_inf"]
        low, high = min(s.low for s in known), max(s.high for s in known)
        if finite < layers.size:
            found.warn("nonfinite")
        reason = "" if finite else "nonfinite_input"
        found.put("minimum", low, reason)
        found.put("maximum", high, reason)
        found.values["constant"] = int(finite > 0 and low == high)
        whole = layers.dtype.kind in "iu"
        limits = (np.iinfo(layers.dtype).min, np.iinfo(layers.dtype).max) if whole else (math.nan, math.nan)
        found.put("type_low", float(limits[0]), "float_type")
        found.put("type_high", float(limits[1]), "float_type")
        used = 100 * (high - low) / (float(limits[1]) - float(limits[0])) if whole else math.nan
        found.put("range_used_percent", used, "float_type")
        at = for_each(
            lambda k: (np.count_nonzero(layers[k] == low), np.count_nonzero(layers[k] == high), _many(layers[k])),
            range(len(layers)), progress=progress, message="Looking at the range",
        )  # fmt: skip
        at_low, at_high = (sum(int(entry[n]) for entry in at) for n in range(2))
        found.put("at_minimum_percent", 100 * at_low / finite if finite else math.nan, reason)
        found.put("at_maximum_percent", 100 * at_high / finite if finite else math.nan, reason)
        if found.values["constant"]:
            found.warn("constant")
        elif finite and at_high > max(FEW_AT_END, CLIPPED_PERCENT / 100 * finite) and any(entry[2] for entry in at):
            found.warn("clipped_high")

    def _slices(self, found: Findings, known: list[_Slice], grid: Grid, rows: list[dict[str, Any]]) -> None:
        flat = np.array([s.low == s.high for s in known])
        empty = np.array([not math.isfinite(s.low) for s in known])
        full = np.flatnonzero(~flat & ~empty)
        first, last = (int(full[0]), int(full[-1])) if full.size else (0, -1)
        inside = np.arange(len(known))
        between = (inside > first) & (inside < last)
        doubled = np.array([s.same for s in known]) & ~flat & ~empty
        odd = self._odd(np.array([s.mean for s in known]), ~flat & ~empty & ~doubled)
        border = (flat | empty) & ~between if full.size else np.zeros(len(known), bool)
        found.values["slices"] = len(known)
        found.values["border_slices"] = int(border.sum())
        for key, word, mask in (
            ("constant_slices", "constant", flat & between),
            ("duplicate_slices", "duplicate", doubled),
            ("nonfinite_slices", "nonfinite", empty),
            ("odd_slices", "odd", odd),
        ):
            found.values[key] = int(mask.sum())
            if mask.any():
                found.warn(key)
            rows += [_row(k, word, known[k].mean, grid) for k in np.flatnonzero(mask).tolist()]

    def _odd(self, means: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Slices whose mean is far off the middle of the means of both neighbours."""
        result = np.zeros(len(means), bool)
        good = np.flatnonzero(usable)
        if good.size < 8:
            return result
        values = means[good]
        off = values[1:-1] - (values[:-2] + values[2:]) / 2
        usual = 1.4826 * float(np.median(np.abs(off - np.median(off))))
        floor = 1e-9 * float(np.abs(values).max())
        size = np.abs(off)
        # Beside an odd slice the neighbours are off by half as much: only the largest one of three counts.
        peak = (size >= np.append(0, size[:-1])) & (size >= np.append(size[1:], 0))
        result[good[1:-1][(size > self.odd_factor * max(usual, floor)) & peak]] = True
        return result

    def _positions(
        self, found: Findings, positions: Measurements | None, grid: Grid, depth: int, rows: list[dict[str, Any]]
    ) -> None:
        if positions is None:
            step = grid.spacing[2] if grid.dimension == 3 and depth > 1 else math.nan
            for key in ("step_min", "step_median", "step_max"):
                found.put(key, step, "single_slice")
            found.values["missing_slices"] = 0
            return
        if grid.dimension == 2:
            raise InputError("A 2-D image has no slices that could have positions.", role="positions")
        steps = np.diff(positions_of(positions, self.column, depth))
        usual = usual_step(steps)
        for key, value in (("step_min", steps.min()), ("step_median", usual), ("step_max", steps.max())):
            found.put(key, float(value))
        uneven = np.abs(steps - usual) > self.tolerance_percent / 100 * usual
        lost = np.where(uneven, np.maximum(np.rint(steps / usual) - 1, 0), 0).astype(int)
        found.values["missing_slices"] = int(lost.sum())
        if uneven.any():
            found.warn("uneven_spacing")
        if lost.any():
            found.warn("missing_slices")
        rows += [_row(k, "gap_after", float(steps[k]), grid) for k in np.flatnonzero(uneven).tolist()]


def _look(layers: np.ndarray, k: int) -> _Slice:
    layer = layers[k]
    same = k > 0 and bool(np.array_equal(layer, layers[k - 1]))
    if layer.dtype.kind != "f":
        return _Slice(0, 0, float(layer.min()), float(layer.max()), float(layer.mean(dtype=np.float64)), same)
    nan, inf = int(np.count_nonzero(np.isnan(layer))), int(np.count_nonzero(np.isinf(layer)))
    good = layer[np.isfinite(layer)] if nan or inf else layer
    if not good.size:
        return _Slice(nan, inf, math.inf, -math.inf, math.nan, same)
    return _Slice(nan, inf, float(good.min()), float(good.max()), float(good.mean(dtype=np.float64)), same)


def _many(layer: np.ndarray) -> bool:
    """Whether a slice has more values than a label image would."""
    return bool(np.unique(layer.ravel()[:: max(1, layer.size // 4096)]).size > 32)


def _row(k: int, finding: str, value: float, grid: Grid) -> dict[str, Any]:
    middle = [(n - 1) / 2 for n in grid.size[:2]]
    point = grid.to_physical(np.array([[*middle, float(k)][: grid.dimension]]))[0]
    place = dict(zip("xyz", [*point.tolist(), 0.0][:3]))
    status = "" if math.isfinite(value) else "nonfinite_input"
    return {"slice": int(k), "finding": finding, "value": value, **place, "status": status}

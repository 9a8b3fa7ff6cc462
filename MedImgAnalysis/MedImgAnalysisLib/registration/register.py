"""Align a moving image with a fixed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import resample
from ..values import Column, Curve, Curves, Image, Mask, Measurements, Transform
from .multistart import best_start, usable
from .optimise import Settings, optimise_level
from .pyramid import RIGID_LEVELS, Level, centre, centre_of_mass, prepared, shrunk
from .rigid import Rigid, matrix_of, rigid

COLUMNS = (
    Column("model", "Model", "", "Kind of transform", str),
    Column("metric", "Mutual information", "nat", "Mattes mutual information at the end"),
    Column("iterations", "Iterations", "", "Iterations over all levels", int),
    Column("overlap", "Overlap", "", "Part of the fixed voxels that map into the moving image"),
    Column(
        "rotation_x_deg", "Rotation about L", "degrees", "Euler angle about the first LPS axis (z, x, y order of ITK)"
    ),
    Column("rotation_y_deg", "Rotation about P", "degrees", "Euler angle about the second LPS axis"),
    Column("rotation_z_deg", "Rotation about S", "degrees", "Euler angle about the third LPS axis; the angle in 2-D"),
    Column("shift_x_mm", "Shift along L", "mm", "Where the centre of the fixed image goes, minus itself"),
    Column("shift_y_mm", "Shift along P", "mm", "The same along the second LPS axis"),
    Column("shift_z_mm", "Shift along S", "mm", "The same along the third LPS axis"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Registered(NamedTuple):
    transform: Transform
    image: Image
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class Register(Operation):
    """Align a moving image with a fixed image.

    Rigid (rotation and shift) by Mattes mutual information (2003), for images of the same or of different
    kinds. Coarse to fine: voxels are averaged to 8, 4, 2 and 1 mm and the optimiser looks at a fixed
    number of regular samples per level. With `start` multi_start a grid of rotations up to 40 degrees
    about the centres of mass is rated first, so that images far apart still align.
    The transform maps points of the fixed image to the moving image in LPS millimetres.

    Inputs
    ------
    fixed
        Image that stays where it is.
    moving
        Image that is aligned.
    fixed_mask
        Part of the fixed image to look at.
    moving_mask
        Part of the moving image to look at.

    Outputs
    -------
    transform
        Fixed to moving points, LPS millimetres.
    image
        The moving image on the grid of the fixed one.
    table
        The transform in numbers, the metric, the overlap.
    curves
        Metric over iterations, one series a level.

    Parameters
    ----------
    model
        Kind of transform.
    start
        Where to begin: multi_start tries rotations, moments aligns centres of mass, geometry aligns the
        middles of the images, none starts from the positions as they are.
    finest_mm
        Resolution of the last level.
    bins
        Histogram bins of the metric per image.
    seed
        Seed of the samples.
    interpolation
        How the moving image is resampled.
    reproducible
        Add up the metric in one thread, so that a repeated run gives the same bits. Off is up to twice as
        fast and changes the result by less than a thousandth of a voxel.
    """

    name: ClassVar[str] = "register"
    title: ClassVar[str] = "Register images"
    group: ClassVar[str] = "Align"
    memory_factor: ClassVar[float] = 3.0
    tolerance: ClassVar[float] = 1e-3
    keeps: ClassVar = {"image": "moving"}
    presets: ClassVar = {
        "Precise (1 mm)": {"finest_mm": 1.0},
        "Fast (2 mm)": {"finest_mm": 2.0, "reproducible": False},
        "Small correction": {"start": "none"},
    }

    model: Annotated[str, Choice("rigid")] = "rigid"
    start: Annotated[str, Choice("multi_start", "moments", "geometry", "none")] = "multi_start"
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 1.0
    bins: Annotated[int, Quantity("", low=8, high=128)] = 32
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    reproducible: bool = True

    @property
    def exact(self) -> bool:
        return self.reproducible

    def run(
        self,
        fixed: Image,
        moving: Image,
        fixed_mask: Mask | None = None,
        moving_mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Registered:
        if fixed.GetDimension() != moving.GetDimension():
            raise InputError("One image is 2-D and the other 3-D; registration needs both of one dimension.")
        small_fixed, small_moving = prepared(fixed, "fixed"), prepared(moving, "moving")
        settings = Settings(self.bins, self.seed, self.reproducible)
        transform = self._start(small_fixed, small_moving, (fixed_mask, moving_mask), settings, progress.part(0.0, 0.3))
        settings.trace.clear()
        levels = [level for level in RIGID_LEVELS if level.spacing_mm >= self.finest_mm]
        if self.start == "multi_start":
            levels = levels[1:] or levels
        metric = 0.0
        for number, level in enumerate(levels):
            settings.level = number
            share = progress.part(0.3 + 0.6 * number / len(levels), 0.3 + 0.6 * (number + 1) / len(levels))
            metric = _refine(small_fixed, small_moving, transform, level, settings, (fixed_mask, moving_mask), share)
        progress.report(0.9, "Resampling")
        image = resample(moving, Grid.of(fixed), transform, self.interpolation)
        table = _table(self.model, fixed, moving, transform, metric, settings, progress)
        return Registered(transform, image, table, _curves(settings, levels))

    def _start(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        masks: tuple[sitk.Image | None, sitk.Image | None],
        settings: Settings,
        progress: Progress,
    ) -> Rigid:
        if self.start == "multi_start":
            return best_start(fixed, moving, masks, settings, progress)
        if self.start == "moments":
            middle = centre_of_mass(fixed, masks[0])
            return rigid(middle, translation=centre_of_mass(moving, masks[1]) - middle)
        middle = centre(fixed)
        if self.start == "none":
            if not Grid.of(fixed).overlaps(Grid.of(moving)):
                raise InputError("The images do not overlap where they are; choose another start.")
            return rigid(middle)
        return rigid(middle, translation=centre(moving) - middle)


def _refine(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: Rigid,
    level: Level,
    settings: Settings,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    progress: Progress,
) -> float:
    fixed_level, moving_level = shrunk(fixed, level.spacing_mm), shrunk(moving, level.spacing_mm)
    fixed_mask, moving_mask = (usable(mask) for mask in masks)
    return optimise_level(
        fixed_level, moving_level, transform, level, settings, progress, fixed_mask=fixed_mask, moving_mask=moving_mask
    )


def _table(
    model: str,
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: Rigid,
    metric: float,
    settings: Settings,
    progress: Progress,
) -> Measurements:
    middle = centre(fixed)
    shift = np.array(transform.TransformPoint(middle.tolist())) - middle
    flat = fixed.GetDimension() == 2
    nan = float("nan")
    # Parameters begin with the Euler angles: one in 2-D, three in 3-D.
    angles = (nan, nan, transform.GetParameters()[0]) if flat else transform.GetParameters()[:3]
    overlap = overlap_fraction(fixed, moving, transform)
    if overlap < 0.2:
        progress.warn(f"Only {overlap:.0%} of the fixed image lies in the aligned moving image; look at the result.")
    row = {
        "model": model,
        "metric": metric,
        "iterations": len(settings.trace),
        "overlap": overlap,
        **{f"rotation_{axis}_deg": float(np.degrees(a)) for axis, a in zip("xyz", angles, strict=True)},
        **{f"shift_{axis}_mm": float(s) for axis, s in zip("xyz", (*shift, nan)[:3], strict=True)},
        "status": "in_plane_only" if flat else "",
    }
    return Measurements(COLUMNS, (row,))


def overlap_fraction(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Part of a regular grid of fixed voxels (about 30 per axis) that maps into the moving image."""
    grid, other = Grid.of(fixed), Grid.of(moving)
    axes = [np.unique(np.linspace(0, n - 1, min(n, 30)).round()) for n in grid.size]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, grid.dimension)
    matrix, offset = matrix_of(transform)
    mapped = other.to_index(grid.to_physical(index) @ matrix.T + offset)
    return float(np.all((mapped >= -0.5) & (mapped <= np.asarray(other.size) - 0.5), axis=1).mean())


def _curves(settings: Settings, levels: list[Level]) -> Curves:
    series = []
    for number, level in enumerate(levels):
        points = [(iteration, metric) for at, iteration, metric in settings.trace if at == number]
        x, y = np.array(points, float).reshape(-1, 2).T
        name = f"{level.spacing_mm:g} mm{', refined' if level.quasi_newton else ''}"
        series.append(Curve(name, x, y))
    return Curves("Metric while aligning", "Iteration", "Mutual information", tuple(series), "", "nat")

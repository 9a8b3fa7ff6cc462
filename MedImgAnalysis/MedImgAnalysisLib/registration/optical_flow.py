"""Dense displacement between two images of equal brightness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..kernels import optical_flow as flows
from ..kernels.flow_pyramid import FlowLevel, coarse_to_fine, relative
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..quality.findings import Findings
from ..resampling import on_grid, resample
from ..values import Column, Image, Mask, Measurements, Transform
from . import evaluation_tables as tables
from .definition import covered, displacement
from .jacobian import jacobian_determinant, jacobian_statistics
from .likeness import put_likeness
from .spread import select

LEAST_VOXELS = 4
DAMPING = 1e-3
"""Share of the mean squared gradient that holds the flow of Lucas-Kanade where there is nothing to see."""
PERCENTILES = (1.0, 99.0)
ALIKE = 0.5
"""Correlation below which a flow means little."""
COLUMNS = (
    Column("method", "Method", "", "Algorithm", str),
    Column("displacement_mean_mm", "Displacement, mean", "mm", "Mean of |T(x) - x| over the voxels (of the mask)"),
    Column("displacement_p95_mm", "Displacement, P95", "mm", "95th percentile of |T(x) - x|"),
    Column("displacement_max_mm", "Displacement, max", "mm", "Largest |T(x) - x|"),
    *(
        Column(f"displacement_{a}_mm", f"Displacement {a.upper()}", "mm", f"Mean of T(x) - x along the {text}")
        for a, text in tables.AXES.items()
    ),
    Column("folding_percent", "Folding", "%", "Part of the voxels with a Jacobian determinant <= 0"),
    Column("jac_min", "Jacobian, minimum", "", "Smallest Jacobian determinant"),
    Column("jac_max", "Jacobian, maximum", "", "Largest Jacobian determinant"),
    *tables.SIMILARITY,
    Column("status", "Status", "", "Why a number is missing", str),
)


class Flow(NamedTuple):
    transform: Transform
    image: Image
    table: Measurements


@dataclass(frozen=True)
class OpticalFlow(Operation):
    """Find for every voxel where its brightness went, for images of the same kind that are nearly aligned.

    `tv_l1` (Zach, Pock and Bischof 2007) minimises the total variation of the displacement plus `attachment` times the
    absolute difference of the images: the displacement may jump at borders and outliers do little harm.
    `lucas_kanade` (Le Besnerais and Champagnat 2005) fits one displacement to each window by least squares: faster,
    blurred at borders. Both work from coarse to fine and see movements of some ten voxels. The lengths of the voxels
    and the axes of the grid are honoured; the result has all components, in LPS millimetres.

    Brightness must be kept: for CT with MR and the like use `register`. Each image is brought to 0 to 1 between its 1st
    and 99th percentile first. The displacement is not kept from folding; how much folds is told. A moving image on
    another grid is resampled to that of the fixed one for the work, and what it does not cover does not count.

    Inputs
    ------
    fixed
        Image that stays where it is.
    moving
        Image that is brought to the fixed one.
    initial
        Transform to begin with, fixed to moving points, such as that of a registration; the result includes it.
    mask
        Part of the fixed image whose brightness counts; elsewhere the displacement is only smooth.

    Outputs
    -------
    transform
        Fixed to moving points, a displacement field on the grid of the fixed image in LPS millimetres.
    image
        The moving image, brought to the fixed one on its grid.
    table
        Displacement, folding, likeness before and after.

    Parameters
    ----------
    method
        Algorithm.
    attachment
        Of tv_l1: smaller is smoother.
    tightness
        Of tv_l1: how closely its two steps hold together.
    radius_voxels
        Of lucas_kanade: half width of the window in voxels of the finest axis, at each resolution.
    warps
        Times that the moving image is warped at each resolution.
    iterations
        Of tv_l1: steps after each warp.
    levels
        Resolutions at the most, each half as fine as the one before; axes stop at 16 voxels.
    finest_mm
        Resolutions finer than needed for this one are left out and the displacement is interpolated.
    normalise
        Bring each image to 0 to 1 by itself, both by the same numbers (for quantities such as HU), or neither.
    """

    name: ClassVar[str] = "optical_flow"
    title: ClassVar[str] = "Optical flow"
    group: ClassVar[str] = "Align"
    memory_factor: ClassVar[float] = 24.0
    keeps: ClassVar = {"image": "moving"}
    presets: ClassVar = {
        "TV-L1": {},
        "TV-L1, smooth": {"attachment": 5.0, "warps": 10},
        "Lucas-Kanade, fast": {"method": "lucas_kanade"},
    }

    method: Annotated[str, Choice("tv_l1", "lucas_kanade")] = "tv_l1"
    attachment: Annotated[float, Quantity("", low=0.01, high=1000.0)] = 15.0
    tightness: Annotated[float, Quantity("", low=0.01, high=10.0)] = 0.3
    radius_voxels: Annotated[int, Quantity("voxels", low=1, high=100)] = 7
    warps: Annotated[int, Quantity("", low=1, high=100)] = 5
    iterations: Annotated[int, Quantity("", low=1, high=1000)] = 10
    levels: Annotated[int, Quantity("", low=1, high=10)] = 6
    finest_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 1.0
    normalise: Annotated[str, Choice("each", "together", "neither")] = "each"

    def run(
        self,
        fixed: Image,
        moving: Image,
        initial: Transform | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Flow:
        progress.report(0.0, "Optical flow")
        if fixed.GetDimension() != moving.GetDimension():
            raise InputError("One image is 2-D and the other 3-D; optical flow needs both of one dimension.")
        if initial is not None and initial.GetDimension() != fixed.GetDimension():
            raise InputError(
                f"The initial transform is {initial.GetDimension()}-D and the images {fixed.GetDimension()}-D.",
                role="initial",
            )
        grid = Grid.of(fixed)
        arrays, weight = self._prepared(fixed, moving, initial, mask, progress.part(0.0, 0.05))
        level = FlowLevel(*arrays, weight, grid.spacing_kji)
        flow = coarse_to_fine(self._solve, level, self.levels, self.finest_mm, progress.part(0.05, 0.75))
        # Columns of the direction are the axes i, j, k; the flow has them in the order k, j, i.
        turn = np.reshape(grid.direction, (grid.dimension,) * 2)
        field = np.stack([sum(turn[c, a] * flow[::-1][a] for a in range(len(turn))) for c in range(len(turn))], axis=-1)
        progress.check()
        transform = sitk.DisplacementFieldTransform(image_like(field.astype(np.float64), grid))
        if initial is not None:
            field = displacement(sitk.CompositeTransform([initial, transform]), grid)
            transform = sitk.DisplacementFieldTransform(image_like(field, grid))
        image = resample(moving, grid, transform, progress=progress.part(0.75, 0.8))
        inside = None if mask is None else sitk.GetArrayFromImage(mask) != 0
        row = self._row(transform, field, fixed, moving, inside, progress.part(0.8, 1.0))
        progress.report(1.0)
        return Flow(transform, image, Measurements(COLUMNS, (row,)))

    def _prepared(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        initial: sitk.Transform | None,
        mask: sitk.Image | None,
        progress: Progress,
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray | None]:
        """Both images as float32 from 0 to 1 on the fixed grid, and where they count."""
        for what, image in (("fixed", fixed), ("moving", moving)):
            if min(image.GetSize()) < LEAST_VOXELS:
                raise InputError(
                    f"The {what} image has {min(image.GetSize())} voxels along one axis; optical flow needs at least "
                    f"{LEAST_VOXELS}. A single slice must be given as a 2-D image.",
                    role=what,
                )
        grid, own = Grid.of(fixed), Grid.of(moving)
        limits = []
        for what, image in (("fixed", fixed), ("moving", moving)):
            progress.check()
            limits.append(_limits(image, what))
        floating = sitk.Cast(moving, sitk.sitkFloat32)
        if initial is None:
            shared = on_grid(floating, grid, what="moving image", progress=progress)
        else:
            shared = resample(floating, grid, initial, progress=progress)
        weight = None if mask is None else (sitk.GetArrayFromImage(mask) != 0).astype(np.float32)
        if initial is not None or not own.same_as(grid):
            known = covered(own, initial or sitk.Transform(grid.dimension, sitk.sitkIdentity), grid)
            if not known.any():
                raise InputError(
                    "The moving image covers no voxel of the fixed one; align them with register first and give its "
                    "transform as the initial one.",
                    role="moving",
                )
            weight = known.astype(np.float32) if weight is None else weight * known
        if self.normalise == "together":
            limits = [(min(low for low, _ in limits), max(high for _, high in limits))] * 2
        arrays = []
        for image, (low, high) in zip((fixed, shared), limits, strict=True):
            progress.check()
            array = sitk.GetArrayFromImage(image).astype(np.float32)
            if self.normalise != "neither":
                array -= np.float32(low)
                array /= np.float32(high - low)
            arrays.append(array)
        return (arrays[0], arrays[1]), weight

    def _solve(self, level: FlowLevel, flow: np.ndarray, progress: Progress) -> np.ndarray:
        common: dict[str, Any] = {"weight": level.weight, "warps": self.warps, "progress": progress}
        steps = relative(level.steps)
        if self.method == "lucas_kanade":
            return flows.lucas_kanade(
                level.fixed, level.moving, flow, steps, radius=self.radius_voxels, damping=DAMPING, **common
            )
        return flows.tvl1(
            level.fixed,
            level.moving,
            flow,
            steps,
            attachment=self.attachment,
            tightness=self.tightness,
            iterations=self.iterations,
            **common,
        )

    def _row(
        self,
        transform: sitk.Transform,
        field: np.ndarray,
        fixed: sitk.Image,
        moving: sitk.Image,
        inside: np.ndarray | None,
        progress: Progress,
    ) -> dict[str, Any]:
        found = Findings(method=self.method)
        lengths = select(np.linalg.norm(field, axis=-1), inside, progress)
        found.put("displacement_mean_mm", float(lengths.mean(dtype=np.float64)))
        found.put("displacement_p95_mm", float(np.percentile(lengths, 95)))
        found.put("displacement_max_mm", float(lengths.max()))
        for axis, key in enumerate(tables.AXES):
            flat = axis >= field.shape[-1]
            part = None if flat else select(np.ascontiguousarray(field[..., axis]), inside, progress)
            found.put(
                f"displacement_{key}_mm",
                math.nan if part is None else float(part.mean(dtype=np.float64)),
                "in_plane_only",
            )
        jacobian = jacobian_determinant(transform, Grid.of(fixed), progress.part(0.0, 0.4))
        numbers = jacobian_statistics(jacobian, inside, progress)
        for key, value in (("folding_percent", "folding_percent"), ("jac_min", "min"), ("jac_max", "max")):
            found.put(key, numbers[value], "transform_not_defined_there")
        if numbers["folding_percent"] > 0:
            progress.warn(
                f"The displacement folds in {numbers['folding_percent']:.2g} % of the voxels; a smoother one (lower "
                "attachment, wider window) folds less."
            )
        put_likeness(found, transform, fixed, moving, inside, 32, progress.part(0.4, 1.0))
        before, after = found.values["similarity_before_ncc"], found.values["similarity_ncc"]
        if after < max(before, ALIKE):
            progress.warn(
                f"The images are little alike even after (correlation {after:.3g}, before {before:.3g}); they may show "
                "different contrasts, or be too far apart: align them with register first and give its "
                "transform as the initial one."
            )
        row = found.row()
        return {key: value for key, value in row.items() if key != "warnings"}


def _limits(image: sitk.Image, what: str) -> tuple[float, float]:
    """The values that become 0 and 1; refuses constant images."""
    array = sitk.GetArrayViewFromImage(image)
    sample = array[tuple(slice(None, None, 1 + n // 128) for n in array.shape)]
    low, high = (float(v) for v in np.percentile(sample, PERCENTILES))
    if high <= low:
        low, high = float(array.min()), float(array.max())
    if high <= low:
        raise InputError(f"The {what} image is constant; there is no movement to see.", role=what)
    return low, high

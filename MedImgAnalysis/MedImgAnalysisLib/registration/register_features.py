"""Align two images by places in them that look alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..quality.findings import Findings
from ..resampling import resample
from ..values import Column, Image, Mask, Measurements, Transform
from .definition import covered
from .feature_pairs import Pairs, block_pairs, keypoint_pairs, levels_mm
from .landmark_fit import AXES, LINEAR, put_linear
from .point_fit import linear_transform
from .robust_fit import RobustFit, robust_fit
from .sliding import slide_mm
from .starts import centre_of_mass

LEAST_VOXELS = 8
LEAST_INLIERS = {2: 8, 3: 16}
FEW_PERCENT = 20.0
"""Part of the blocks (3-D) that must agree; of images of different things 4 to 13 % did."""
CLOSE = {2: 0.4, 3: 0.25}
"""Part of the agreeing pairs that must be within half of the tolerance; by chance it is 1 / 4 and 1 / 8."""
SURE_PERCENT, SURE_CLOSE = 42.0, 0.48
"""Wrong answers of smooth bodies (3-D) reached 30 % and 0.42, right ones of soft tissue begin at 20 % and 0.27."""
LARGEST_SLIDE = 0.25
"""Part of the tolerance that the answer may slide (3-D): right ones slid by up to 0.19, wrong ones from 0.36."""
ADVICE = (
    "Check that both show the same region in the same kind of image, give masks of what both show, choose another "
    "model or start, raise tolerance_mm for tissue that deforms, or use register or register_landmarks."
)
COLUMNS = (
    Column("model", "Model", "", "Kind of transform", str),
    Column("method", "Method", "", "keypoints (2-D) or blocks (3-D)", str),
    Column("n_matches", "Matches", "", "Pairs of places that look alike", int),
    Column("n_inliers", "Inliers", "", "Pairs that agree with the transform", int),
    Column("inlier_percent", "Inliers", "%", "Part of the pairs that agree with the transform"),
    Column("agreeing_percent", "Agreeing", "%", "Inliers over the places that were looked for"),
    Column(
        "close_percent", "Close", "%", "Part of the inliers within half of the tolerance; 12.5 (3-D) or 25 by chance"
    ),
    Column("slide_mm", "Slide", "mm", "How far the answer moves when blocks count only across the surfaces they show"),
    Column("verdict", "Verdict", "", "sure, or doubtful where wrong answers can look like this", str),
    Column("tolerance_mm", "Tolerance", "mm", "Distance within which a pair agrees"),
    Column("residual_rms_mm", "Residual, RMS", "mm", "RMS of |T(f) - m| over the inliers"),
    Column("residual_median_mm", "Residual, median", "mm", "Median of |T(f) - m| over all pairs"),
    *(column for column in LINEAR if column.key != "fle_mm"),
    Column("shift_mm", "Shift", "mm", "How far the centre of the fixed image moves"),
    Column("overlap", "Overlap", "", "Part of the fixed voxels that map into the moving image"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class RegisteredFeatures(NamedTuple):
    transform: Transform
    image: Image
    table: Measurements
    matches: Measurements


@dataclass(frozen=True)
class RegisterFeatures(Operation):
    """Align two images by places that look alike, with a fit that many wrong pairs do not disturb.

    In 3-D blocks of 5 x 5 x 5 voxels of the fixed image that vary most are looked for in the moving one by normalised
    correlation, coarse to fine, each round after the transform of the one before (Ourselin et al. 2001). Where few
    are found at first, turns of 30 degrees about each axis are tried. A coarse start for `register`.

    In 2-D keypoints with descriptors that turn and scale with the image (SIFT, Lowe 2004) are matched: any turn, any
    shift.

    The transform is that with which most pairs agree (random samples, then least squares over the pairs that agree,
    Fischler and Bolles 1981). Where too few agree it is refused; where wrong answers can
    look as good, the verdict is doubtful. The transform maps points of the fixed to the moving
    image in LPS millimetres.

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
        Matches, inliers, residuals, the transform in numbers.
    matches
        One row per pair.

    Parameters
    ----------
    model
        Kind of transform.
    start
        Where blocks are first looked for: moments brings the centres of brightness together, geometry the middles of
        the images, none takes things as they are. Keypoints need none.
    contrast
        Of blocks: same for images of one kind, other where dark may be bright.
    finest_mm
        Of blocks: resolution of the last level.
    search_mm
        Of blocks: how far from the start they are looked for at first, up to eight voxels of the first level.
    ratio
        Of keypoints: how much nearer the best partner must be than the second best.
    tolerance_mm
        Distance within which a pair agrees; 0 is 1.5 voxels of the last level or 3 pixels.
    seed
        Seed of the random samples.
    interpolation
        How the moving image is resampled.
    """

    name: ClassVar[str] = "register_features"
    title: ClassVar[str] = "Register by features"
    group: ClassVar[str] = "Align"
    memory_factor: ClassVar[float] = 6.0
    revision: ClassVar[int] = 2
    keeps: ClassVar = {"image": "moving"}
    presets: ClassVar = {
        "Rigid": {},
        "Affine": {"model": "affine"},
        "Other contrast": {"contrast": "other"},
    }

    model: Annotated[str, Choice("rigid", "similarity", "affine")] = "rigid"
    start: Annotated[str, Choice("moments", "geometry", "none")] = "moments"
    contrast: Annotated[str, Choice("same", "other")] = "same"
    finest_mm: Annotated[float, Quantity("mm", low=0.2, high=8.0)] = 4.0
    search_mm: Annotated[float, Quantity("mm", low=1.0, high=200.0)] = 40.0
    ratio: Annotated[float, Quantity("", low=0.1, high=1.0)] = 0.8
    tolerance_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 0.0
    seed: Annotated[int, Quantity("", low=1, high=2**31 - 1)] = 1
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"

    def run(
        self,
        fixed: Image,
        moving: Image,
        fixed_mask: Mask | None = None,
        moving_mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> RegisteredFeatures:
        progress.report(0.0, "Features")
        d = fixed.GetDimension()
        if d != moving.GetDimension():
            raise InputError("One image is 2-D and the other 3-D; registration needs both of one dimension.")
        ours, theirs = _prepared(fixed, "fixed"), _prepared(moving, "moving")
        masks = (fixed_mask, moving_mask)
        fits = self._fit(d, progress)
        if d == 2:
            pairs = keypoint_pairs(ours, theirs, masks, self.ratio, progress.part(0.0, 0.8))
        else:
            pairs = block_pairs(
                ours,
                theirs,
                masks,
                self._centres(ours, theirs, masks),
                levels_mm(ours, self.finest_mm),
                self.search_mm,
                self.contrast == "same",
                fits,
                progress.part(0.0, 0.8),
            )
        fit = fits(pairs, True)
        grid = Grid.of(fixed)
        transform = linear_transform(fit.matrix, fit.offset, self.model, grid.corners.mean(axis=0))
        progress.report(0.85, "Resampling")
        image = resample(moving, grid, transform, self.interpolation, progress=progress.part(0.85, 0.95))
        table = Measurements(COLUMNS, (self._row(fixed, moving, transform, pairs, fit, progress),))
        progress.report(1.0)
        return RegisteredFeatures(transform, image, table, _rows(pairs, fit))

    def _centres(
        self, fixed: sitk.Image, moving: sitk.Image, masks: tuple[sitk.Image | None, sitk.Image | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """A point of the fixed image and where it begins in the moving one."""
        if self.start == "moments":
            return centre_of_mass(fixed, masks[0]), centre_of_mass(moving, masks[1])
        middles = Grid.of(fixed).corners.mean(axis=0), Grid.of(moving).corners.mean(axis=0)
        if self.start == "geometry":
            return middles
        if not Grid.of(fixed).overlaps(Grid.of(moving)):
            raise InputError("The images do not overlap where they are; choose another start.", role="moving")
        return middles[0], middles[0]

    def _fit(self, d: int, progress: Progress) -> Callable[[Pairs, bool], RobustFit]:
        """Fits pairs; when asked to be strict, refuses those of which too few agree."""

        def fit(pairs: Pairs, strict: bool) -> RobustFit:
            n = len(pairs.fixed)
            least = max(LEAST_INLIERS[d], math.ceil(FEW_PERCENT / 100 * pairs.looked) if d == 3 else 0)
            tolerance = self._tolerance(pairs)
            found = robust_fit(pairs.fixed, pairs.moving, self.model, tolerance, self.seed, progress)
            agree = 0 if found is None else int(found.inliers.sum())
            if strict and agree < least:
                raise InputError(
                    f"Only {agree} of {pairs.looked} pairs of {d}-D features agree with one {self.model} transform, "
                    f"{least} are needed: the images could not be aligned this way. {ADVICE}",
                    role="moving",
                )
            if strict and found is not None:
                close = float((found.residuals[found.inliers] <= tolerance / 2).mean())
                if close < CLOSE[d]:
                    raise InputError(
                        f"The pairs of {d}-D features that agree may do so by chance: only {close:.0%} of them lie "
                        f"within half of the tolerance of {tolerance:.3g} mm. {ADVICE}",
                        role="moving",
                    )
            return found or RobustFit(np.eye(d), np.zeros(d), np.zeros(n, bool), np.full(n, np.inf))

        return fit

    def _tolerance(self, pairs: Pairs) -> float:
        return self.tolerance_mm or pairs.tolerance_mm

    def _row(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        transform: sitk.Transform,
        pairs: Pairs,
        fit: RobustFit,
        progress: Progress,
    ) -> dict[str, Any]:
        n, agree = len(fit.inliers), int(fit.inliers.sum())
        found = Findings(
            model=self.model,
            method="keypoints" if fixed.GetDimension() == 2 else "blocks",
            n_matches=n,
            n_inliers=agree,
        )
        found.put("inlier_percent", 100 * agree / n)
        tolerance = self._tolerance(pairs)
        agreeing = 100 * agree / max(pairs.looked, 1)
        close = float((fit.residuals[fit.inliers] <= tolerance / 2).mean())
        found.put("agreeing_percent", agreeing)
        found.put("close_percent", 100 * close)
        slide = math.nan
        if pairs.tensors is not None:
            slide = slide_mm(pairs.fixed, pairs.moving, pairs.tensors, fit, self.model)
        found.put("slide_mm", slide, "keypoints")
        slides = slide > LARGEST_SLIDE * tolerance
        few = fixed.GetDimension() == 3 and not (agreeing >= SURE_PERCENT and close >= SURE_CLOSE)
        found.values["verdict"] = "doubtful" if slides or few else "sure"
        if slides:
            progress.warn(
                f"The answer is doubtful: it slides by {slide:.2g} mm when blocks count only across the surfaces that "
                "they show, as with smooth, nearly round bodies; look at the result, or use register."
            )
        elif few:
            progress.warn(
                f"The answer is doubtful: {agreeing:.0f} % of the blocks agree, {close:.0%} of these closely. It is so "
                "for tissue that deforms, and for wrong answers that bring outlines together; look at the result."
            )
        found.put("tolerance_mm", tolerance)
        found.put("residual_rms_mm", float(np.sqrt(np.square(fit.residuals[fit.inliers]).mean())))
        found.put("residual_median_mm", float(np.median(fit.residuals)))
        put_linear(found, transform)
        centre = Grid.of(fixed).corners.mean(axis=0)
        found.put("shift_mm", float(np.linalg.norm(np.array(transform.TransformPoint(centre.tolist())) - centre)))
        overlap = float(covered(Grid.of(moving), transform, Grid.of(fixed)).mean())
        found.put("overlap", overlap)
        if overlap < 0.2:
            progress.warn(
                f"Only {overlap:.0%} of the fixed image lies in the aligned moving image; look at the result."
            )
        row = found.row()
        return {key: value for key, value in row.items() if key != "warnings"}


def _prepared(image: sitk.Image, what: str) -> sitk.Image:
    """The image as float32; refuses what has no features, with the reason."""
    least = min(image.GetSize())
    if least < LEAST_VOXELS:
        raise InputError(
            f"The {what} image has {least} voxels along one axis; features need at least {LEAST_VOXELS}. A single "
            "slice must be given as a 2-D image.",
            role=what,
        )
    array = sitk.GetArrayViewFromImage(image)
    if array.min() == array.max():
        raise InputError(f"The {what} image is constant; there is nothing to align.", role=what)
    return sitk.Cast(image, sitk.sitkFloat32)


def _rows(pairs: Pairs, fit: RobustFit) -> Measurements:
    axes = dict(list(AXES.items())[: pairs.fixed.shape[1]])
    table = (
        Column("match", "Match", "", "Number of the pair", int),
        Column("score", "Score", "", "How alike both look: correlation of blocks or product of descriptors"),
        Column("residual_mm", "Residual", "mm", "|T(f) - m|"),
        Column("inlier", "Inlier", "", "1 where the pair agrees with the transform, else 0", int),
        *(
            Column(f"fixed_{a}_mm", f"Fixed {a.upper()}", "mm", f"Place in the fixed image, {t}", position=a.upper())
            for a, t in axes.items()
        ),
        *(
            Column(f"moving_{a}_mm", f"Moving {a.upper()}", "mm", f"Place in the moving image, {t}")
            for a, t in axes.items()
        ),
    )
    rows = []
    for number in range(len(fit.inliers)):
        row: dict[str, Any] = {"match": number + 1, "score": float(pairs.scores[number])}
        row |= {"residual_mm": float(fit.residuals[number]), "inlier": int(fit.inliers[number])}
        for axis, key in enumerate(axes):
            row[f"fixed_{key}_mm"] = float(pairs.fixed[number, axis])
            row[f"moving_{key}_mm"] = float(pairs.moving[number, axis])
        rows.append(row)
    return Measurements(table, tuple(rows))

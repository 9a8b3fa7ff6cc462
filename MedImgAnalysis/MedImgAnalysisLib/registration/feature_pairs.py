"""Pairs of points that look alike in two images: keypoints in 2-D, blocks in 3-D."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.blocks import chosen_blocks, found_again
from ..kernels.keypoints import Keypoints, keypoints, matches
from ..progress import Progress, Quiet
from ..resampling import resample
from .definition import covered
from .point_fit import linear_transform
from .robust_fit import RobustFit
from .sliding import block_tensors

LARGEST_PIXELS = 1024
"""Pixels along an axis in which keypoints are looked for; larger images are made smaller."""
MARGIN_PIXELS = 4.0
"""Keypoints nearer to where the image or the mask ends are left out."""
BLOCK, BLOCK_STEP, MOST_BLOCKS = 5, 3, 1200
LEVEL_VOXELS = 12
"""Voxels along the shortest axis at the coarsest level."""
COARSEST_MM = 8.0
FIRST_REACH, LATER_REACH, LARGEST_REACH = 5, 3, 8
TURN_DEG, SURE = 30.0, 0.5
"""Turns that are tried at the coarsest level where less than this part of the pairs agrees without one."""
FEW_BLOCKS, HOPELESS = 400, 8
TOLERANCE_VOXELS = 1.5
FINALISTS, FINAL_ROUNDS = 3, 2
ROUNDS = 8
"""Times that blocks are matched at a level, at the most."""
SETTLED_VOXELS = 0.1


class Pairs(NamedTuple):
    """N pairs of places that look alike.

    Attributes
    ----------
    fixed, moving
        (N, d) LPS millimetres.
    scores
        (N,) how alike both look, 0 to 1.
    tolerance_mm
        Distance in which pairs must agree.
    looked
        Places of the fixed image that were looked for where the moving image is.
    tensors
        (N, d, d) directions in which the blocks vary, LPS; None for keypoints, which are certain in all of them.
    """

    fixed: np.ndarray
    moving: np.ndarray
    scores: np.ndarray
    tolerance_mm: float
    looked: int
    tensors: np.ndarray | None = None


def keypoint_pairs(
    fixed: sitk.Image,
    moving: sitk.Image,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    ratio: float,
    progress: Progress,
) -> Pairs:
    """Keypoints of two 2-D images that match; both are seen with the same pixels, along the axes of space."""
    pixel = max(min(image.GetSpacing()) for image in (fixed, moving))
    widest = max(float(np.ptp(Grid.of(image).corners, axis=0).max()) for image in (fixed, moving))
    pixel = max(pixel, widest / LARGEST_PIXELS)
    places, descriptors = [], []
    for number, (image, mask) in enumerate(zip((fixed, moving), masks, strict=True)):
        share = progress.part(number / 2, (number + 1) / 2)
        found, grid = _keypoints(image, mask, pixel, share)
        places.append(grid.to_physical(found.places[:, ::-1]))
        descriptors.append(found.descriptors)
    pairs = matches(descriptors[0], descriptors[1], ratio)
    alike = (descriptors[0][pairs[:, 0]] * descriptors[1][pairs[:, 1]]).sum(axis=1)
    return Pairs(places[0][pairs[:, 0]], places[1][pairs[:, 1]], alike, 3 * pixel, len(pairs))


def _keypoints(image: sitk.Image, mask: sitk.Image | None, pixel: float, progress: Progress) -> tuple[Keypoints, Grid]:
    from scipy.ndimage import distance_transform_edt

    own = Grid.of(image)
    low, high = own.corners.min(axis=0), own.corners.max(axis=0)
    size = tuple(int(n) for n in np.maximum(np.ceil((high - low) / pixel).astype(int) + 1, 1))
    grid = Grid(size, (pixel, pixel), tuple(low.tolist()), (1.0, 0.0, 0.0, 1.0))
    array = sitk.GetArrayFromImage(resample(image, grid, anti_alias=True, progress=Quiet(progress)))
    inside = covered(own, sitk.Transform(2, sitk.sitkIdentity), grid)
    if mask is not None:
        inside &= sitk.GetArrayFromImage(resample(mask, grid, interpolation="nearest", outside=0)) != 0
    if not inside.any():
        return keypoints(np.zeros((1, 1))), grid
    low_value, high_value = np.percentile(array[inside], (1, 99))
    if high_value <= low_value:
        low_value, high_value = array[inside].min(), max(array[inside].max(), array[inside].min() + 1e-12)
    found = keypoints(np.clip((array - low_value) / (high_value - low_value), -0.5, 1.5), progress=progress)
    far = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    at = np.clip(np.rint(found.places).astype(int), 0, np.array(inside.shape) - 1)
    kept = far[tuple(at.T)] > MARGIN_PIXELS
    return Keypoints(*(part[kept] for part in found)), grid


def levels_mm(fixed: sitk.Image, finest_mm: float) -> list[float]:
    """Voxel sides at which blocks are matched, coarsest first."""
    shortest = min(n * s for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True))
    coarsest = min(max(COARSEST_MM, min(fixed.GetSpacing())), shortest / LEVEL_VOXELS)
    found = [coarsest]
    while found[-1] / 2 >= max(finest_mm, min(fixed.GetSpacing())) * 0.99:
        found.append(found[-1] / 2)
    return found


def block_pairs(
    fixed: sitk.Image,
    moving: sitk.Image,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    centres: tuple[np.ndarray, np.ndarray],
    levels: list[float],
    search_mm: float,
    signed: bool,
    fit: Callable[[Pairs, bool], RobustFit],
    progress: Progress,
) -> Pairs:
    """Blocks of two 3-D images that match, coarse to fine, each round after the transform of the one before.

    Parameters
    ----------
    centres
        A point of the fixed image and where it begins in the moving one; turns are tried about it.
    fit
        Gives the transform of pairs; with True it raises where the answer may be chance.

    The pairs of the last round at the finest level are given back.
    """
    pose, pairs = _turned(np.eye(3), centres), None
    for number, spacing in enumerate(levels):
        share = progress.part(number / len(levels), (number + 1) / len(levels))
        level = _Level.of(fixed, moving, masks, spacing, share)
        reach = LATER_REACH
        if number == 0:
            reach = int(np.clip(np.ceil(search_mm / spacing), FIRST_REACH, LARGEST_REACH))
            pose = _best_turn(level, centres, reach, signed, fit, share.part(0.0, 0.5))
            share = share.part(0.5, 1.0)
        for turn in range(ROUNDS):
            pairs = level.pairs(pose, reach, signed, share.part(turn / ROUNDS, (turn + 1) / ROUNDS))
            if len(pairs.fixed) < HOPELESS:
                fit(pairs, True)
            before, pose = pose, fit(pairs, False)
            moved = np.linalg.norm(
                level.grid.corners @ (pose.matrix - before.matrix).T + pose.offset - before.offset, axis=1
            ).max()
            if moved < SETTLED_VOXELS * spacing:
                break
            reach = max(LATER_REACH, reach - 1)
    assert pairs is not None
    return pairs


def _turned(rotation: np.ndarray, centres: tuple[np.ndarray, np.ndarray]) -> RobustFit:
    return RobustFit(rotation, centres[1] - rotation @ centres[0], np.empty(0, bool), np.empty(0))


def _best_turn(
    level: _Level,
    centres: tuple[np.ndarray, np.ndarray],
    reach: int,
    signed: bool,
    fit: Callable[[Pairs, bool], RobustFit],
    progress: Progress,
) -> RobustFit:
    """The fit with most pairs from where things are, and unless these are most of all, from turns about each axis."""
    turns = [np.eye(3)]
    for axis in np.eye(3):
        for sign in (1, -1):
            versor = sitk.VersorRigid3DTransform()
            versor.SetRotation(axis.tolist(), sign * np.deg2rad(TURN_DEG))
            turns.append(np.reshape(versor.GetMatrix(), (3, 3)))

    def better(pose: RobustFit, share: Progress) -> RobustFit:
        return fit(level.pairs(pose, reach, signed, share), False)

    found = []
    for number, turn in enumerate(turns):
        share = progress.part(0.5 * number / len(turns), 0.5 * (number + 1) / len(turns))
        found.append(better(_turned(turn, centres), share))
        if found[-1].inliers.sum() > SURE * len(level.places):
            return found[-1]
    found = sorted(found, key=lambda one: -int(one.inliers.sum()))[:FINALISTS]
    jobs = [number for number in range(len(found)) for _ in range(FINAL_ROUNDS)]
    for job, number in enumerate(jobs):
        share = progress.part(0.5 + 0.5 * job / len(jobs), 0.5 + 0.5 * (job + 1) / len(jobs))
        found[number] = better(found[number], share)
    return max(found, key=lambda one: int(one.inliers.sum()))


class _Level(NamedTuple):
    """Both images at one resolution, and the blocks of the fixed one."""

    fixed: np.ndarray
    grid: Grid
    moving: sitk.Image
    open: sitk.Image | None
    places: np.ndarray
    spacing: float

    @classmethod
    def of(
        cls,
        fixed: sitk.Image,
        moving: sitk.Image,
        masks: tuple[sitk.Image | None, sitk.Image | None],
        spacing: float,
        progress: Progress,
    ) -> _Level:
        ours, known, grid = _sampled(fixed, masks[0], spacing, progress)
        theirs, free, other = _sampled(moving, masks[1], spacing, progress)
        for step in range(BLOCK_STEP, 0, -1):
            places = chosen_blocks(ours, known, BLOCK, step, MOST_BLOCKS)
            if len(places) >= FEW_BLOCKS:
                break
        if not len(places):
            raise InputError(
                "The fixed image has no structure in 3-D to look for; widen the mask, or lower finest_mm.", role="fixed"
            )
        mask = None if free.all() else _image(free.astype(np.uint8), other)
        return cls(ours, grid, _image(theirs, other), mask, places, spacing)

    def pairs(self, pose: RobustFit, reach: int, signed: bool, progress: Progress) -> Pairs:
        """Blocks that are found again around where `pose` puts them."""
        transform = linear_transform(pose.matrix, pose.offset, "affine", np.zeros(3))
        quiet = Quiet(progress)
        seen = sitk.GetArrayFromImage(resample(self.moving, self.grid, transform, outside=0.0, progress=quiet))
        known = covered(Grid.of(self.moving), transform, self.grid)
        if self.open is not None:
            cut = resample(self.open, self.grid, transform, "nearest", outside=0, progress=quiet)
            known &= sitk.GetArrayFromImage(cut) != 0
        blocks = found_again(self.fixed, seen, known, self.places, BLOCK, reach, signed=signed, progress=progress)
        there = self.grid.to_physical((blocks.places + blocks.shifts)[:, ::-1])
        return Pairs(
            self.grid.to_physical(blocks.places[:, ::-1].astype(float)),
            there @ pose.matrix.T + pose.offset,
            blocks.scores,
            TOLERANCE_VOXELS * self.spacing,
            max(int(known[tuple(self.places.T)].sum()), len(blocks.places)),
            block_tensors(self.fixed, blocks.places, BLOCK, np.reshape(self.grid.direction, (3, 3))),
        )


def _image(array: np.ndarray, grid: Grid) -> sitk.Image:
    return grid.put_on(sitk.GetImageFromArray(array))


def _sampled(
    image: sitk.Image, mask: sitk.Image | None, spacing: float, progress: Progress
) -> tuple[np.ndarray, np.ndarray, Grid]:
    """The image and its mask with cubic voxels of `spacing` millimetres in the same box, float32 and boolean."""
    own = Grid.of(image)
    sides = np.array(own.size) * own.spacing
    size = np.maximum(np.floor(sides / spacing + 1e-6).astype(int), 1)
    first = own.to_physical(np.array([-0.5 + ((sides - (size - 1) * spacing) / 2) / own.spacing]))[0]
    grid = Grid(tuple(int(n) for n in size), (spacing,) * 3, tuple(first.tolist()), own.direction)
    array = sitk.GetArrayFromImage(resample(image, grid, anti_alias=True, progress=Quiet(progress)))
    known = np.ones(array.shape, bool)
    if mask is not None:
        known = sitk.GetArrayFromImage(resample(mask, grid, interpolation="nearest", outside=0)) != 0
    return array.astype(np.float32), known, grid

"""A start from which the optimiser converges although the images are far apart.

Normalised mutual information of some thousand fixed points at low resolution, evaluated for a grid
of rotations about the centre of mass; the best few that differ are refined, and the winner is chosen
by the same score. One evaluation takes about a millisecond.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from .metrics import find
from .optimise import Settings, optimise_level
from .pyramid import START_LEVEL, shrunk, small_mask
from .rigid import angle_between_deg, rotation_grid
from .starts import Hints, Pose, by_landmarks, by_transform, centre, centre_of_mass
from .units import Masks, in_units, unit_of

POINTS = 12_000
BINS = 24
LARGEST_DEG, STEP_DEG = 40.0, 20.0
KEPT = 4
SEARCHING = "Searching a start"
ENOUGH_OVERLAP = 0.5
"""Part of the smaller image that should meet the other one."""
FAR_DEG, FAR_VOXELS = 15.0, 2.0
"""Poses that differ by more are different ones."""
TIED = 0.9
"""Part of the best score (above that of no relation) from which another pose counts as equally good."""


class Score:
    """Normalised mutual information (Studholme 1999) of fixed points and the moving image under a pose."""

    def __init__(self, fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image | None, seed: int) -> None:
        from scipy.ndimage import map_coordinates

        self._sample = map_coordinates
        array = sitk.GetArrayViewFromImage(fixed)
        inside = np.ones(array.shape, bool) if mask is None else sitk.GetArrayViewFromImage(mask) != 0
        index = np.argwhere(inside)
        if len(index) > POINTS:
            chosen = np.random.default_rng(seed).choice(len(index), POINTS, replace=False)
            index = index[np.sort(chosen)]
        self._points = Grid.of(fixed).to_physical(index[:, ::-1])
        self._fixed = np.rint(binned(array)[tuple(index.T)]).astype(np.int64) * BINS
        self._moving = binned(sitk.GetArrayViewFromImage(moving))
        grid = Grid.of(moving)
        self._to_index = np.linalg.inv(grid.axes)
        self._origin = np.asarray(grid.origin)
        self._last = np.asarray(grid.size) - 1.0
        volumes = [np.prod(g.size) * g.voxel_volume_mm3 for g in (grid, Grid.of(fixed))]
        self._enough = ENOUGH_OVERLAP * min(1.0, volumes[0] / volumes[1])

    def __call__(self, matrix: np.ndarray, offset: np.ndarray) -> float:
        """Score of y = matrix x + offset; larger is better, 1 is none, 2 is identical.

        Of the points that meet the moving image alone: beyond it there may be more of the body. Where few do, the score
        falls, or a corner of air on a corner of air would win.
        """
        index = self._points @ (self._to_index @ matrix).T + self._to_index @ (offset - self._origin)
        met = np.all((index >= -0.5) & (index <= self._last + 0.5), axis=1)
        if not met.any():
            return 1.0
        values = self._sample(self._moving, index[met][:, ::-1].T, order=1, mode="nearest", output=np.float32)
        pairs = self._fixed[met] + np.rint(values).astype(np.int64)
        p = np.bincount(pairs, minlength=BINS * BINS).reshape(BINS, BINS) / len(pairs)
        alike = (_entropy(p.sum(axis=1)) + _entropy(p.sum(axis=0))) / max(_entropy(p), 1e-12)
        return 1 + (alike - 1) * min(1.0, float(met.mean()) / self._enough)


class Found(NamedTuple):
    """The best pose, and another one that is about as good although it is far from it."""

    best: Pose
    rival: Pose | None


def best_start(
    images: tuple[sitk.Image, sitk.Image],
    masks: Masks,
    hints: Hints,
    model: str,
    scale: float,
    settings: Settings,
    progress: Progress,
) -> Found:
    """The pose from which to go on at finer levels.

    Parameters
    ----------
    images, masks
        Fixed and moving, at any resolution finer than that of the search.
    hints
        Poses to try besides those of the search.
    model
        What is refined at low resolution; a translation is searched without rotations.
    scale
        Of the levels, see `pyramid.scale_of`.
    """
    level = START_LEVEL._replace(spacing_mm=START_LEVEL.spacing_mm * scale)
    fixed, moving = (shrunk(image, level.spacing_mm, progress.part(0.0, 0.0)) for image in images)
    small = small_mask(masks[0], fixed), small_mask(masks[1], moving)
    score = Score(fixed, moving, small[0], settings.seed)
    poses = _candidates((fixed, moving), small, hints, model, progress)

    def rate(pose: Pose) -> float:
        return score(pose.matrix, pose.offset)

    rated = for_each(rate, poses, progress=progress.part(0.0, 0.5), message=SEARCHING)
    middle = centre(fixed)
    # What the user gave, and the images as they are, are refined whatever their score.
    chosen = [pose for pose in poses if pose.name != "searched"]
    least = len(chosen)
    for number in np.argsort(rated)[::-1]:
        if all(_far(poses[number], other, middle, level.spacing_mm, 0.9 * STEP_DEG) for other in chosen):
            chosen.append(poses[number])
        if len(chosen) == least + KEPT:
            break

    with in_units(sitk.Image(fixed), sitk.Image(moving), small, unit_of(fixed)) as scaled:

        def refine(pose: Pose, share: Progress) -> tuple[float, Pose]:
            own = replace(settings, metric=find("mutual_information"), trace=[])
            try:
                better = optimise_level(scaled, pose, model, level, own, share, SEARCHING).pose
            except InputError:
                return rate(pose), pose
            return max((rate(better), better), (rate(pose), pose), key=lambda pair: pair[0])

        # Not in threads: runs of L-BFGS-B have to wait for each other.
        found = [
            refine(pose, progress.part(0.5 + 0.5 * n / len(chosen), 0.5 + 0.5 * (n + 1) / len(chosen)))
            for n, pose in enumerate(chosen)
        ]
    return _winner(found, middle, level.spacing_mm)


def _candidates(
    images: tuple[sitk.Image, sitk.Image], masks: Masks, hints: Hints, model: str, progress: Progress
) -> list[Pose]:
    """Rotations about the centres of mass and the middles, the images as they are, and what the user gave."""
    fixed, moving = images
    d = fixed.GetDimension()
    rotations = [np.eye(d)] if model == "translation" else rotation_grid(d, LARGEST_DEG, STEP_DEG)
    ends = [(centre_of_mass(fixed, masks[0]), centre_of_mass(moving, masks[1])), (centre(fixed), centre(moving))]
    poses = [Pose("none", np.eye(d), np.zeros(d))]
    for start, end in ends:
        poses += [Pose("searched", turn, end - turn @ start) for turn in rotations]
    if hints.has_landmarks:
        poses.append(by_landmarks(hints, d, progress))
    if hints.initial is not None:
        given = by_transform(hints, d)
        middle = centre(fixed)
        there = given.at(middle)
        poses.append(given)
        poses += [Pose("searched", turn @ given.matrix, there - turn @ given.matrix @ middle) for turn in rotations]
    return poses


def _far(a: Pose, b: Pose, middle: np.ndarray, spacing_mm: float, degrees: float) -> bool:
    """Whether two poses differ by more than an angle, or by some voxels in the middle of the fixed image."""
    apart = float(np.linalg.norm(a.at(middle) - b.at(middle)))
    return angle_between_deg(a.matrix, b.matrix) > degrees or apart > FAR_VOXELS * spacing_mm


def _winner(found: list[tuple[float, Pose]], middle: np.ndarray, spacing_mm: float) -> Found:
    ranked = sorted(found, key=lambda pair: -pair[0])
    top, best = ranked[0]
    for score, pose in ranked[1:]:
        if score - 1 < TIED * (top - 1):
            break
        if _far(pose, best, middle, spacing_mm, FAR_DEG):
            return Found(best, pose)
    return Found(best, None)


def binned(array: np.ndarray) -> np.ndarray:
    """Values from 0 to BINS - 1 between the 0.5th and 99.5th percentile, float32."""
    low, high = np.percentile(array, [0.5, 99.5])
    if high <= low:
        low, high = float(array.min()), float(array.max())
    made = array.astype(np.float32)
    made -= np.float32(low)
    made *= np.float32((BINS - 1) / max(high - low, 1e-12))
    return np.clip(made, 0, BINS - 1, out=made)


def _entropy(p: np.ndarray) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())

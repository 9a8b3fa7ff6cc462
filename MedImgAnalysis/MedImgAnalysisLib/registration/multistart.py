"""A start from which the optimiser converges although the images are far apart.

Normalised mutual information of some thousand fixed points at low resolution, evaluated for a grid
of rotations about the centre of mass; the best few that differ are refined, and the winner is chosen
by the same score. One evaluation takes about a millisecond.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk

from ..blockwise import thread_count
from ..geometry import Grid
from ..progress import Progress
from .optimise import Settings, optimise_level
from .pyramid import Level, centre_of_mass, shrunk
from .rigid import Rigid, angle_between_deg, matrix_of, rigid, rotation_grid

SPACING_MM = 8.0
POINTS = 12_000
BINS = 24
LARGEST_DEG, STEP_DEG = 40.0, 20.0
KEPT = 4


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
        self._fixed = np.rint(_binned(array)[tuple(index.T)]).astype(np.int64) * BINS
        self._moving = _binned(sitk.GetArrayViewFromImage(moving))
        grid = Grid.of(moving)
        self._to_index = np.linalg.inv(grid.axes)
        self._origin = np.asarray(grid.origin)

    def __call__(self, rotation: np.ndarray, offset: np.ndarray) -> float:
        """Score of y = rotation x + offset; larger is better, 1 is none, 2 is identical."""
        index = self._points @ (self._to_index @ rotation).T + self._to_index @ (offset - self._origin)
        values = self._sample(self._moving, index[:, ::-1].T, order=1, mode="constant", cval=0.0, output=np.float32)
        joint = np.bincount(self._fixed + np.rint(values).astype(np.int64), minlength=BINS * BINS).reshape(BINS, BINS)
        p = joint / joint.sum()
        return (_entropy(p.sum(axis=1)) + _entropy(p.sum(axis=0))) / max(_entropy(p), 1e-12)


def best_start(
    fixed: sitk.Image,
    moving: sitk.Image,
    masks: tuple[sitk.Image | None, sitk.Image | None],
    settings: Settings,
    progress: Progress,
) -> Rigid:
    """The rigid transform (fixed to moving, LPS) from which to go on at finer levels."""
    small_fixed, small_moving = shrunk(fixed, SPACING_MM), shrunk(moving, SPACING_MM)
    small_masks = tuple(
        None if m is None else sitk.Resample(m, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        for m, image in zip(masks, (small_fixed, small_moving), strict=True)
    )
    score = Score(small_fixed, small_moving, usable(small_masks[0]), settings.seed)
    middle, target = centre_of_mass(fixed, masks[0]), centre_of_mass(moving, masks[1])
    rotations = rotation_grid(len(middle), LARGEST_DEG, STEP_DEG)

    def rate(rotation: np.ndarray) -> float:
        return 0.0 if progress.cancelled else score(rotation, target - rotation @ middle)

    with ThreadPoolExecutor(thread_count()) as pool:
        rated = list(pool.map(rate, rotations))
    progress.report(0.6, "Searching a start")
    chosen: list[np.ndarray] = []
    for number in np.argsort(rated)[::-1]:
        rotation = rotations[number]
        if all(angle_between_deg(rotation, other) > 0.9 * STEP_DEG for other in chosen):
            chosen.append(rotation)
        if len(chosen) == KEPT:
            break
    level = Level(SPACING_MM, None, 40, 0.05)
    found: list[tuple[float, Rigid]] = []
    for number, rotation in enumerate(chosen):
        transform = rigid(middle, rotation, target - middle)
        optimise_level(
            small_fixed,
            small_moving,
            transform,
            level,
            settings,
            progress.part(0.6 + 0.1 * number, 0.7 + 0.1 * number),
            step_mm=4.0,
            message="Searching a start",
        )
        found.append((score(*matrix_of(transform)), transform))
    return max(found, key=lambda pair: pair[0])[1]


def usable(mask: sitk.Image | None) -> sitk.Image | None:
    """The mask, or None when a thin one vanished at low resolution."""
    return mask if mask is not None and sitk.GetArrayViewFromImage(mask).any() else None


def _binned(array: np.ndarray) -> np.ndarray:
    """Values from 0 to BINS - 1 between the 0.5th and 99.5th percentile, float32."""
    low, high = np.percentile(array, [0.5, 99.5])
    if high <= low:
        low, high = float(array.min()), float(array.max())
    return np.clip((array - low) * ((BINS - 1) / max(high - low, 1e-12)), 0, BINS - 1).astype(np.float32)


def _entropy(p: np.ndarray) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())

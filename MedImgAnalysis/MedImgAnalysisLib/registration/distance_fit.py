"""Linear transforms that bring surfaces together: mean squares of clipped signed distances, from many starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import Progress
from .point_fit import degenerate, fit_points
from .rigid import angle_between_deg, rotation_grid
from .signed_distance import SignedDistance

COARSE_POINTS = 400
POINTS = 4000
"""Fixed points per segment for the search and for the fit."""
KEPT = 6
EQUAL_VOXELS = 0.25
"""Poses whose RMS differences are apart by less, in voxels of the search, are held for equally good."""
DISTINCT_DEG, APART_DEG = 25.0, 30.0
"""Rotations that are apart by less are one start, and poses apart by more are different answers."""
LEAST_KNOWN = 0.3
"""Part of the points that must lie in the moving image."""
CONVERGED = 1e-6


@dataclass(frozen=True, eq=False)
class Pose:
    """y = A (x - c) + c + t in LPS millimetres, and its mean squared difference of distances."""

    matrix: np.ndarray
    shift: np.ndarray
    centre: np.ndarray
    score: float = np.inf
    iterations: int = 0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return (points - self.centre) @ self.matrix.T + self.centre + self.shift

    @property
    def offset(self) -> np.ndarray:
        """b of A x + b."""
        return self.centre + self.shift - self.matrix @ self.centre


class Match:
    """Points near the fixed surfaces with their distances, against the distance maps of the moving segments.

    Parameters
    ----------
    fixed, moving
        Maps of the same segments, in the same order.
    clip_mm
        Distances beyond count as this; points are taken within it.
    """

    def __init__(
        self,
        fixed: Sequence[SignedDistance],
        moving: Sequence[SignedDistance],
        clip_mm: float,
        count: int,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        self._clip = clip_mm
        self._parts = []
        for own, other in zip(fixed, moving, strict=True):
            points = own.near_surface(clip_mm, count, rng)
            self._parts.append((points, np.clip(own.at(points), -clip_mm, clip_mm), other))

    def score(self, pose: Pose, everywhere: bool = False) -> float:
        """Mean over segments of the mean squared difference where the moving image is, mm2.

        Poses that take most points beyond it are infinitely bad. With `everywhere` the distances at its border go on
        beyond it, so that poses can be compared of which one has more points there.
        """
        scores: list[float] = []
        for points, own, other in self._parts:
            there = pose(points)
            squares = np.square(np.clip(other.at(there), -self._clip, self._clip) - own)
            known = other.known(there)
            if not everywhere:
                squares = squares[known] if known.mean() > LEAST_KNOWN else np.array([np.inf])
            scores.append(float(squares.mean()))
        return float(np.mean(scores))

    def known(self, pose: Pose) -> float:
        """Part of the points that lie in the moving image, the mean over segments."""
        return float(np.mean([other.known(pose(points)).mean() for points, _, other in self._parts]))

    def equations(self, pose: Pose, model: str, radius: float) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations (p, p) and (p,) of one Gauss-Newton step; angles and stretches times `radius`."""
        left: np.ndarray | float = 0.0
        right: np.ndarray | float = 0.0
        for points, own, other in self._parts:
            there = pose(points)
            value = other.at(there)
            rest = np.clip(value, -self._clip, self._clip) - own
            counts = (np.abs(value) < self._clip) & other.known(there)
            slope = np.where(counts[:, None], other.slope(there), 0.0)
            jacobian = _jacobian(slope, (there - pose.centre - pose.shift) / radius, model)
            left = left + jacobian.T @ jacobian / len(points)
            right = right + jacobian.T @ rest / len(points)
        return np.asarray(left), np.asarray(right)


def _jacobian(slope: np.ndarray, arm: np.ndarray, model: str) -> np.ndarray:
    """Derivatives (N, p) by shift, then turn, scale or matrix, applied after the pose."""
    d = slope.shape[1]
    if model == "affine":
        return np.concatenate([slope, (slope[:, :, None] * arm[:, None, :]).reshape(-1, d * d)], axis=1)
    if d == 3:
        turns = np.cross(arm, slope)
    else:
        turns = (arm[:, :1] * slope[:, 1:] - arm[:, 1:] * slope[:, :1]).reshape(-1, 1)
    scale = [(slope * arm).sum(axis=1, keepdims=True)] if model == "similarity" else []
    return np.concatenate([slope, turns, *scale], axis=1)


def _moved(pose: Pose, step: np.ndarray, model: str, radius: float) -> Pose:
    d = len(pose.centre)
    rest = step[d:] / radius
    if model == "affine":
        factor = np.eye(d) + rest.reshape(d, d)
    else:
        factor = _turn(rest[: 3 if d == 3 else 1])
        if model == "similarity":
            factor = factor * np.exp(np.clip(rest[-1], -0.5, 0.5))
    return Pose(factor @ pose.matrix, pose.shift + step[:d], pose.centre)


def _turn(angles: np.ndarray) -> np.ndarray:
    """Rotation by a vector (3-D, Rodrigues) or an angle (2-D), radians."""
    if len(angles) == 1:
        c, s = np.cos(angles[0]), np.sin(angles[0])
        return np.array([[c, -s], [s, c]])
    angle = float(np.linalg.norm(angles))
    x, y, z = angles
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-12:
        return np.eye(3)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross)


def refined(pose: Pose, match: Match, model: str, radius: float, iterations: int, progress: Progress) -> Pose:
    """The pose of least mean squares near `pose`, by Levenberg and Marquardt."""
    best = Pose(pose.matrix, pose.shift, pose.centre, match.score(pose))
    damping, done = 1e-3, 0
    while done < iterations:
        progress.check()
        done += 1
        left, right = match.equations(best, model, radius)
        gained = False
        for _ in range(8):
            scaled = left + damping * np.diag(np.diag(left) + 1e-9)
            moved = _moved(best, -np.linalg.solve(scaled, right), model, radius)
            score = match.score(moved)
            if score < best.score:
                gained = best.score - score > CONVERGED * best.score
                best = Pose(moved.matrix, moved.shift, moved.centre, score)
                damping = max(damping / 5, 1e-9)
                break
            damping *= 5
        if not gained:
            break
    return Pose(best.matrix, best.shift, best.centre, best.score, pose.iterations + done)


def starts(fixed: Sequence[SignedDistance], moving: Sequence[SignedDistance]) -> list[Pose]:
    """Poses to begin with: where things are, and rotations about the centroids, by a grid and by principal axes."""
    ours, theirs = (np.array([one.centroid for one in side]) for side in (fixed, moving))
    centre, target = ours.mean(axis=0), theirs.mean(axis=0)
    d = len(centre)
    rotations = rotation_grid(2, 180.0, 15.0) if d == 2 else rotation_grid(3, 40.0, 20.0)
    rotations = [np.eye(d), *rotations, *_principal(fixed, moving, centre, target)]
    if not degenerate(ours, "rigid") and not degenerate(theirs, "rigid"):
        rotations.append(fit_points(ours, theirs, "rigid")[0])
    return [Pose(np.eye(d), np.zeros(d), centre), *(Pose(r, target - centre, centre) for r in rotations)]


def _principal(
    fixed: Sequence[SignedDistance], moving: Sequence[SignedDistance], centre: np.ndarray, target: np.ndarray
) -> list[np.ndarray]:
    """Rotations that take the principal axes of the fixed surfaces to the moving ones, without reflections."""
    frames = []
    for side, middle in ((fixed, centre), (moving, target)):
        rng = np.random.default_rng(0)
        points = np.concatenate([one.near_surface(0.0, POINTS, rng) for one in side]) - middle
        frames.append(np.linalg.eigh(points.T @ points)[1])
    d = len(centre)
    signs = np.array(np.meshgrid(*[[1, -1]] * d)).reshape(d, -1).T
    rotations = [frames[1] @ np.diag(sign) @ frames[0].T for sign in signs]
    return [rotation for rotation in rotations if np.linalg.det(rotation) > 0]


def best_pose(
    poses: Sequence[Pose], match: Match, radius: float, voxel_mm: float, progress: Progress
) -> tuple[Pose, bool]:
    """The rigid pose from which to go on, and whether a quite different one is as good."""
    rated = []
    for number, pose in enumerate(poses):
        if number % 8 == 0:
            progress.report(0.5 * number / len(poses), "Searching a start")
        rated.append(match.score(pose, everywhere=True))
    chosen: list[Pose] = []
    for number in np.argsort(rated, kind="stable"):
        pose = poses[number]
        if all(angle_between_deg(pose.matrix, other.matrix) > DISTINCT_DEG for other in chosen):
            chosen.append(pose)
        if len(chosen) == KEPT:
            break
    found = []
    for number, pose in enumerate(chosen):
        share = progress.part(0.5 + number / (2 * KEPT), 1.0)
        share.report(0.0, "Searching a start")
        found.append(refined(pose, match, "rigid", radius, 20, share))
    # A pose that takes points out of the moving image has fewer of them to be wrong at.
    known = [match.known(pose) for pose in found]
    found = [pose for pose, part in zip(found, known, strict=True) if part >= 0.8 * max(known)]
    best = min(found, key=lambda pose: pose.score)
    limit = best.score + (EQUAL_VOXELS * voxel_mm) ** 2
    others = [pose for pose in found if pose.score <= limit and angle_between_deg(best.matrix, pose.matrix) > APART_DEG]
    unit = np.eye(len(best.centre))
    return min([best, *others], key=lambda pose: angle_between_deg(unit, pose.matrix)), bool(others)

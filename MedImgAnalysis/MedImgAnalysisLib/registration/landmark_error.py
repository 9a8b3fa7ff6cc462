"""Target registration error: how far landmarks are from where a transform takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from ..values import Landmarks
from .definition import undefined_points

STEP_MM = 1e-3
CLOSE_MM = 1e-7
ACCEPTED_MM = 1e-4
NEWTON_STEPS = 50


@dataclass(frozen=True, eq=False)
class LandmarkErrors:
    """Errors of paired landmarks, row by row; lengths in LPS millimetres.

    Attributes
    ----------
    names
        Names of the fixed landmarks.
    before
        (N, d) f - m: the error vector without a registration, before it points from the moving to the fixed landmark.
    after
        (N, d) T(f) - m in the space of the moving image; NaN where T is not defined at f, and ITK would leave it in
        place.
    fixed_space
        (N, d) f - T^-1(m) in the space of the fixed image; NaN where T has no inverse or is not defined.
    """

    names: tuple[str, ...]
    fixed: np.ndarray
    moving: np.ndarray
    before: np.ndarray
    after: np.ndarray
    fixed_space: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Landmarks at which the transform is defined, boolean (N,)."""
        return np.isfinite(self.after).all(axis=1)


def landmark_errors(
    transform: sitk.Transform, fixed: Landmarks, moving: Landmarks, progress: Progress
) -> LandmarkErrors:
    """Target registration error of every landmark (Fitzpatrick and West 2001, IEEE TMI 20:917).

    `e_i = |T(f_i) - m_i|` with T from fixed to moving points, the direction of ITK and elastix. For transforms that
    scale, the error in the fixed space `|T^-1(m_i) - f_i|` is another number; both are told.

    Raises `InputError` when the landmarks do not pair up or the transform is 2-D.
    """
    if transform.GetDimension() != 3:
        raise InputError("Landmarks are 3-D and the transform is 2-D; they cannot be compared.", role="transform")
    f, m = paired(fixed, moving, progress)
    after = np.array([transform.TransformPoint(p) for p in f.tolist()]).reshape(-1, 3) - m
    back = np.full_like(f, math.nan)
    for row, (start, target) in enumerate(zip(f, m, strict=True)):
        progress.check()
        back[row] = inverse_point(transform, target, start)
    outside = undefined_points(transform, f)
    after[outside] = math.nan
    led_back = np.flatnonzero(np.isfinite(back).all(axis=1))
    back[led_back[undefined_points(transform, back[led_back])]] = math.nan
    back[outside] = math.nan
    if outside.any():
        names = [name for name, out in zip(fixed.names, outside) if out]
        progress.warn(
            f"The transform is not defined at {len(names)} of {len(f)} landmarks "
            f"({', '.join(names[:10])}{' ...' if len(names) > 10 else ''}); they were left out of the errors."
        )
    return LandmarkErrors(fixed.names, f, m, f - m, after, f - back)


def paired(
    fixed: Landmarks,
    moving: Landmarks,
    progress: Progress,
    roles: tuple[str, str] = ("fixed_landmarks", "moving_landmarks"),
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of equal names, row by row; by order where the two share no name (which is said in a warning).

    Where only some names are shared nobody can tell what belongs together: `InputError` lists the rest.
    """
    if not fixed.names or not moving.names:
        side = "moving" if fixed.names else "fixed"
        raise InputError(f"There are no {side} landmarks.", role=roles[side == "moving"])
    unique = all(len(set(names)) == len(names) for names in (fixed.names, moving.names))
    shared = set(fixed.names) & set(moving.names)
    alone = sorted(set(fixed.names) ^ set(moving.names))
    if unique and shared and alone:
        raise InputError(
            f"These landmarks have no partner of the same name: {', '.join(alone[:10])}"
            f"{' ...' if len(alone) > 10 else ''}; name or remove them.",
            role=roles[1],
        )
    points = fixed.paired_with(moving)
    if alone or not unique:
        progress.warn("The names of the landmarks do not tell which belong together; they were paired by their order.")
    return points


def inverse_point(transform: sitk.Transform, target: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The point that the transform takes to `target`, by Newton's method from `start`; NaN where there is none.

    Steps are halved while they lead away, so that fields that bend strongly converge as well.
    """
    point = np.array(start, float)
    gap = np.array(transform.TransformPoint(point.tolist())) - target
    for _ in range(NEWTON_STEPS):
        size = float(np.linalg.norm(gap))
        if size < CLOSE_MM:
            break
        axes = np.eye(len(point)) * STEP_MM
        ahead = np.array([transform.TransformPoint((point + axis).tolist()) for axis in axes])
        behind = np.array([transform.TransformPoint((point - axis).tolist()) for axis in axes])
        slope = (ahead - behind).T / (2 * STEP_MM)
        if abs(np.linalg.det(slope)) < 1e-12:
            break
        step = np.linalg.solve(slope, gap)
        for _ in range(20):
            trial = point - step
            new = np.array(transform.TransformPoint(trial.tolist())) - target
            if np.linalg.norm(new) < size:
                point, gap = trial, new
                break
            step = step / 2
        else:
            break
    return point if np.linalg.norm(gap) < ACCEPTED_MM else np.full(len(point), math.nan)

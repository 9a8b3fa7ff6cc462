"""Linear transforms that take points nearest to their partners, in the sense of least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError

LINEAR = ("rigid", "similarity", "affine")
COLLINEAR = 1e-3
"""Extent across a line, as part of the extent along it, below which points count as lying on it."""
FLAT = 1e-3
"""The same for the extent across a plane (3-D)."""
SAME_MM = 1e-6


def fit_points(fixed: np.ndarray, moving: np.ndarray, model: str) -> tuple[np.ndarray, np.ndarray]:
    """(A, b) that minimise sum |A f + b - m|^2; `fixed` and `moving` are (..., N, d), sets of points at once.

    Rigid and similarity by singular value decomposition with a guard against reflections (Umeyama 1991, IEEE TPAMI
    13:376); affine by least squares. Points must not be degenerate, see `check_points`.
    """
    f0, m0 = fixed.mean(axis=-2, keepdims=True), moving.mean(axis=-2, keepdims=True)
    f, m = fixed - f0, moving - m0
    if model == "affine":
        matrix = np.swapaxes(np.linalg.pinv(f) @ m, -1, -2)
    else:
        matrix = _rotation(f, m, model == "similarity")
    return matrix, (np.swapaxes(m0, -1, -2) - matrix @ np.swapaxes(f0, -1, -2))[..., 0]


def _rotation(f: np.ndarray, m: np.ndarray, scaled: bool) -> np.ndarray:
    u, s, vt = np.linalg.svd(np.swapaxes(m, -1, -2) @ f)
    sign = np.ones(s.shape)
    sign[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    if not scaled:
        return np.asarray(rotation)
    spread = (f * f).sum(axis=(-1, -2))
    scale = (s * sign).sum(axis=-1) / np.where(spread > 0, spread, 1.0)
    return np.asarray(rotation * scale[..., None, None])


def parameters_of(model: str, dimension: int) -> int:
    """Free parameters of a model: 6, 7 and 12 in 3-D, 3, 4 and 6 in 2-D."""
    turns = dimension * (dimension - 1) // 2
    return {"rigid": turns + dimension, "similarity": turns + dimension + 1}.get(model, dimension * (dimension + 1))


def least_points(model: str, dimension: int) -> int:
    """Pairs of points that determine a model; affine and thin plates need one more than the dimension."""
    return dimension if model in ("rigid", "similarity") else dimension + 1


def extents(points: np.ndarray) -> np.ndarray:
    """RMS extents of points along their principal axes, largest first, shape (d,)."""
    centred = points - points.mean(axis=0)
    found = np.linalg.svd(centred, compute_uv=False) / max(len(points), 1) ** 0.5
    return np.concatenate([found, np.zeros(points.shape[1] - len(found))])


def degenerate(points: np.ndarray, model: str) -> str:
    """Why points do not determine a model, empty when they do. Words for the status of a row."""
    d = points.shape[1]
    if len(points) < least_points(model, d):
        return "too_few_points"
    size = extents(points)
    if size[0] <= SAME_MM:
        return "points_at_one_place"
    wanted = d if model not in ("rigid", "similarity") else d - 1
    if wanted >= 2 and size[1] < COLLINEAR * size[0]:
        return "points_on_a_line"
    if wanted == 3 and size[2] < FLAT * size[0]:
        return "points_in_a_plane"
    return ""


SENTENCES = {
    "points_at_one_place": "are all at one place",
    "points_on_a_line": "lie on a line, so that the turn about it is open",
    "points_in_a_plane": "lie in a plane, so that the stretch across it is open",
}


def check_points(points: np.ndarray, names: tuple[str, ...], model: str, side: str, *, what: str = "landmarks") -> None:
    """Raise `InputError` that says why `points` (N, d) in millimetres cannot determine the model."""
    d = points.shape[1]
    least = least_points(model, d)
    if len(points) < least:
        raise InputError(
            f"A {model.replace('_', ' ')} transform in {d}-D needs at least {least} pairs of {what}, there are "
            f"{len(points)}.",
            role=side,
        )
    twin = _twins(points)
    if twin is not None:
        raise InputError(
            f"The {side} {what} {names[twin[0]]!r} and {names[twin[1]]!r} are at the same place; move or remove one.",
            role=side,
        )
    reason = degenerate(points, model)
    if reason:
        advice = " or choose a rigid transform" if reason == "points_in_a_plane" else ""
        raise InputError(f"The {side} {what} {SENTENCES[reason]}; add one elsewhere{advice}.", role=side)


def _twins(points: np.ndarray) -> tuple[int, int] | None:
    """Two points at the same place, None when there are none."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(SAME_MM, output_type="ndarray")
    return (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) else None


def linear_transform(matrix: np.ndarray, offset: np.ndarray, model: str, centre: np.ndarray) -> Any:
    """x -> A x + b as a `SimpleITK.Transform` of the model's own class that turns about `centre`."""
    d = len(centre)
    made: Any = {
        ("rigid", 2): sitk.Euler2DTransform,
        ("rigid", 3): sitk.Euler3DTransform,
        ("similarity", 2): sitk.Similarity2DTransform,
        ("similarity", 3): sitk.Similarity3DTransform,
    }.get((model, d), lambda: sitk.AffineTransform(d))()
    made.SetCenter(np.asarray(centre, float).tolist())
    values = np.asarray(matrix, float).ravel().tolist()
    if model == "affine":
        made.SetMatrix(values)
    else:
        made.SetMatrix(values, 1e-6)
    made.SetTranslation((np.asarray(matrix) @ centre + offset - centre).tolist())
    return made

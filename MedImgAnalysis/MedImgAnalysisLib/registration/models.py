"""The linear kinds of transform: making them from a matrix, and telling them in numbers.

A linear transform is y = A x + b in LPS millimetres. SimpleITK keeps it as a matrix about a centre and a translation.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .point_fit import linear_transform
from .rigid import matrix_of

LINEAR = ("translation", "rigid", "similarity", "affine")
DEFORMABLE = ("bspline", "demons")
STAGES: dict[str, tuple[str, ...]] = {
    "translation": ("translation",),
    "rigid": ("rigid",),
    "similarity": ("rigid", "similarity"),
    **dict.fromkeys(("affine", *DEFORMABLE), ("rigid", "affine")),
}
"""Which linear models are aligned one after the other; fewer degrees of freedom come first."""
SAME_SHAPE = 5e-3
"""Entries of A that a simpler model may leave out unsaid: 1 mm at 200 mm."""


def linear(model: str, matrix: np.ndarray, offset: np.ndarray, centre: np.ndarray) -> sitk.Transform:
    """The transform of this model nearest to y = A x + b: equal at `centre`, its matrix the nearest of the model.

    Parameters
    ----------
    matrix, offset
        A (d, d) and b (d,), LPS millimetres.
    centre
        Centre of rotation (d,); the parameters of the transform are about it.
    """
    if model == "translation":
        return sitk.TranslationTransform(len(centre), (np.asarray(matrix) @ centre + offset - centre).tolist())
    kept = np.asarray(matrix, float)
    if model != "affine":
        scale = abs(np.linalg.det(kept)) ** (1 / len(centre)) if model == "similarity" else 1.0
        kept = scale * nearest_rotation(kept)
    # Equal at the centre: the offset makes up for what the matrix lost.
    return linear_transform(kept, offset + (np.asarray(matrix) - kept) @ centre, model, centre)


def as_model(model: str, transform: sitk.Transform, centre: np.ndarray) -> sitk.Transform:
    """A linear transform as one of another model, see `linear`."""
    return linear(model, *matrix_of(transform), centre)


def freedom(model: str, d: int) -> np.ndarray:
    """What a small step of a model can do: columns of shifts and matrices, each (d, 1 + d) in a row."""
    ways = []
    for axis in range(d):
        ways.append(np.zeros((d, 1 + d)))
        ways[-1][axis, 0] = 1
    for a in range(d):
        for b in range(d):
            way = np.zeros((d, 1 + d))
            way[a, 1 + b] = 1
            if model in ("rigid", "similarity"):
                way[b, 1 + a] -= 1
            if model == "affine" or (model != "translation" and a < b):
                ways.append(way)
    if model == "similarity":
        ways.append(np.concatenate([np.zeros((d, 1)), np.eye(d)], axis=1))
    return np.stack([way.ravel() for way in ways], axis=1)


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotation nearest to a matrix in the least squares sense (polar decomposition), never a reflection."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, float))
    signs = np.ones(len(u))
    signs[-1] = np.sign(np.linalg.det(u @ vt))
    return np.asarray(u @ np.diag(signs) @ vt)


def left_out(model: str, matrix: np.ndarray) -> bool:
    """Whether a model cannot show a matrix: rotation, scales or shears would be lost."""
    kept, _ = matrix_of(linear(model, matrix, np.zeros(len(matrix)), np.zeros(len(matrix))))
    return bool(np.abs(kept - matrix).max() > SAME_SHAPE)


def numbers(transform: sitk.Transform, centre: np.ndarray) -> dict[str, float]:
    """A linear transform in degrees, millimetres, scales and shears, NaN for what 2-D does not have.

    A = R U with a rotation R and an upper triangle U: R as the Euler angles of ITK (R = Rz Rx Ry), U as the scales on
    its diagonal and the shears `U_ij / U_ii`. A reflection shows as a negative last scale. The shift is that of
    `centre`.
    """
    matrix, offset = matrix_of(transform)
    d = len(centre)
    rotation, upper = np.linalg.qr(matrix)
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    if np.linalg.det(rotation * signs) < 0:
        signs[-1] *= -1
    rotation, upper = rotation * signs, signs[:, None] * upper
    shift = matrix @ centre + offset - centre
    nan = float("nan")
    if d == 3:
        euler = sitk.Euler3DTransform()
        euler.SetMatrix(nearest_rotation(rotation).ravel().tolist(), 1e-6)
        angles = (euler.GetAngleX(), euler.GetAngleY(), euler.GetAngleZ())
    else:
        angles = (nan, nan, float(np.arctan2(rotation[1, 0], rotation[0, 0])))
    scales = np.diag(upper)
    shears = {(i, j): upper[i, j] / upper[i, i] for i in range(d) for j in range(i + 1, d)}
    return {
        **{f"rotation_{axis}_deg": float(np.degrees(a)) for axis, a in zip("xyz", angles)},
        **{f"shift_{axis}_mm": float(s) for axis, s in zip("xyz", (*shift, nan)[:3])},
        **{f"scale_{axis}": float(s) for axis, s in zip("xyz", (*scales, nan)[:3])},
        **{f"shear_{'xyz'[i]}{'xyz'[j]}": float(shears.get((i, j), nan)) for i, j in ((0, 1), (0, 2), (1, 2))},
    }

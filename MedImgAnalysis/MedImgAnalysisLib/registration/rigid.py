"""Rigid transforms in 2-D and 3-D: making them and reading them."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk

Rigid = sitk.Euler2DTransform | sitk.Euler3DTransform


def rigid(centre: np.ndarray, rotation: np.ndarray | None = None, translation: np.ndarray | None = None) -> Rigid:
    """x -> R (x - centre) + centre + translation, LPS millimetres; identity parts where not given."""
    d = len(centre)
    transform = sitk.Euler3DTransform() if d == 3 else sitk.Euler2DTransform()
    transform.SetCenter([float(c) for c in centre])
    if rotation is not None:
        transform.SetMatrix([float(v) for v in np.asarray(rotation).ravel()], 1e-6)
    if translation is not None:
        transform.SetTranslation([float(t) for t in translation])
    return transform


def matrix_of(transform: sitk.Transform) -> tuple[np.ndarray, np.ndarray]:
    """(A, b) with T(x) = A x + b of any linear transform, by applying it: valid for every class."""
    d = transform.GetDimension()
    b = np.array(transform.TransformPoint([0.0] * d))
    columns = [np.array(transform.TransformPoint([float(v) for v in unit])) - b for unit in np.eye(d)]
    return np.stack(columns, axis=1), b


def rotation_grid(dimension: int, largest_deg: float, step_deg: float) -> list[np.ndarray]:
    """Rotation matrices of all Euler angles on a grid from -largest to +largest, identity included."""
    count = int(np.floor(largest_deg / step_deg + 1e-9))
    angles = np.deg2rad(np.arange(-count, count + 1) * step_deg)
    if dimension == 2:
        return [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    transform = sitk.Euler3DTransform()
    matrices = []
    for x, y, z in product(angles, repeat=3):
        transform.SetRotation(float(x), float(y), float(z))
        matrices.append(np.reshape(transform.GetMatrix(), (3, 3)))
    return matrices


def angle_between_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle of the rotation that leads from `a` to `b`."""
    d = len(a)
    cosine = (np.trace(a.T @ b) - (d - 2)) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

"""A phantom of smooth blobs that moves as it is told: every frame is computed, nothing is interpolated."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.values import Frames

GRID = Grid((40, 36, 30), (2.0, 2.2, 2.5), (-38.0, -40.0, -35.0), tuple(np.eye(3).ravel().tolist()))
BLOBS = (
    ((0.0, 0.0, 0.0), (24.0, 20.0, 22.0), 100.0),
    ((12.0, 6.0, -8.0), (6.0, 5.0, 7.0), 80.0),
    ((-14.0, 4.0, 10.0), (5.0, 8.0, 5.0), -60.0),
    ((3.0, -12.0, 5.0), (7.0, 5.0, 6.0), 70.0),
)
"""Centre, half widths and height of each blob; LPS millimetres."""


def phantom_image(
    motion: sitk.Transform | None = None, noise: float = 0.0, seed: int = 0, grid: Grid = GRID
) -> sitk.Image:
    """The phantom after every point x of it went to motion(x); float32."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.size), indexing="ij"), axis=-1)
    points = grid.to_physical(index.reshape(-1, 3).astype(float))
    if motion is not None:
        matrix, offset = matrix_of(motion)
        points = (points - offset) @ np.linalg.inv(matrix).T
    values = np.zeros(len(points))
    for centre, widths, height in BLOBS:
        values += height * np.exp(-0.5 * (((points - centre) / widths) ** 2).sum(axis=1))
    array = values.reshape(grid.size).transpose(2, 1, 0)
    if noise:
        array = array + np.random.default_rng(seed).normal(0, noise, array.shape)
    return grid.put_on(sitk.GetImageFromArray(array.astype(np.float32)))


def rigid_motion(shift: tuple[float, float, float], degrees: tuple[float, float, float]) -> sitk.Euler3DTransform:
    """Rotation about the middle of the phantom, then a shift."""
    middle = GRID.corners.mean(axis=0).tolist()
    return sitk.Euler3DTransform(middle, *np.radians(degrees).tolist(), shift)


def moving_phantom(motions: list[sitk.Transform], **axis: object) -> Frames:
    """One frame for each motion, with a little noise."""
    return Frames(tuple(phantom_image(m, 0.5, seed) for seed, m in enumerate(motions)), **axis)


def farthest(found: sitk.Transform, expected: sitk.Transform, grid: Grid = GRID) -> float:
    """Largest distance of the corners of a grid (half way from its middle) under two transforms, mm."""
    middle = grid.corners.mean(axis=0)
    points = middle + 0.5 * (grid.corners - middle)
    gaps = [np.subtract(found.TransformPoint(p), expected.TransformPoint(p)) for p in points.tolist()]
    return float(np.linalg.norm(gaps, axis=1).max())

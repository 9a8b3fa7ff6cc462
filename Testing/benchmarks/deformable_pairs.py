"""Image pairs with points that are known in both images, for deformable registration."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.registration import Register

SEED = 5
FIELD_MM, LARGEST_MM = 10.0, 8.0
"""SD of the smoothing of the random field of the brain pair, and its largest displacement."""
NOISE = 0.05
"""SD of the noise in both channels, as part of the brightness of white matter."""
GAMMA = 0.6


class Pair(NamedTuple):
    """Float images, the linear alignment that every tool begins with, and points (N, 3) in LPS millimetres."""

    fixed: sitk.Image
    moving: sitk.Image
    linear: sitk.Transform
    fixed_points: np.ndarray
    moving_points: np.ndarray


def lung(data: Path) -> Pair:
    """Two breathing states on CT, 51 landmarks of experts."""
    folder = data / "reg_lung"
    fixed, moving = (_float(folder / f"{name}.mha") for name in ("fixed", "moving"))
    points = [np.loadtxt(folder / f"{name}_landmarks51.txt", skiprows=2) for name in ("fixed", "moving")]
    return Pair(fixed, moving, _affine(fixed, moving), *points)


def abdomen(data: Path) -> Pair:
    """CT and the same bent by a known rigid and B-spline transform, 100 exact landmarks."""
    folder = data / "reg_ct_synth"
    fixed, moving = (_float(folder / f"{name}.nii.gz") for name in ("fixed", "moving"))
    with (folder / "landmarks.csv").open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(line for line in stream if not line.startswith("#"))
        marks = np.array([[float(v) for v in list(row.values())[-6:]] for row in table])
    return Pair(fixed, moving, _affine(fixed, moving), marks[:, :3], marks[:, 3:])


def brain(data: Path) -> Pair:
    """T1 of a head warped by a smooth random field of up to 8 mm, with other contrast and Rician noise.

    The points are 5000 random voxels inside the head.
    """
    from scipy import ndimage

    moving = _float(data / "atlas" / "colin27_t1.nii.gz")
    values = sitk.GetArrayFromImage(moving)
    rng = np.random.default_rng(SEED)
    noise = (rng.normal(size=values.shape).astype(np.float32) for _ in range(3))
    field = np.stack([ndimage.gaussian_filter(one, FIELD_MM) for one in noise], axis=-1).astype(float)
    field *= LARGEST_MM / np.sqrt(np.square(field).sum(axis=-1)).max()
    truth = sitk.DisplacementFieldTransform(image_like(field, moving))
    head = ndimage.binary_fill_holes(ndimage.gaussian_filter(values, 2) > 25)
    head = ndimage.binary_erosion(head, iterations=4)
    warped = sitk.GetArrayFromImage(sitk.Resample(moving, moving, truth, sitk.sitkBSpline, 0.0))
    bright = np.clip(warped / np.percentile(values[head], 99), 0, 1.3) ** GAMMA
    one, other = (rng.normal(0, NOISE, values.shape) for _ in range(2))
    fixed = image_like((200 * np.hypot(bright + one, other)).astype(np.float32), moving)
    index = np.argwhere(head)
    index = index[rng.choice(len(index), 5000, replace=False)]
    points = Grid.of(moving).to_physical(index[:, ::-1])
    return Pair(fixed, moving, sitk.AffineTransform(3), points, points + field[tuple(index.T)])


def _float(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


def _affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    return Register(model="affine", finest_mm=2.0).run(fixed, moving).transform


PAIRS: dict[str, Callable[[Path], Pair]] = {"lung": lung, "abdomen": abdomen, "brain": brain}

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
    """T1 of a head and the same warped, with other contrast and Rician noise. The points are inside the head."""
    from scipy import ndimage

    image = _float(data / "atlas" / "colin27_t1.nii.gz")
    head = ndimage.binary_fill_holes(ndimage.gaussian_filter(sitk.GetArrayFromImage(image), 2) > 25)
    return _warped(image, image, ndimage.binary_erosion(head, iterations=4))


def t1_t2(data: Path) -> Pair:
    """T2 of a brain, and its T1 warped, with Rician noise. The points are inside the brain."""
    folder = data / "mr_brain_mni_p19"
    t1, t2, mask = (_float(folder / f"{name}.nii.gz") for name in ("T1", "T2", "brainmask"))
    return _warped(t1, t2, sitk.GetArrayFromImage(mask) > 0)


def _warped(image: sitk.Image, moving: sitk.Image, inside: np.ndarray) -> Pair:
    """`image`, warped by a smooth random field of up to 8 mm, as the fixed one; 5000 random voxels `inside`."""
    from scipy import ndimage

    values = sitk.GetArrayFromImage(image)
    rng = np.random.default_rng(SEED)
    noise = (rng.normal(size=values.shape).astype(np.float32) for _ in range(3))
    field = np.stack([ndimage.gaussian_filter(one, FIELD_MM) for one in noise], axis=-1).astype(float)
    field *= LARGEST_MM / np.sqrt(np.square(field).sum(axis=-1)).max()
    truth = sitk.DisplacementFieldTransform(image_like(field, image))
    warped = sitk.GetArrayFromImage(sitk.Resample(image, image, truth, sitk.sitkBSpline, 0.0))
    bright = np.clip(warped / np.percentile(values[inside], 99), 0, 1.3) ** GAMMA
    one, other = (rng.normal(0, NOISE, values.shape) for _ in range(2))
    fixed = image_like((200 * np.hypot(bright + one, other)).astype(np.float32), image)
    index = np.argwhere(inside)
    index = index[rng.choice(len(index), 5000, replace=False)]
    points = Grid.of(image).to_physical(index[:, ::-1])
    return Pair(fixed, moving, sitk.AffineTransform(3), points, points + field[tuple(index.T)])


def _float(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


def _affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    return Register(model="affine", finest_mm=2.0).run(fixed, moving).transform


PAIRS: dict[str, Callable[[Path], Pair]] = {"lung": lung, "abdomen": abdomen, "brain": brain, "t1_t2": t1_t2}

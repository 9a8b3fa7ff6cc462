"""Image pairs of the test data folder with the alignment that counts as right, and random poses of the moving image."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.rigid import matrix_of

LARGEST_DEG, LARGEST_MM = 30.0, 40.0


@dataclass(frozen=True, eq=False)
class Pair:
    """Images in a pose near the right one, so that `accepted` is near the identity.

    `points` are where the error is taken: (N, 3) LPS millimetres in the fixed image. `accepted` maps them to the moving
    image: what `register` reaches from the right pose, which is `floor_mm` from what is known independently.
    """

    name: str
    fixed: sitk.Image
    moving: sitk.Image
    settings: dict[str, Any]
    points: np.ndarray
    accepted: sitk.Transform
    floor_mm: float
    fixed_mask: sitk.Image | None = field(default=None)

    def error_mm(self, found: Callable[[tuple[float, ...]], Any], pose: sitk.Transform) -> float:
        """Mean distance over the points between `found` and the accepted alignment after `pose` moved the image."""
        right = [pose.TransformPoint(self.accepted.TransformPoint(p)) for p in self.points.tolist()]
        return float(np.linalg.norm(np.subtract([found(p) for p in self.points.tolist()], right), axis=1).mean())


def random_pose(rng: np.random.Generator, about: np.ndarray) -> sitk.Euler3DTransform:
    """Turns of up to 30 degrees about each axis and shifts of up to 40 mm along each, uniform."""
    pose = sitk.Euler3DTransform()
    pose.SetCenter(about.tolist())
    pose.SetRotation(*np.deg2rad(rng.uniform(-LARGEST_DEG, LARGEST_DEG, 3)).tolist())
    pose.SetTranslation(rng.uniform(-LARGEST_MM, LARGEST_MM, 3).tolist())
    return pose


def posed(image: sitk.Image, pose: sitk.Transform) -> sitk.Image:
    """The image moved by a rigid transform: only its geometry changes, no voxel."""
    matrix, _ = matrix_of(pose)
    moved = sitk.Image(image)
    moved.SetDirection((matrix @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    moved.SetOrigin(pose.TransformPoint(image.GetOrigin()))
    return moved


def middle(image: sitk.Image) -> np.ndarray:
    """LPS position of the middle of the image."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def rigid_fit(fixed: np.ndarray, moving: np.ndarray) -> sitk.Euler3DTransform:
    """The rotation and shift that take `fixed` points (N, 3) nearest to `moving` ones."""
    f, m = fixed.mean(axis=0), moving.mean(axis=0)
    u, _, vt = np.linalg.svd((moving - m).T @ (fixed - f))
    matrix = u @ np.diag((1, 1, np.linalg.det(u @ vt))) @ vt
    transform = sitk.Euler3DTransform()
    transform.SetCenter(f.tolist())
    transform.SetMatrix(matrix.ravel().tolist(), 1e-6)
    transform.SetTranslation((m - f).tolist())
    return transform


def _pair(
    name: str, fixed: sitk.Image, moving: sitk.Image, truth: sitk.Transform, points: np.ndarray, **settings: Any
) -> Pair:
    """A pair with the moving image put where `truth`, rigid, has it right."""
    back = rigid_fit(points, np.array([truth.TransformPoint(p) for p in points.tolist()])).GetInverse()
    near = posed(moving, back)
    accepted = Register(**{**settings, "start": "none"}).run(fixed, near).transform
    known = [back.TransformPoint(truth.TransformPoint(p)) for p in points.tolist()]
    reached = [accepted.TransformPoint(p) for p in points.tolist()]
    floor = float(np.linalg.norm(np.subtract(known, reached), axis=1).mean())
    return Pair(name, fixed, near, settings, points, accepted, floor)


def mr_pair(data: Path) -> Pair:
    """T1 to FLAIR of one visit, slices of 3 and 4 mm; the alignment published with the images."""
    folder = data / "mr_brain_ms_p01"
    fixed, moving = (sitk.ReadImage(str(folder / f"study1_{name}.nii.gz")) for name in ("FLAIR", "T1W"))
    truth = sitk.ReadTransform(str(folder / "study1_T1W_intrastudy_to_FLAIR.txt"))
    brain = sitk.ReadImage(str(folder / "brainmask_common.nii.gz"))
    to_fixed = sitk.ReadTransform(str(folder / "study1_FLAIR_to_common_space.txt"))
    index = np.argwhere(sitk.GetArrayViewFromImage(brain) > 0)[::5003, ::-1]
    points = np.array([to_fixed.TransformPoint(p) for p in Grid.of(brain).to_physical(index).tolist()])
    return _pair("MR T1 to FLAIR, rigid", fixed, moving, truth, points, model="rigid")


def ct_pair(data: Path) -> Pair:
    """Abdominal CT and the same bent by a known field; rigid can only reach its best compromise."""
    folder = data / "reg_ct_synth"
    fixed, moving = (sitk.ReadImage(str(folder / f"{name}.nii.gz")) for name in ("fixed", "moving"))
    with (folder / "landmarks.csv").open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(line for line in stream if not line.startswith("#"))
        rows = [[float(v) for v in list(row.values())[-6:]] for row in table]
    marks = np.array(rows)
    truth = rigid_fit(marks[:, :3], marks[:, 3:])
    return _pair("CT to CT, bent, rigid", fixed, moving, truth, marks[:, :3], model="rigid")


def atlas_pair(data: Path) -> Pair:
    """A whole head to a template of the brain alone, affine; both are in the space of the template."""
    fixed, moving = (
        sitk.ReadImage(str(data / "atlas" / f"{name}.nii.gz")) for name in ("icbm152_sym09a_t1", "colin27_t1")
    )
    index = np.argwhere(sitk.GetArrayViewFromImage(fixed) > 100)[::20011, ::-1]
    points = Grid.of(fixed).to_physical(index)
    identity = sitk.Transform(3, sitk.sitkIdentity)
    return _pair("Brain to atlas, affine", fixed, moving, identity, points, model="affine")


PAIRS: dict[str, Callable[[Path], Pair]] = {"mr": mr_pair, "ct": ct_pair, "atlas": atlas_pair}

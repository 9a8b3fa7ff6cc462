"""Where an alignment begins when nothing is searched for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..progress import Progress
from ..values import Landmarks
from .landmark_error import paired
from .models import left_out
from .point_fit import check_points, fit_points
from .rigid import matrix_of
from .units import Masks

SIMPLE = ("moments", "geometry", "landmarks", "given", "none")


class Pose(NamedTuple):
    """y = matrix x + offset in LPS millimetres, and what it is called."""

    name: str
    matrix: np.ndarray
    offset: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, d) go."""
        return points @ self.matrix.T + self.offset


class Hints(NamedTuple):
    """What the user gave to begin with."""

    initial: sitk.Transform | None = None
    fixed_landmarks: Landmarks | None = None
    moving_landmarks: Landmarks | None = None

    @property
    def has_landmarks(self) -> bool:
        return self.fixed_landmarks is not None


Images = tuple[sitk.Image, sitk.Image]


def centre(image: sitk.Image) -> np.ndarray:
    """LPS position of the middle of the image box."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def centre_of_mass(image: sitk.Image, mask: sitk.Image | None = None) -> np.ndarray:
    """LPS centre of the voxels brighter than the mean (inside the mask where given).

    The bright voxels count equally, so that a few very bright ones (vessels, implants) do not pull.
    """
    array = sitk.GetArrayViewFromImage(image)
    inside = np.ones(array.shape, bool) if mask is None else sitk.GetArrayViewFromImage(mask) != 0
    bright = inside & (array > array[inside].mean(dtype=np.float64))
    if not bright.any():
        bright = inside
    index = [
        np.average(np.arange(n), weights=bright.sum(axis=tuple(a for a in range(bright.ndim) if a != axis)))
        for axis, n in enumerate(bright.shape)
    ]
    return np.array(image.TransformContinuousIndexToPhysicalPoint([float(v) for v in reversed(index)]))


def pose(start: str, images: Images, masks: Masks, hints: Hints, progress: Progress) -> Pose:
    """The pose of one of the simple starts.

    Raises `InputError` when what it needs was not given, or when it leaves the images without overlap.
    """
    fixed, moving = images
    d = fixed.GetDimension()
    if start == "landmarks":
        found = by_landmarks(hints, d, progress)
    elif start == "given":
        found = by_transform(hints, d)
    else:
        ends = {
            "moments": lambda: (centre_of_mass(fixed, masks[0]), centre_of_mass(moving, masks[1])),
            "geometry": lambda: (centre(fixed), centre(moving)),
            "none": lambda: (np.zeros(d), np.zeros(d)),
        }[start]()
        found = Pose(start, np.eye(d), ends[1] - ends[0])
    if not meet(found, fixed, moving):
        words = {"given": "after the given transform", "landmarks": "after the landmarks are put together"}
        raise InputError(
            f"The images do not overlap {words.get(start, 'where they are')}; choose another start.", role="moving"
        )
    return found


def by_landmarks(hints: Hints, dimension: int, progress: Progress) -> Pose:
    """The rigid pose that takes the fixed landmarks nearest to the moving ones."""
    if hints.fixed_landmarks is None or hints.moving_landmarks is None:
        missing = "fixed_landmarks" if hints.fixed_landmarks is None else "moving_landmarks"
        raise InputError(f"A start from landmarks needs both sets; give {missing} as well.", role=missing)
    fixed, moving = paired(hints.fixed_landmarks, hints.moving_landmarks, progress)
    for points, side in ((fixed, "fixed"), (moving, "moving")):
        if dimension == 2 and np.abs(points[:, 2:]).max(initial=0) > 1e-3:
            raise InputError("The images are 2-D and the landmarks are not in their plane.", role=f"{side}_landmarks")
        check_points(points[:, :dimension], tuple(map(str, range(1, len(points) + 1))), "rigid", side)
    return Pose("landmarks", *fit_points(fixed[:, :dimension], moving[:, :dimension], "rigid"))


def by_transform(hints: Hints, dimension: int) -> Pose:
    """The pose of the given transform; `InputError` when there is none or it is not linear."""
    initial = hints.initial
    if initial is None:
        raise InputError("A start from a given transform needs the input initial.", role="initial")
    if initial.GetDimension() != dimension:
        raise InputError(
            f"The initial transform is {initial.GetDimension()}-D and the images are {dimension}-D.", role="initial"
        )
    if not initial.IsLinear():
        raise InputError(
            "The initial transform is not linear; apply it to the moving image first, or start from its linear part.",
            role="initial",
        )
    matrix, offset = matrix_of(initial)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-6:
        raise InputError("The initial transform cannot be inverted; it flattens the image.", role="initial")
    return Pose("given", matrix, offset)


def told_unused(start: str, hints: Hints, progress: Progress) -> None:
    """Warn of hints that a start does not look at."""
    if hints.initial is not None and start not in ("given", "multi_start"):
        progress.warn(f"The initial transform is not used with the start {start!r}.")
    if hints.has_landmarks and start not in ("landmarks", "multi_start"):
        progress.warn(f"The landmarks are not used with the start {start!r}.")


def told_simplified(model: str, found: Pose, progress: Progress) -> None:
    """Warn when the model cannot show the pose that it starts from."""
    if left_out(model, found.matrix):
        progress.warn(
            f"The start has rotation, scales or shears that a {model} transform cannot have; they are left out."
        )


def meet(found: Pose, fixed: sitk.Image, moving: sitk.Image) -> bool:
    """Whether the box of the fixed image meets that of the moving one in a pose."""
    grid = Grid.of(fixed)
    axes = [np.unique(np.linspace(0, n - 1, min(n, 12)).round()) for n in grid.size]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, grid.dimension)
    other = Grid.of(moving)
    there = other.to_index(found.at(grid.to_physical(index)))
    inside = np.all((there >= -0.5) & (there <= np.asarray(other.size) - 0.5), axis=1)
    if inside.any():
        return True
    # A small moving image may lie between the points.
    middle = grid.to_index(np.linalg.solve(found.matrix, centre(moving) - found.offset)[None])
    return bool(np.all((middle >= -0.5) & (middle <= np.asarray(grid.size) - 0.5)))

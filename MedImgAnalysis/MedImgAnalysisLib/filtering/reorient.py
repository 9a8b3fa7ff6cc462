"""The axes of an image renamed and turned round."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import map_slabs
from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Image

TOWARDS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""LPS axis and sign of each letter."""

CODES = tuple(
    "".join(letters) for axes in permutations(("RL", "AP", "IS")) for letters in product(*axes)
)  # fmt: skip


@dataclass(frozen=True)
class Reorient(Operation):
    """Order the voxels so that the axes run in named directions of the patient.

    A code names for the axes i, j, k where they lead: LPS is i to the left, j to the back, k upwards, as DICOM and ITK
    store axial slices; RAS is what NIfTI calls so. Axes are swapped and turned round and the geometry with them: each
    voxel keeps its value and its place in space, no voxel is resampled. Of an oblique image each axis counts for the
    direction that it is nearest to.

    Inputs
    ------
    image
        Image to reorder.

    Outputs
    -------
    image
        The same image with other axes.

    Parameters
    ----------
    orientation
        Left or Right, Anterior or Posterior, Superior or Inferior for each of the axes i, j, k.
    """

    name: ClassVar[str] = "reorient"
    title: ClassVar[str] = "Reorient"
    group: ClassVar[str] = "Geometry"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.25
    keeps: ClassVar = {"image": "image"}
    keeps_grid: ClassVar[bool] = False
    presets: ClassVar = {
        "Axial slices (LPS)": {},
        "Sagittal slices (PIR)": {"orientation": "PIR"},
        "Coronal slices (LIP)": {"orientation": "LIP"},
    }

    orientation: Annotated[str, Choice(*CODES)] = "LPS"

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        if grid.dimension != 3:
            raise InputError("A 2-D image has no directions of the patient to be reordered along.", role="image")
        own = nearest_axes(grid)
        wanted = [TOWARDS[letter] for letter in self.orientation]
        order = [next(n for n, (axis, _) in enumerate(own) if axis == target) for target, _ in wanted]
        turned = [own[n][1] != sign for n, (_, sign) in zip(order, wanted)]
        start = [grid.size[n] - 1 if turn else 0 for n, turn in zip(order, turned)]
        corner = np.zeros(3)
        corner[order] = start
        signs = [-1 if turn else 1 for turn in turned]
        direction = np.reshape(grid.direction, (3, 3))[:, order] * signs
        target_grid = Grid(
            tuple(grid.size[n] for n in order),
            tuple(grid.spacing[n] for n in order),
            tuple(grid.to_physical(corner[None])[0].tolist()),
            tuple(direction.ravel().tolist()),
        )
        array = sitk.GetArrayViewFromImage(image)
        axes = [2 - n for n in reversed(order)] + list(range(3, array.ndim))
        view = array.transpose(axes)[tuple(slice(None, None, s) for s in reversed(signs))]
        out = np.empty(view.shape, array.dtype)
        map_slabs(lambda slab: slab, view, 0, out, progress=progress, message="Reordering")
        return image_like(out, target_grid)


def nearest_axes(grid: Grid) -> list[tuple[int, int]]:
    """For the axes i, j, k the LPS axis and sign that they are nearest to; each LPS axis occurs once."""
    direction = np.reshape(grid.direction, (3, 3))
    best = max(permutations(range(3)), key=lambda axes: sum(abs(direction[a, n]) for n, a in enumerate(axes)))
    return [(a, 1 if direction[a, n] >= 0 else -1) for n, a in enumerate(best)]

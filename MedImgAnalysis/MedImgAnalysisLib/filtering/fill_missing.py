"""Values for missing voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError
from ..geometry import Grid, image_like
from ..kernels.inpainting import MOST_SMOOTH, fill_between_slices, fill_nearest, fill_smoothly
from ..kernels.ranks import slabs_of
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Image, Mask


@dataclass(frozen=True)
class FillMissing(Operation):
    """Fill voxels that are missing or broken from those around them.

    Missing are all NaN and infinite voxels, and those of a mask where one is given. `nearest` takes the value of the
    nearest voxel that is there, in millimetres. `between_slices` interpolates linearly along the third axis, for lost
    or damaged slices; beyond the last good slice it goes on with its value, and columns without any voxel take
    the nearest. `biharmonic` bends a thin plate across the hole that meets values and slopes around it
    (polynomials up to the third degree come back exactly); for small holes, it may overshoot in large ones.
    Voxels that are not missing stay as they are, and so does the pixel type. What was filled is said: filled voxels
    are a guess, do not measure in them.

    Inputs
    ------
    image
        Image to repair.
    missing
        Voxels to fill besides those that are NaN or infinite.

    Outputs
    -------
    image
        Image without missing voxels.

    Parameters
    ----------
    method
        Nearest voxel, linear between slices, or biharmonic.
    """

    name: ClassVar[str] = "fill_missing"
    title: ClassVar[str] = "Fill missing voxels"
    group: ClassVar[str] = "Repair"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 6.0
    why_whole: ClassVar[str] = "holes are filled from wherever there are voxels"
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Single voxels": {"method": "biharmonic"},
        "Lost slices": {"method": "between_slices"},
        "Large holes": {"method": "nearest"},
    }

    method: Annotated[str, Choice("nearest", "between_slices", "biharmonic")] = "nearest"

    def run(self, image: Image, missing: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        progress.report(0.0, "Looking for missing voxels")
        array = sitk.GetArrayFromImage(image)
        grid = Grid.of(image)
        if self.method == "between_slices" and grid.dimension == 2:
            raise InputError("A 2-D image has no slices to fill between; use nearest or biharmonic.", role="image")
        marked = None if missing is None else sitk.GetArrayFromImage(missing) != 0
        parts = [array] if array.ndim == grid.dimension else [array[..., c] for c in range(array.shape[-1])]
        filled = 0
        for number, part in enumerate(parts):
            share = progress.part(number / len(parts), (number + 1) / len(parts))
            gone = _missing(part, marked, share)
            count = int(np.count_nonzero(gone))
            if count == gone.size:
                raise InputError(f"All {gone.size} voxels are missing; there is nothing to fill from.", role="image")
            if count:
                self._fill(part, gone, grid, share)
                filled += count
        if filled:
            total = sum(part.size for part in parts)
            progress.warn(
                f"{filled} voxels ({100 * filled / total:.3g} %) were filled: {self.method.replace('_', ' ')}."
            )
        else:
            progress.warn("No voxel is missing; the image was not changed.")
        progress.report(1.0)
        return image_like(array, image)

    def _fill(self, array: np.ndarray, gone: np.ndarray, grid: Grid, progress: Progress) -> None:
        """Fill a part (k, j, i) of the image in place; the work is done in the box around what is missing."""
        wide = np.float32 if array.dtype == np.float32 else np.float64
        box = _box(gone, 3, all_along=0 if self.method == "between_slices" else None)
        near, inside = array[box].astype(wide), gone[box]
        near[inside] = 0
        rest = inside
        if self.method == "between_slices":
            rest = fill_between_slices(near, inside, progress)
            if rest.any():
                progress.warn(f"{np.count_nonzero(rest)} voxels have no other one in any slice; the nearest was taken.")
        if rest.any():
            fill_nearest(near, rest, grid.spacing_kji, progress)
        if self.method == "biharmonic":
            near = self._smooth(near, inside, grid, progress)
        values = near[inside]
        if array.dtype.kind in "iu":
            limits = np.iinfo(array.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        array[tuple(np.nonzero(gone))] = values.astype(array.dtype)

    def _smooth(self, near: np.ndarray, inside: np.ndarray, grid: Grid, progress: Progress) -> np.ndarray:
        count = int(np.count_nonzero(inside))
        if count > MOST_SMOOTH:
            raise InputError(
                f"{count} voxels are missing; biharmonic fills at most {MOST_SMOOTH}. Use nearest or between_slices.",
                role="missing",
            )
        smooth = near.astype(np.float64)
        if not fill_smoothly(smooth, inside, grid.spacing_kji, progress):
            progress.warn("The biharmonic fill did not come to its end; the hole may be too large for it.")
        return smooth


def _missing(array: np.ndarray, marked: np.ndarray | None, progress: Progress) -> np.ndarray:
    gone = np.zeros(array.shape, bool) if marked is None else marked.copy()
    if array.dtype.kind == "f":

        def look(part: slice) -> None:
            gone[part] |= ~np.isfinite(array[part])

        for_each(look, slabs_of(array))
    progress.check()
    return gone


def _box(gone: np.ndarray, margin: int, all_along: int | None) -> tuple[slice, ...]:
    """The box around a mask with a margin of voxels, whole along one axis where asked."""
    box = []
    for axis, n in enumerate(gone.shape):
        hit = np.flatnonzero(gone.any(axis=tuple(a for a in range(gone.ndim) if a != axis)))
        low, high = max(0, int(hit[0]) - margin), min(n, int(hit[-1]) + 1 + margin)
        box.append(slice(0, n) if axis == all_along else slice(low, high))
    return tuple(box)

"""The DICOM series that an image was read from: headers slice by slice, and where a result lies on it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, GeometryError, InputError
from ..files import dicom, images
from ..files.paths import split_part
from ..frames import Frames
from ..geometry import Grid
from ..progress import SILENT, Progress
from .package import UNICODE

SAME_LATTICE_VOXELS = 0.01
"""How far voxel centres of a result may be from those of the source, in voxels; rounding in headers is below that."""
SAME_SLICE = 0.1
"""How far a slice may be from its place in the volume, in voxels; a reader that interpolated has moved it further."""
EMPTY_IF_MISSING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


@dataclass(frozen=True, eq=False)
class Source:
    """The instances behind an image.

    Attributes
    ----------
    name
        What the recipe calls the image.
    grid
        Grid of the image as it was read, LPS millimetres; slice k of it is a slice of the series.
    datasets
        Headers of the instances in the order of the slices, or of the one multi-frame instance, reduced to the frames
        of the image in the order of the slices.
    frames
        For a multi-frame instance the number (from 0) of each of these frames in the file, else None.
    problem
        Why no result can be laid on the slices, where that is so: `the slices were interpolated`.
    """

    name: str
    grid: Grid
    datasets: tuple[Any, ...]
    frames: tuple[int, ...] | None = None
    problem: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns) of the image."""
        i, j, k = self.grid.size
        return k, j, i

    @property
    def study(self) -> str:
        """The StudyInstanceUID."""
        return str(self.datasets[0].StudyInstanceUID)

    @property
    def series(self) -> str:
        """The SeriesInstanceUID."""
        return str(self.datasets[0].SeriesInstanceUID)

    def placed(self, array: np.ndarray, grid: Grid) -> np.ndarray:
        """Voxels (k, j, i) of a grid as slices (slice, row, column) of the image, 0 where there are none.

        The axes may be swapped or reversed and the grid may be a part of that of the image. Raises `GeometryError` when
        the voxel centres are not those of the image, or something other than 0 lies beyond it.
        """
        if self.problem:
            raise GeometryError(self.problem)
        order, flip, start = _lattice(grid, self.grid)
        moved = np.flip(array.transpose(order), tuple(axis for axis in range(3) if flip[axis]))
        size = np.array(self.grid.size[::-1])
        low, high = np.maximum(start, 0), np.minimum(start + moved.shape, size)
        if (low >= high).any():
            raise GeometryError(f"it does not overlap {self.name!r}")
        inner = moved[tuple(slice(a, b) for a, b in zip(low - start, high - start))]
        if np.count_nonzero(inner) < np.count_nonzero(moved):
            raise GeometryError(f"it reaches beyond the slices of {self.name!r}")
        result = np.zeros(self.shape, array.dtype)
        result[tuple(slice(a, b) for a, b in zip(low, high))] = inner
        return result


def _lattice(grid: Grid, onto: Grid) -> tuple[tuple[int, ...], tuple[bool, ...], np.ndarray]:
    """How an array of `grid` is put into one of `onto`: order of axes, which to flip, and the first voxel (k, j, i).

    Raises `GeometryError` when the voxel centres of the two are not the same points.
    """
    if grid.dimension != 3:
        raise GeometryError("it is flat, the images are volumes")
    index = onto.to_index(grid.corners)
    steps = np.linalg.solve(onto.axes, grid.axes)
    whole = np.rint(steps)
    drift = np.abs(steps - whole) * (np.array(grid.size) - 1)
    if (
        np.abs(index - np.rint(index)).max() > SAME_LATTICE_VOXELS
        or drift.max() > SAME_LATTICE_VOXELS
        or not any((np.abs(whole) == np.eye(3)[list(p)]).all() for p in permutations(range(3)))
    ):
        raise GeometryError("it lies on another grid than the slices")
    axes = [int(np.flatnonzero(row)[0]) for row in whole]
    order = tuple(2 - axes[axis] for axis in (2, 1, 0))
    flip = tuple(bool(whole[axis, axes[axis]] < 0) for axis in (2, 1, 0))
    return order, flip, np.rint(index.min(axis=0)).astype(int)[::-1]


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether an input is a folder of DICOM files or a DICOM file."""
    place, _ = split_part(path)
    return place.is_dir() or images.format_of(place) == "DICOM"


def source_of(path: str | os.PathLike[str], value: Any, name: str, progress: Progress = SILENT) -> Source:
    """The instances that `value`, an image or frames of images, was read from.

    Where its voxels are not those of single slices (interpolated, several volumes), `problem` says so. Raises
    `InputError` when the instances lack what a reference needs.
    """
    import pydicom

    place, part = split_part(path)
    volumes, number = dicom.volumes_in(place, part, Progress(progress.report, lambda sentence: None))
    several = isinstance(value, Frames)
    slices = [one for volume in volumes for one in volume] if several else volumes[number or 0]
    files = list(dict.fromkeys(one.path for one in slices))
    multi = slices[0].frame is not None
    grid = Grid.of(value.values[0] if several else value)
    problem = ""
    if several:
        problem = f"{name!r} has several volumes"
    elif not _in_place(slices, grid):
        problem = f"the slices of {name!r} were interpolated when they were read"
    elif multi and len(files) > 1:
        problem = f"{name!r} is spread over several multi-frame files"
    datasets = []
    for file in files:
        progress.check()
        with warnings.catch_warnings():
            # Odd values were told of, where they matter, when the image was read.
            warnings.simplefilter("ignore")
            datasets.append(_complete(pydicom.dcmread(file, stop_before_pixels=True), file, name))
    frames = tuple(int(one.frame or 0) for one in slices) if multi else None
    if frames is not None and not problem and "PerFrameFunctionalGroupsSequence" not in datasets[0]:
        problem = f"{name!r} is a multi-frame file that does not describe each of its frames"
    if frames is not None and not problem:
        datasets[0].PerFrameFunctionalGroupsSequence = [
            datasets[0].PerFrameFunctionalGroupsSequence[frame] for frame in frames
        ]
        datasets[0].NumberOfFrames = len(frames)
    return Source(name, grid, tuple(datasets), frames, problem)


def _in_place(slices: Any, grid: Grid) -> bool:
    """Whether slice k of the volume is the k-th slice, neither moved nor interpolated."""
    if grid.dimension != 3 or len(slices) != grid.size[2] or any(one.position is None for one in slices):
        return False
    index = grid.to_index(np.array([one.position for one in slices], float))
    wanted = np.array([(0, 0, k) for k in range(len(slices))], float)
    return (slices[0].columns, slices[0].rows) == grid.size[:2] and bool(np.abs(index - wanted).max() <= SAME_SLICE)


def _complete(dataset: Any, file: Path, name: str) -> Any:
    """The header with what may be empty but not missing; text decoded, so that it can be written as UTF-8."""
    for needed in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        if not dataset.get(needed):
            raise InputError(f"{file.name} of {name!r} has no {needed}")
    try:
        dataset.decode()
    except (LookupError, UnicodeError, ValueError, TypeError, AttributeError) as error:
        raise FileError(f"{file}: the text of the DICOM header cannot be decoded: {error}.", path=file) from error
    dataset.SpecificCharacterSet = UNICODE
    for optional in EMPTY_IF_MISSING:
        if optional not in dataset:
            setattr(dataset, optional, "")
    return dataset

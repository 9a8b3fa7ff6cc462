"""How large the images in files are, from their headers alone: for planning what memory a run will need."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..geometry import Grid
from .paths import split_part


@dataclass(frozen=True)
class FileExtent:
    """Grid, type and components of the voxels and the number of frames; of label layers the frames are the layers."""

    grid: Grid
    dtype: np.dtype
    components: int = 1
    frames: int = 1


def extent(path: str | os.PathLike[str], kind: str) -> FileExtent | None:
    """The extent of an image, mask, labels or frames on disk; None where the header does not tell or cannot be read.

    Of a DICOM folder it is that of the first image times the number of files, which is the truth or more.
    """
    if kind not in ("image", "mask", "labels", "frames"):
        return None
    try:
        place, part = split_part(path)
        found = _of_dicom(place) if place.is_dir() else _of_file(place)
    except (FileError, OSError, ValueError):
        return None
    if found is not None and part is not None and found.frames > 1 and kind in ("image", "mask"):
        return FileExtent(found.grid, found.dtype, found.components)
    return found


def unreadable(path: str | os.PathLike[str], kind: str) -> str:
    """Why the file of an image, mask, labels or frames cannot be read, as far as its header tells; else empty."""
    if kind not in ("image", "mask", "labels", "frames"):
        return ""
    try:
        place, _ = split_part(path)
        if not place.is_dir():
            _of_file(place)
    except FileError as error:
        return str(error)
    except (OSError, ValueError):
        return ""
    return ""


def _of_file(path: Path) -> FileExtent | None:
    from .images import HEADERS, format_of

    name = format_of(path)
    if name == "DICOM":
        return _of_dicom(path)
    if name not in HEADERS:
        return None
    header = HEADERS[name](path)
    kind = np.dtype(np.float64) if (header.slope, header.intercept) != (1.0, 0.0) else header.dtype
    return FileExtent(header.grid, kind, header.components, header.frames)


def _of_dicom(place: Path) -> FileExtent | None:
    from .dicom_headers import read_dataset

    names = [place]
    if place.is_dir():
        names = sorted(Path(folder) / name for folder, _, files in os.walk(place) for name in files)
    for number, path in enumerate(names):
        dataset, _ = read_dataset(path, pixels=False)
        if dataset is None or "Rows" not in dataset or "Columns" not in dataset:
            continue
        layers = max(len(names) - number, int(dataset.get("NumberOfFrames", 1) or 1))
        size = (int(dataset.Columns), int(dataset.Rows), layers)
        if min(size) < 1:
            return None
        # What is stored in 16 bits is read as 32 bits where a slope makes fractions of it.
        grid = Grid(size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
        return FileExtent(grid, np.dtype(np.float32), int(dataset.get("SamplesPerPixel", 1) or 1))
    return None

"""What an image header says, in one form for all formats, and the checks that all of them need.

ITK takes sheared axes, missing voxels and zero spacing without a word in several formats. So the
headers are read here, checked against the file, and only then are voxels read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..frames import NUMBERED
from ..geometry import Grid

RIGHT_ANGLE_TOLERANCE = 1e-4
"""Largest entry of R^T R - 1 that counts as rounding of the header's numbers."""

FAR_MM = 1e5
"""Beyond this a float32 coordinate, as displays and meshes use it, is coarser than 0.01 mm."""


@dataclass(frozen=True)
class FrameAxis:
    """Where the frames of a file are along their axis; `title` and `unit` as in `Frames`, no positions: 0, 1, 2..."""

    positions: tuple[float, ...] = ()
    title: str = NUMBERED
    unit: str = ""

    @classmethod
    def even(cls, count: int, start: float, step: float, title: str, unit: str) -> FrameAxis:
        """Equal steps; numbers alone where the header has no step that can be one."""
        if not (math.isfinite(step) and math.isfinite(start) and step > 0):
            return cls()
        return cls(tuple(round(start + step * number, 9) for number in range(count)), title, unit)


@dataclass(frozen=True)
class ImageHeader:
    """Where the voxels of an image file are and what they mean.

    Attributes
    ----------
    dtype
        Type of one number in the file, with its byte order.
    grid
        Grid of one frame, LPS millimetres.
    axes
        What the axes of the file are, fastest first: `component`, `space` (i, j[, k]) and `frame`.
    data, file_offset, stream_offset
        The file with the voxels; bytes before the data in the file; bytes before the voxels in the
        data after decompression. `file_offset` None: the voxels are the end of the file.
    encoding
        `raw`, `gzip` (or zlib), `bzip2`, `text`, or `other` for what only SimpleITK decodes.
    slope, intercept
        Stored number times slope plus intercept is the value.
    flip_vectors
        The vectors are RAS: the first two components change sign.
    frame_axis
        Where the frames are, where the header says it.
    """

    path: Path
    format: str
    dtype: np.dtype
    grid: Grid
    axes: tuple[str, ...]
    data: Path
    components: int = 1
    frames: int = 1
    file_offset: int | None = 0
    stream_offset: int = 0
    encoding: str = "raw"
    slope: float = 1.0
    intercept: float = 0.0
    flip_vectors: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    frame_axis: FrameAxis = FrameAxis()

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame after decompression."""
        return math.prod(self.grid.size) * self.components * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of all voxels after decompression."""
        return self.frame_bytes * self.frames


def lps_grid(
    path: Path,
    size: Sequence[int],
    axes: np.ndarray,
    origin: Sequence[float],
    warnings: list[str],
    spacing: Sequence[float] | None = None,
) -> Grid:
    """The grid of a header, or `FileError` when it is none.

    Parameters
    ----------
    size
        Voxels along (i, j[, k]).
    axes
        Matrix (d, d) whose columns lead from one voxel centre to the next, LPS millimetres.
    origin
        LPS position of the first voxel centre, millimetres.
    warnings
        Gets a sentence for axes that had to be straightened and for a far-away origin.
    spacing
        Lengths of the columns, where the header says them more exactly.
    """
    axes, start = np.asarray(axes, float), np.asarray(origin, float)
    if not (np.isfinite(axes).all() and np.isfinite(start).all()):
        raise FileError(f"{path}: the header has axes or an origin that are not finite numbers.", path=path)
    if any(n < 1 for n in size):
        raise FileError(
            f"{path}: the header says {' x '.join(map(str, size))} voxels; every size must be 1 or more.", path=path
        )
    lengths = np.linalg.norm(axes, axis=0)
    if (lengths < 1e-12).any():
        raise FileError(f"{path}: the voxel spacing is {_numbers(lengths)} mm; a spacing of 0 is not valid.", path=path)
    direction = axes / lengths
    if abs(np.linalg.det(direction)) < 1e-3:
        raise FileError(f"{path}: two image axes are parallel, so the voxels have no volume.", path=path)
    lengths = lengths if spacing is None else np.asarray(spacing, float)
    direction = _straight(path, direction, lengths, size, warnings)
    if np.abs(start).max() > FAR_MM:
        warnings.append(
            f"{path.name}: the image is {np.abs(start).max():.3g} mm from the origin of the coordinate "
            "system; displays and meshes that use 32-bit coordinates are not exact there."
        )
    return Grid(
        tuple(map(int, size)), tuple(lengths.tolist()), tuple(start.tolist()), tuple(direction.ravel().tolist())
    ).canonical()


def _straight(
    path: Path, direction: np.ndarray, spacing: np.ndarray, size: Sequence[int], warnings: list[str]
) -> np.ndarray:
    """`direction` with axes at right angles: rounding is repaired and said, real shear is refused."""
    skew = direction.T @ direction - np.eye(len(direction))
    if np.abs(skew).max() <= RIGHT_ANGLE_TOLERANCE:
        return direction
    left, _, right = np.linalg.svd(direction)
    nearest = left @ right
    corners = np.array(list(product(*[(0, n - 1) for n in size])), float) * spacing
    shift = float(np.linalg.norm(corners @ (direction - nearest).T, axis=1).max())
    angle = math.degrees(math.asin(min(1.0, float(np.abs(skew).max()))))
    if shift > 0.5 * float(spacing.min()):
        raise FileError(
            f"{path}: the image axes are {angle:.3g} degrees off right angles (sheared); straightening "
            f"them would move voxels by up to {shift:.3g} mm. Resample the image to an orthogonal grid, or "
            "correct the header, first.",
            path=path,
            shear_degrees=angle,
        )
    warnings.append(
        f"{path.name}: the image axes are {angle:.2g} degrees off right angles; they were straightened, "
        f"which moves voxels by at most {shift:.2g} mm."
    )
    return nearest


def _numbers(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def bytes_text(count: float) -> str:
    """`122.9 kB` for messages."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            break
        count /= 1000
    return f"{count:.4g} {unit}"

"""What every segmenting operation hands out: segments that are not empty, and a row of numbers for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..errors import EmptyResultError
from ..geometry import Grid, image_like
from ..progress import SILENT, Progress
from ..values import Column, Labels

SEGMENT = Column("segment", "Segment", "", "Name of the segment", str)
SIZE_COLUMNS = (
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("mean", "Mean", "", "Mean intensity in the segment"),
    Column("sd", "SD", "", "Standard deviation of the intensity in the segment (n - 1)"),
    Column("status", "Status", "", "Why a number is missing", str),
)
"""The last columns of the table of a segmenting operation."""


def labels_of(chosen: Mapping[str, np.ndarray], image: sitk.Image, advice: str) -> Labels:
    """Segments by name from boolean arrays (k, j, i) on the grid of `image`.

    Raises `EmptyResultError` naming the segments without a voxel, followed by `advice`: an empty segment that looks
    like a result is worse than none.
    """
    empty = [name for name, inside in chosen.items() if not inside.any()]
    if empty:
        names = ", ".join(map(repr, empty))
        raise EmptyResultError(f"Nothing was found for {names}. {advice}", segments=len(empty))
    return part_of(chosen, image)


def part_of(chosen: Mapping[str, np.ndarray], image: sitk.Image) -> Labels:
    """The same on a part of an image, where a segment may have no voxel."""
    return Labels.from_masks([(name, image_like(inside.view(np.uint8), image)) for name, inside in chosen.items()])


def size_cells(chosen: np.ndarray, image: sitk.Image, progress: Progress = SILENT) -> dict[str, Any]:
    """The cells of `SIZE_COLUMNS` for the voxels `chosen` of a scalar image."""
    array = sitk.GetArrayViewFromImage(image)

    def moments(part: tuple[int, int]) -> tuple[int, float, float]:
        values = array[slice(*part)][chosen[slice(*part)]].astype(np.float64)
        mean = float(values.mean()) if values.size else 0.0
        return values.size, mean, float(np.square(values - mean).sum())

    count, mean, squares = 0, 0.0, 0.0
    for n, own_mean, own_squares in for_each(moments, ranges(len(array), array[:1].size), progress=progress):
        if not n:
            continue
        # Chan, Golub and LeVeque (1983): sums of squares about the mean are joined without cancellation.
        squares += own_squares + (own_mean - mean) ** 2 * count * n / (count + n)
        mean += (own_mean - mean) * n / (count + n)
        count += n
    return _cells(count, mean, squares, image)


def cells_by_number(
    numbers: np.ndarray, count: int, image: sitk.Image, progress: Progress = SILENT
) -> list[dict[str, Any]]:
    """`size_cells` for each of the numbers 1 to `count` of an array (k, j, i), in one pass over the voxels."""
    moments = zip(*moments_by_number(numbers, count, image, progress), strict=True)
    return [_cells(int(n), float(mean), float(squares), image) for n, mean, squares in moments][1:]


def moments_by_number(
    numbers: np.ndarray, count: int, image: sitk.Image, progress: Progress = SILENT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels, mean and sum of squares about the mean of a scalar image for each of the numbers 0 to `count`."""
    array = sitk.GetArrayViewFromImage(image)

    def moments(part: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own, values = numbers[slice(*part)].ravel(), array[slice(*part)].ravel().astype(np.float64)
        voxels = np.bincount(own, minlength=count + 1)
        mean = np.bincount(own, values, count + 1) / np.maximum(voxels, 1)
        values -= mean[own]
        return voxels, mean, np.bincount(own, np.square(values, out=values), count + 1)

    total, mean, squares = (np.zeros(count + 1, kind) for kind in (np.int64, np.float64, np.float64))
    parts = ranges(len(array), array[:1].size)
    for n, own_mean, own_squares in for_each(moments, parts, progress=progress, message="Measuring"):
        both, step = np.maximum(total + n, 1), own_mean - mean
        squares += own_squares + step**2 * (total * (n / both))
        mean += step * (n / both)
        total += n
    return total, mean, squares


def _cells(count: int, mean: float, squares: float, image: sitk.Image) -> dict[str, Any]:
    flat = image.GetDimension() == 2
    reasons = ["no_volume_in_2d"] * flat + ["single_voxel"] * (count == 1)
    return {
        "voxels": count,
        "volume_ml": math.nan if flat else count * Grid.of(image).voxel_volume_mm3 / 1000,
        "mean": mean if count else math.nan,
        "sd": math.sqrt(squares / (count - 1)) if count > 1 else math.nan,
        "status": " ".join(reasons),
    }

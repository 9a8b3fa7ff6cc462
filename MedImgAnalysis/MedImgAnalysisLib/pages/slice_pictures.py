"""Slices of an image with the outlines of segments, as PNG that a page holds within itself."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..resampling import resample
from ..values import Color, Labels, Segment

SIDE = 340


def slice_picture(image: sitk.Image, labels: Labels | None = None, side: int = SIDE) -> str:
    """A `data:` address of the slice (across the third axis) that shows most of the segments.

    Each segment counts by the part of its largest area that a slice shows, so a large one does not decide alone.
    Without segments the middle slice. Grey values from the 1st to the 99th percentile of the slice; pixels are
    repeated so that both axes have one scale in millimetres.
    """
    array = sitk.GetArrayFromImage(image)
    array = array[None] if array.ndim == 2 else array
    masks = _masks(image, labels)
    shown = np.zeros(len(array))
    for mask, _ in masks:
        area = mask.sum(axis=(1, 2))
        shown += area / max(1, area.max())
    index = int(np.argmax(shown)) if shown.any() else len(array) // 2
    plane = array[index].astype(np.float64)
    rows, columns = _scaled(plane.shape, Grid.of(image).spacing_kji[-2:], side)
    grey = _grey(plane)[rows][:, columns]
    pixels = np.repeat(grey[..., None], 3, axis=-1)
    for mask, colour in masks:
        inside = mask[index][rows][:, columns]
        pixels[_border(inside)] = [round(255 * part) for part in colour]
    return _png(pixels)


def _masks(image: sitk.Image, labels: Labels | None) -> list[tuple[np.ndarray, Color]]:
    found: list[tuple[np.ndarray, Color]] = []
    if labels is None:
        return found
    for segment in labels.segments:
        mask = mask_on(labels, segment, Grid.of(image))
        found.append((mask[None] if mask.ndim == 2 else mask, segment.color))
    return found


def mask_on(labels: Labels, segment: Segment, grid: Grid) -> np.ndarray:
    """The voxels of a segment on a grid (k, j, i), nearest neighbour where the grids differ."""
    mask = labels.mask(segment)
    if not Grid.of(mask).same_as(grid):
        mask = resample(mask, grid, interpolation="nearest", outside=0)
    return np.asarray(sitk.GetArrayFromImage(mask) != 0)


def _scaled(shape: tuple[int, ...], spacing: tuple[float, ...], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel of the picture, whose longer side has about `side` pixels."""
    lengths = [n * s for n, s in zip(shape, spacing)]
    sizes = [max(1, round(side * length / max(lengths))) for length in lengths]
    rows, columns = (np.minimum((np.arange(size) + 0.5) * n / size, n - 1).astype(int)
                     for size, n in zip(sizes, shape))  # fmt: skip
    return rows, columns


def _grey(plane: np.ndarray) -> np.ndarray:
    good = plane[np.isfinite(plane)]
    if not good.size:
        return np.zeros(plane.shape, np.uint8)
    low, high = np.percentile(good, (1, 99))
    if high <= low:
        low, high = float(good.min()), float(good.max())
    scaled = np.nan_to_num((plane - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def _border(inside: np.ndarray) -> np.ndarray:
    """Pixels of a mask that have a neighbour outside it."""
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def _png(pixels: np.ndarray) -> str:
    picture = sitk.GetImageFromArray(pixels, isVector=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "slice.png"
        sitk.WriteImage(picture, str(target))
        return "data:image/png;base64," + base64.b64encode(target.read_bytes()).decode()

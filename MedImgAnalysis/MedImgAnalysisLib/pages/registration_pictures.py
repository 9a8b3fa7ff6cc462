"""A registration in pictures: before, after, checkerboard, difference, volume change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..resampling import resample
from . import layers
from .layers import Draw, Layer, Picture

SQUARES = 8
"""Of the checkerboard along the longest side."""
FUSION = "Fixed green, moving magenta; where both are equally bright the sum is grey."
DIFFERENCE = (
    "Moving minus fixed, in parts of their ranges: red moving brighter, blue fixed brighter, white where the "
    "moving image does not reach. Between images of different contrast tissue differs as well."
)
ALIKE = 0.5
"""Correlation of aligned images from which they are taken for images of one contrast."""
LEAST_CHANGE, MOST_CHANGE = 1.1, 4.0
"""Volume change at the ends of the colours."""


class Aligned(NamedTuple):
    """What the pictures are made of: two images, the transform between them (fixed to moving points), det J."""

    fixed: sitk.Image
    moving: sitk.Image
    transform: sitk.Transform
    jacobian: sitk.Image | None = None


class Row(NamedTuple):
    """Pictures of one kind, with their heading and what the colours mean."""

    title: str
    caption: str
    picture: Picture


def aligned_of(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Aligned | None:
    """What a run aligned or judged, by the roles of its values; None where it did neither."""
    fixed, moving = inputs.get("fixed"), inputs.get("moving")
    if fixed is None and "reference" in inputs and "transform" in inputs:
        fixed, moving = inputs["reference"], inputs.get("image")
    transform = outputs.get("transform") or inputs.get("transform")
    if not (isinstance(fixed, sitk.Image) and isinstance(moving, sitk.Image) and isinstance(transform, sitk.Transform)):
        return None
    if not fixed.GetDimension() == moving.GetDimension() == transform.GetDimension():
        return None
    if fixed.GetNumberOfComponentsPerPixel() > 1 or moving.GetNumberOfComponentsPerPixel() > 1:
        return None
    jacobian = outputs.get("jacobian")
    return Aligned(fixed, moving, transform, jacobian if isinstance(jacobian, sitk.Image) else None)


def rows(aligned: Aligned) -> list[Row]:
    """What is drawn, in order."""
    fixed, moving = _finite(aligned.fixed), _finite(aligned.moving)
    grid, point = Grid.of(fixed), _middle(fixed)
    ways = (None, aligned.transform)
    # NaN marks what the moving image does not reach: it must not look like a difference.
    reached = [sitk.GetArrayFromImage(resample(moving, grid, way, outside=float("nan"))) for way in ways]
    (low, high), (first, last) = _ranges(sitk.GetArrayFromImage(fixed), reached[1])
    unmoved, warped = (image_like(np.nan_to_num(array, nan=first), grid) for array in reached)
    below = Layer(fixed, low, high, layers.GREEN)
    still = _scaled(sitk.GetArrayFromImage(fixed), low, high)
    before, after = (_scaled(array, first, last) for array in reached)
    found = [
        Row("Before", FUSION, Picture(below, point, Layer(unmoved, first, last, layers.MAGENTA), "sum")),
        Row("After", FUSION, Picture(below, point, Layer(warped, first, last, layers.MAGENTA), "sum")),
        Row(
            "Checkerboard",
            "Fixed and aligned moving image in turn; edges go on across the squares where they are aligned.",
            Picture(Layer(image_like(_checkerboard(still, np.nan_to_num(after), grid), grid), 0.0, 1.0), point),
        ),
    ]
    for title, other in (("Difference before", before), ("Difference after", after)):
        image = image_like(np.nan_to_num(other - still).astype(np.float32), grid)
        found.append(Row(title, DIFFERENCE, Picture(Layer(image, -0.7, 0.7, layers.DIVERGING), point)))
    if aligned.jacobian is not None:
        found.append(_volume_change(aligned.jacobian, Layer(fixed, low, high), point))
    return found


def figures(aligned: Aligned, draw: Draw) -> str:
    """The pictures as HTML."""
    parts = ["<h2>Pictures</h2>"]
    for row in rows(aligned):
        images = "".join(f'<img src="{address}" alt="{escape(row.title)}">' for address in draw(row.picture))
        parts.append(
            f"<section><h3>{escape(row.title)}</h3>"
            f'<p class="soft">{escape(row.caption)}</p><div class="planes">{images}</div></section>'
        )
    return "".join(parts)


def _volume_change(jacobian: sitk.Image, fixed: Layer, point: tuple[float, ...]) -> Row:
    """log2 of det J in colours over the fixed image; folded voxels are below the range."""
    array = sitk.GetArrayFromImage(jacobian).astype(float)
    good = array[array > 0]
    extent = float(np.percentile(np.abs(np.log2(good)), 99)) if good.size else 1.0
    extent = min(max(extent, math.log2(LEAST_CHANGE)), math.log2(MOST_CHANGE))
    # The first colours are for folded voxels and well apart from the others, which go from -extent to extent.
    values = np.where(array > 0, np.clip(np.log2(np.maximum(array, 1e-9)), -extent, extent), -2 * extent)
    low = -extent * (1 + 16 / 255)
    folded = 100 * float((array <= 0).mean())
    caption = (
        f"det J over the fixed image: blue the moving tissue is smaller (down to {2**-extent:.2g}), white 1, red "
        f"larger (up to {2**extent:.2g}); magenta folds ({folded:.3g} % of all voxels)."
    )
    layer = Layer(image_like(values.astype(np.float32), Grid.of(jacobian)), low, extent, layers.FOLDED)
    return Row("Jacobian determinant", caption, Picture(fixed, point, layer, "over", 0.6))


def _ranges(fixed: np.ndarray, warped: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Range of each image that is drawn from dark to bright.

    That of the fixed image are percentiles where the moving one reaches. The moving one gets the range that shows equal
    tissue equally bright when the aligned images go up and down together, else its own percentiles.
    """
    there = np.isfinite(warped)
    if not there.any():
        return layers.spread(fixed), layers.spread(warped)
    one, other = (array[there].astype(float)[:: max(1, int(there.sum()) >> 20)] for array in (fixed, warped))
    low, high = layers.spread(one)
    spreads = one.std(), other.std()
    if min(spreads) > 0 and np.corrcoef(one, other)[0, 1] > ALIKE:
        scale = spreads[0] / spreads[1]
        shift = one.mean() - scale * other.mean()
        return (low, high), (float((low - shift) / scale), float((high - shift) / scale))
    return (low, high), layers.spread(other)


def _finite(image: sitk.Image) -> sitk.Image:
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    return image_like(np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0), image)


def _scaled(array: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((array - low) / (high - low), 0, 1)


def _checkerboard(one: np.ndarray, other: np.ndarray, grid: Grid) -> np.ndarray:
    """Cubes of equal side in millimetres from two images in turn."""
    side = max(n * s for n, s in zip(grid.size, grid.spacing)) / SQUARES
    parity = np.zeros((1,) * one.ndim, int)
    for axis, (n, step) in enumerate(zip(reversed(grid.size), grid.spacing_kji)):
        number = np.floor((np.arange(n) + 0.5) * step / side).astype(int)
        parity = parity + number.reshape([-1 if a == axis else 1 for a in range(one.ndim)])
    return np.where(parity % 2 == 0, one, other).astype(np.float32)


def _middle(image: sitk.Image) -> tuple[float, ...]:
    """LPS centre of the bright part of an image, where the slices cross."""
    array = sitk.GetArrayViewFromImage(image)
    step = max(1, round((array.size / (1 << 19)) ** (1 / array.ndim)))
    few = array[(slice(None, None, step),) * array.ndim]
    bright = few > few.mean(dtype=float)
    index = np.argwhere(bright if bright.any() else np.ones(few.shape, bool)).mean(axis=0)[::-1] * step
    return tuple(Grid.of(image).to_physical(np.rint(index)[None])[0].tolist())

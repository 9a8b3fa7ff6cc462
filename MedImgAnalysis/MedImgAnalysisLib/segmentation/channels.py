"""Several images of one patient as channels of one sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..errors import InputError
from ..geometry import Grid, image_like
from ..progress import SILENT, Progress
from ..resampling import on_grid
from ..values import Column, Labels

SAMPLE = 50_000
"""Voxels from which classes are learned; more change the means by less than a hundredth of the SD."""


@dataclass(frozen=True, eq=False)
class Channels:
    """Arrays (k, j, i) on the grid of the first image, and where they are looked at (all if None)."""

    images: tuple[sitk.Image, ...]
    inside: np.ndarray | None

    @property
    def arrays(self) -> list[np.ndarray]:
        """Views of the images."""
        return [sitk.GetArrayViewFromImage(image) for image in self.images]

    def sample(self, seed: int) -> np.ndarray:
        """Up to `SAMPLE` voxels chosen at random, (N, c) float64."""
        shape = self.arrays[0].shape
        places = np.arange(int(np.prod(shape))) if self.inside is None else np.flatnonzero(self.inside)
        if places.size > SAMPLE:
            places = np.sort(np.random.default_rng(seed).choice(places, SAMPLE, replace=False, shuffle=False))
        return np.stack([a.ravel()[places].astype(np.float64) for a in self.arrays], axis=1)

    def scaled_sample(self, seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """The sample divided by the SD of each channel, and these SDs (c,); 1 where a channel does not vary.

        Raises `InputError` for fewer different rows than `classes`.
        """
        sample = self.sample(seed)
        scale = sample.std(axis=0)
        scale[scale == 0] = 1.0
        if len(np.unique(sample, axis=0)) < classes:
            raise InputError(f"There are fewer than {classes} different values; ask for fewer classes.")
        return sample / scale, scale

    def classified(self, classify: Callable[[np.ndarray], np.ndarray], progress: Progress = SILENT) -> np.ndarray:
        """Numbers from 1 by `classify`, which gets rows (N, c) float64 and gives numbers from 0; 0 outside. uint8."""
        arrays = self.arrays
        out = np.zeros(arrays[0].shape, np.uint8)

        def work(part: tuple[int, int]) -> None:
            cut = slice(*part)
            inside = np.ones(arrays[0][cut].shape, bool) if self.inside is None else self.inside[cut]
            rows = np.stack([a[cut][inside].astype(np.float64) for a in arrays], axis=1)
            if len(rows):
                out[cut][inside] = classify(rows) + 1

        for_each(work, ranges(len(out), out[:1].size, 1 << 18), progress=progress, message="Classifying")
        return out


def channels_of(images: Sequence[sitk.Image], mask: sitk.Image | None, progress: Progress) -> Channels:
    """The images on the grid of the first, on which the mask is already; constant ones are refused."""
    grid = Grid.of(images[0])
    moved = [images[0]]
    moved += [on_grid(one, grid, what=f"image {n}", progress=progress) for n, one in enumerate(images[1:], start=2)]
    inside = None if mask is None else sitk.GetArrayFromImage(mask) != 0
    for number, image in enumerate(moved, start=1):
        array = sitk.GetArrayViewFromImage(image)
        values = array if inside is None else array[inside]
        if values.min() == values.max():
            raise InputError(
                f"Image {number} is constant ({values.min():g}) where it is looked at; it has no classes.",
                role="images",
            )
    return Channels(tuple(moved), inside)


def class_labels(numbers: np.ndarray, names: Sequence[str], image: sitk.Image) -> Labels:
    """A segment for each class from numbers 1 to n; `InputError` where a class has no voxel."""
    present = np.bincount(numbers.ravel(), minlength=len(names) + 1)[1:]
    if not present.all():
        raise InputError(f"{np.count_nonzero(present == 0)} classes have no voxel; ask for fewer.", role="images")
    return Labels.from_labelmap(image_like(numbers, image), dict(enumerate(names, start=1)))


def class_names(names: str, count: int) -> list[str]:
    """Names separated by commas, or `Class 1` and so on; a wrong number of names and equal ones are refused."""
    given = [name.strip() for name in names.split(",") if name.strip()]
    if given and len(given) != count:
        raise InputError(f"There are {len(given)} names for {count} classes: {', '.join(given)}.")
    if len(set(given)) < len(given):
        raise InputError(f"Two classes have one name: {', '.join(given)}.")
    return given or [f"Class {n}" for n in range(1, count + 1)]


def mean_columns(count: int) -> tuple[Column, ...]:
    """Columns of the mean and SD of each channel."""
    pairs = [
        (
            Column(f"mean_{n}", f"Mean {n}", "", f"Mean of image {n} in the class"),
            Column(f"sd_{n}", f"SD {n}", "", f"Standard deviation of image {n} in the class (n - 1)"),
        )
        for n in range(1, count + 1)
    ]
    return tuple(column for pair in pairs for column in pair)

"""Segments on another grid through a transform; names, colours, tags and overlaps stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..progress import Progress
from ..resampling import resample
from ..values import Labels
from .definition import on_slab
from .reach import check_reach, grid_of, same_dimension
from .warping import warped_labels


def moved(
    labels: Labels, transform: sitk.Transform, reference: sitk.Image | None, smooth: bool, progress: Progress
) -> Labels:
    """The segments at T(x) for the voxel centres x of the reference (their own grid if None).

    With `smooth` each voxel goes to the segment of its layer with the largest linearly interpolated share, background
    included; else to that of the nearest voxel. Raises `InputError` for 2-D with 3-D and where nothing overlaps.
    """
    if not labels.segments:
        raise InputError("The segmentation has no segments.", role="labels")
    same_dimension(transform, labels.grid.dimension, "segmentation", "labels")
    grid = labels.grid
    if reference is not None:
        same_dimension(transform, reference.GetDimension(), "reference", "reference")
        grid = grid_of(reference, progress)
    check_reach(labels.grid, transform, grid, "segmentation", progress)
    return _by_share(labels, transform, grid, progress) if smooth else warped_labels(labels, transform, grid, progress)


def _by_share(labels: Labels, transform: sitk.Transform, grid: Grid, progress: Progress) -> Labels:
    way = on_slab(transform, grid)
    layers = []
    done = 0
    for number, layer in enumerate(labels.layers):
        best = np.zeros(grid.size[::-1], np.float32)
        total = np.zeros_like(best)
        winner = np.zeros(best.shape, sitk.GetArrayViewFromImage(layer).dtype)
        for segment in labels.segments:
            if segment.layer != number:
                continue
            progress.report(done / len(labels.segments), f"Segment {segment.name}")
            mask = sitk.Cast(sitk.Equal(layer, segment.value), sitk.sitkFloat32)
            part = progress.part(done / len(labels.segments), (done + 1) / len(labels.segments))
            share = sitk.GetArrayFromImage(resample(mask, grid, way, "linear", 0.0, progress=part))
            done += 1
            total += share
            larger = share > best
            winner[larger] = segment.value
            best[larger] = share[larger]
        winner[best < 1 - total] = 0
        layers.append(image_like(winner, grid))
    return replace(labels, layers=tuple(layers))

"""STAPLE and its multi-label form, by SimpleITK, with the cases in which there is nothing to estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..progress import Progress, waited


@dataclass(frozen=True, eq=False)
class Joined:
    """A consensus on some domain: booleans (k, j, i), and what the method says about the raters."""

    inside: np.ndarray
    sensitivities: Sequence[float] | None = None
    specificities: Sequence[float] | None = None
    ties: int | None = None
    iterations: int | None = None


@dataclass(frozen=True, eq=False)
class JoinedLabels:
    """A label image (k, j, i) and per label (from 1) the sensitivities of the raters."""

    labels: np.ndarray
    sensitivities: list[list[float]]


def binary(masks: Sequence[np.ndarray], threshold: float, max_iterations: int, progress: Progress) -> Joined:
    """STAPLE of masks of one structure.

    When all raters agree everywhere there is nothing to estimate: the consensus is what all say.
    """
    if all(np.array_equal(masks[0], mask) for mask in masks[1:]):
        return Joined(masks[0].copy())
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1.0)
    filter_.SetMaximumIterations(max_iterations)
    images = [_image(mask.astype(np.uint8)) for mask in masks]
    weights = sitk.GetArrayFromImage(waited(filter_.Execute, images, progress=progress))
    iterations = int(filter_.GetElapsedIterations())
    if iterations >= max_iterations:
        progress.warn(f"STAPLE did not settle within {max_iterations} steps; raise max_iterations.")
    inside = (weights >= threshold).reshape(masks[0].shape)
    return Joined(inside, list(filter_.GetSensitivity()), list(filter_.GetSpecificity()), None, iterations)


def multi_label(labels: Sequence[np.ndarray], count: int, max_iterations: int, progress: Progress) -> JoinedLabels:
    """Multi-label STAPLE of label images with values 0 (background) to `count`.

    A voxel at which two labels are equally likely is background. The sensitivity of a rater for a label is
    the diagonal element of the estimated confusion matrix, divided by its column where that is not normalised.
    """
    filter_ = sitk.MultiLabelSTAPLEImageFilter()
    filter_.SetLabelForUndecidedPixels(0)
    filter_.SetMaximumNumberOfIterations(max_iterations)
    joined = waited(filter_.Execute, [_image(array) for array in labels], progress=progress)
    present = max(int(array.max()) for array in labels)
    sensitivities: list[list[float]] = [[] for _ in range(count)]
    for rater in range(len(labels)):
        matrix = np.array(filter_.GetConfusionMatrix(rater), float).reshape(-1, present + 1)
        for label in range(1, count + 1):
            # Rows are what the rater says (the last one: nothing), columns the truth.
            column = matrix[:, label].sum() if label <= present else 0.0
            sensitivities[label - 1].append(float(matrix[label, label] / column) if column else float("nan"))
    return JoinedLabels(sitk.GetArrayFromImage(joined).reshape(labels[0].shape), sensitivities)


def _image(array: np.ndarray) -> sitk.Image:
    """A 2-D image for one slice, since some filters cannot do with a single one."""
    return sitk.GetImageFromArray(array[0] if array.shape[0] == 1 else array)

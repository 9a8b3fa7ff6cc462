"""How fast a front may go: 1 in even regions, towards 0 at edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.differences import gradient_magnitude
from ..kernels.gaussian import smooth
from ..progress import SILENT, Progress, waited
from .working_values import centred

AUTOMATIC_PERCENTILE = 70.0


def edge_speed(
    image: sitk.Image, sigma_mm: float, edge: float | None, progress: Progress = SILENT, power: float = 2.0
) -> tuple[np.ndarray, float]:
    """1 / (1 + (|grad| / edge)^power) as float32 (k, j, i), and the `edge` that was used, in units of the image per mm.

    The gradient is that of the image smoothed by a Gaussian of `sigma_mm`. Without `edge` it is the 70th percentile of
    the gradient; an image without gradients is refused.
    """
    array = sitk.GetArrayViewFromImage(image)
    if edge is None and array.min() == array.max():
        raise InputError("The image is constant around the seeds; there is no edge to stop at.", role="image")
    gradient = slopes(image, sigma_mm, progress)
    if edge is None:
        if not gradient.any():
            raise InputError("The image has no slope around the seeds; there is no edge to stop at.", role="image")
        edge = waited(_usual_edge, gradient, progress=progress)
    return waited(_speed, gradient, edge, power, progress=progress), edge


def _usual_edge(gradient: np.ndarray) -> float:
    # Half of a large image is often air without any slope; it says nothing about edges.
    return float(np.percentile(gradient[gradient > gradient.max() * 1e-3], AUTOMATIC_PERCENTILE))


def _speed(gradient: np.ndarray, edge: float, power: float) -> np.ndarray:
    gradient /= np.float32(edge)
    np.power(gradient, power, out=gradient)
    gradient += 1
    return np.reciprocal(gradient, out=gradient)


def slopes(image: sitk.Image, sigma_mm: float, progress: Progress = SILENT) -> np.ndarray:
    """Magnitude of the gradient per millimetre after a Gaussian of `sigma_mm`, float32 (k, j, i)."""
    spacing: Sequence[float] = Grid.of(image).spacing_kji
    array, _ = centred(sitk.GetArrayViewFromImage(image))
    if sigma_mm > 0:
        array = smooth(array, [sigma_mm / s for s in spacing], progress.part(0.0, 0.7))
    return gradient_magnitude(array, spacing, progress.part(0.7, 1.0)).astype(np.float32, copy=False)

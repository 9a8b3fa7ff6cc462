"""How strong the noise is: what the user says, or an estimate from the finest wavelet details."""

from __future__ import annotations

import numpy as np

from ..kernels.wavelets import noise_sigma
from ..progress import Progress


def noise_level(given: float | None, array: np.ndarray, progress: Progress) -> float:
    """Standard deviation of the noise in the unit of the values; 0, with a warning, where none is found."""
    if given is not None:
        return given
    level = noise_sigma(array, progress)
    if level == 0:
        progress.warn("No noise was found, so nothing was filtered; give the noise if there is some.")
    return level

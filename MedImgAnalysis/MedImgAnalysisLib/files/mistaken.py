"""Images that were taken for label images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from ..values import Labels

MANY = 100
"""Label values from which on a label image is looked at more closely; atlases of the brain have more."""


def say_image(path: Path, labels: Labels, progress: Progress) -> None:
    """Warn when a label image looks like an image: of values below 0, or of many that change from voxel to voxel."""
    below = [segment.value for segment in labels.segments if segment.value < 0]
    if below:
        what = f"{len(below)} of {len(labels.segments)} label values are below 0, down to {min(below)}"
    elif len(labels.segments) > MANY and _restless(sitk.GetArrayViewFromImage(labels.layers[0])):
        what = f"there are {len(labels.segments)} label values, and neighbouring voxels differ as a rule"
    else:
        return
    progress.warn(
        f"{path.name}: {what}; each is taken as a segment. If this is an image and not a label image, choose another "
        "file."
    )


def _restless(array: np.ndarray) -> bool:
    """Whether most neighbours in a row that are both labelled have different values."""
    both = alike = 0
    for plane in array if array.ndim > 2 else array[None]:
        labelled = (plane[:, 1:] != 0) & (plane[:, :-1] != 0)
        both += int(np.count_nonzero(labelled))
        alike += int(np.count_nonzero(labelled & (plane[:, 1:] == plane[:, :-1])))
    return alike < both / 2

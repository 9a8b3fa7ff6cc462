"""The standard intensity scale of a cohort: percentiles of each image as landmarks (Nyul, Udupa and Zhang 2000)."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..kernels.ranks import percentiles
from ..progress import Progress
from ..values import Column, Measurements
from .normalising import inside_of, mean_and_sd, require_spread

DECILES = tuple(range(10, 100, 10))
PERCENT, VALUE = "percent", "value"

COLUMNS = (
    Column(PERCENT, "Percentile", "%", "Share of the voxels that are below"),
    Column(VALUE, "Standard value", "", "Mean over the cohort on the standard scale"),
    Column("sd", "SD", "", "Sample standard deviation over the cohort (n - 1); large where images disagree"),
    Column("images", "Images", "", "Images that were learnt from", int),
    Column("voxels", "Voxels", "", "Voxels to look at in images without a mask: all or above_mean", str),
    Column("status", "Status", "", "Why a number is missing", str),
)


def landmarks_of(
    image: sitk.Image, mask: sitk.Image | None, percent: np.ndarray, voxels: str, what: str, progress: Progress
) -> np.ndarray:
    """The percentiles of the voxels of the mask; without one of all voxels or of those above the mean."""
    array, inside = sitk.GetArrayViewFromImage(image), inside_of(mask)
    if inside is None and voxels == "above_mean":
        mean, sd = mean_and_sd(array, None, progress.part(0.0, 0.4))
        require_spread(mean, mean + (0.0 if math.isnan(sd) else sd), "standardised", what)
        inside = array > mean
    found = percentiles(array, percent.tolist(), inside, progress.part(0.4, 1.0))
    between = f" between its percentiles {percent[0]:g} and {percent[-1]:g}"
    require_spread(float(found[0]), float(found[-1]), "standardised", what, between)
    return found


def scale_of(table: Measurements) -> tuple[np.ndarray, np.ndarray, str]:
    """Percentiles, standard values and the word for voxels of a learnt table; `InputError` when it is not one."""
    keys = {column.key for column in table.columns}
    if not {PERCENT, VALUE} <= keys or len(table.rows) < 2:
        raise InputError(
            f"The table is not a standard scale: it needs the columns {PERCENT} and {VALUE} and two rows or more; "
            "learn_standard_scale makes one.",
            role="scale",
        )
    try:
        percent, value = (np.array(table.column(key), float) for key in (PERCENT, VALUE))
    except (TypeError, ValueError):
        raise InputError(f"The columns {PERCENT} and {VALUE} of the scale must be numbers.", role="scale") from None
    rising = all(np.isfinite(a).all() and (np.diff(a) > 0).all() for a in (percent, value))
    if not rising or percent[0] < 0 or percent[-1] > 100:
        raise InputError(
            "The standard scale must rise: percentiles from 0 to 100 and their values, each above the one before.",
            role="scale",
        )
    word = str(table.rows[0].get("voxels") or "all")
    if word not in ("all", "above_mean"):
        raise InputError(f"The scale asks for the voxels {word!r}; it must be all or above_mean.", role="scale")
    return percent, value, word

"""Grey level distance zone matrix: how far areas of one level are from the border (IBSI family VMDZ)."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...progress import Progress
from .feature import Feature
from .matrix import Events, Numbers, aggregated, emphases
from .region import Levels
from .zones import Zones

FEATURES = (
    Feature("dzm_sde", "0GBI", "Small distance emphasis", "sum d_ij / j^2 / N_s; i level, j distance, d_ij zones"),
    Feature("dzm_lde", "MB4I", "Large distance emphasis", "sum d_ij j^2 / N_s"),
    Feature("dzm_lgze", "S1RA", "Low grey level zone emphasis (distance)", "sum d_ij / i^2 / N_s"),
    Feature("dzm_hgze", "K26C", "High grey level zone emphasis (distance)", "sum d_ij i^2 / N_s"),
    Feature("dzm_sdlge", "RUVG", "Small distance low grey level emphasis", "sum d_ij / (i^2 j^2) / N_s"),
    Feature("dzm_sdhge", "DKNJ", "Small distance high grey level emphasis", "sum d_ij i^2 / j^2 / N_s"),
    Feature("dzm_ldlge", "A7WM", "Large distance low grey level emphasis", "sum d_ij j^2 / i^2 / N_s"),
    Feature("dzm_ldhge", "KLTH", "Large distance high grey level emphasis", "sum d_ij i^2 j^2 / N_s"),
    Feature("dzm_glnu", "VFT7", "Grey level non-uniformity (distance)", "sum_i (sum_j d_ij)^2 / N_s"),
    Feature("dzm_glnu_norm", "7HP3", "Normalised grey level non-uniformity (distance)", "The same / N_s"),
    Feature("dzm_zdnu", "V294", "Zone distance non-uniformity", "sum_j (sum_i d_ij)^2 / N_s"),
    Feature("dzm_zdnu_norm", "IATH", "Normalised zone distance non-uniformity", "The same / N_s"),
    Feature("dzm_z_perc", "VIWW", "Zone percentage (distance)", "N_s / voxels"),
    Feature("dzm_gl_var", "QK93", "Grey level variance (distance)", "Variance of i over zones"),
    Feature("dzm_zd_var", "7WT1", "Zone distance variance", "Variance of j over zones"),
    Feature("dzm_zd_entr", "GBDU", "Zone distance entropy", "-sum p_ij log2 p_ij", "bit"),
)


def border_distance(shape: np.ndarray, aggregation: str) -> np.ndarray:
    """Steps over faces to leave the morphological mask, 1 for voxels at its border; per slice for 2-D and 2.5-D.

    Beyond the box of the array is outside.
    """
    from scipy import ndimage

    padded = np.pad(shape, 1)
    if aggregation.startswith("3D"):
        return ndimage.distance_transform_cdt(padded, metric="taxicab")[1:-1, 1:-1, 1:-1]
    slices = [ndimage.distance_transform_cdt(layer, metric="taxicab") for layer in padded[1:-1]]
    return np.stack(slices)[:, 1:-1, 1:-1]


def distance_zone(
    levels: Levels, found: Zones, shape: np.ndarray, inside: np.ndarray, aggregation: str, progress: Progress
) -> Numbers:
    """All features of the family for one aggregation (Thibault 2014); zones are as far as their nearest voxel."""
    progress.check()
    steps = border_distance(shape, aggregation)[inside]
    progress.check()
    distance = np.full(found.size.size, np.iinfo(np.int64).max)
    np.minimum.at(distance, found.zone, steps)
    order = np.argsort(found.slice, kind="stable")
    voxels = np.bincount(levels.slice, minlength=levels.box[0] - 2)
    events = [Events(found.level[order], distance[order], found.slice[order], voxels)]
    measure = partial(emphases, tags=[feature.tag for feature in FEATURES])
    return aggregated(events, aggregation, measure, FEATURES, progress)

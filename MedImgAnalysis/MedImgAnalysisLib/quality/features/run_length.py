"""Grey level run length matrix: how many voxels of one level follow each other (IBSI family TP0I)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...progress import Progress
from .feature import Feature
from .matrix import Events, Numbers, aggregated, emphases
from .region import Levels, directions

FEATURES = (
    Feature("rlm_sre", "22OV", "Short runs emphasis", "sum r_ij / j^2 / N_s; i level, j length, r_ij runs"),
    Feature("rlm_lre", "W4KF", "Long runs emphasis", "sum r_ij j^2 / N_s"),
    Feature("rlm_lgre", "V3SW", "Low grey level run emphasis", "sum r_ij / i^2 / N_s"),
    Feature("rlm_hgre", "G3QZ", "High grey level run emphasis", "sum r_ij i^2 / N_s"),
    Feature("rlm_srlge", "HTZT", "Short run low grey level emphasis", "sum r_ij / (i^2 j^2) / N_s"),
    Feature("rlm_srhge", "GD3A", "Short run high grey level emphasis", "sum r_ij i^2 / j^2 / N_s"),
    Feature("rlm_lrlge", "IVPO", "Long run low grey level emphasis", "sum r_ij j^2 / i^2 / N_s"),
    Feature("rlm_lrhge", "3KUM", "Long run high grey level emphasis", "sum r_ij i^2 j^2 / N_s"),
    Feature("rlm_glnu", "R5YN", "Grey level non-uniformity of runs", "sum_i (sum_j r_ij)^2 / N_s"),
    Feature("rlm_glnu_norm", "OVBL", "Normalised grey level non-uniformity of runs", "The same / N_s"),
    Feature("rlm_rlnu", "W92Y", "Run length non-uniformity", "sum_j (sum_i r_ij)^2 / N_s"),
    Feature("rlm_rlnu_norm", "IC23", "Normalised run length non-uniformity", "The same / N_s"),
    Feature("rlm_r_perc", "9ZK5", "Run percentage", "N_s / voxels; merged directions count the voxels each"),
    Feature("rlm_gl_var", "8CE5", "Grey level variance of runs", "Variance of i over runs"),
    Feature("rlm_rl_var", "SXLW", "Run length variance", "Variance of j over runs"),
    Feature("rlm_rl_entr", "HJ9O", "Run entropy", "-sum p_ij log2 p_ij", "bit"),
)


def runs(levels: Levels, aggregation: str, progress: Progress) -> Iterator[Events]:
    """Runs of voxels of one level, per direction."""
    voxels = np.bincount(levels.slice, minlength=levels.box[0] - 2)
    for direction in directions(aggregation):
        step = levels.offset(direction)
        first = levels.flat[levels.at - step] != levels.level
        start, level = levels.at[first], levels.level[first]
        length = np.ones(start.size, np.int32)
        # All runs grow by a voxel at a time until none goes on.
        going = np.arange(start.size)
        place = start
        while going.size:
            progress.check()
            place = place + step
            same = levels.flat[place] == level[going]
            going, place = going[same], place[same]
            length[going] += 1
        yield Events(level, length, levels.slice[first], voxels)


def run_length(levels: Levels, aggregation: str, progress: Progress) -> Numbers:
    """All features of the family for one aggregation (Galloway 1975)."""
    events = runs(levels, aggregation, progress)
    measure = partial(emphases, tags=[feature.tag for feature in FEATURES])
    return aggregated(events, aggregation, measure, FEATURES, progress)

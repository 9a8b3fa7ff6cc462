"""Each voxel against its neighbours: grey tone differences (IPET) and grey level dependence (REK0) of IBSI."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from ...progress import Progress
from .feature import Feature
from .matrix import Events, Numbers, aggregated, emphases
from .region import Levels, directions

DIFFERENCE_FEATURES = (
    Feature(
        "ngt_coarseness", "QCDE", "Coarseness", "1 / sum p_i s_i, at most 1e6; s_i sum of |i - mean of neighbours|"
    ),
    Feature("ngt_contrast", "65HE", "Contrast of neighbourhoods", "Spread of levels times mean difference"),
    Feature("ngt_busyness", "NQ30", "Busyness", "sum p_i s_i / sum |i p_i - j p_j|, 0 for one level"),
    Feature("ngt_complexity", "HDEZ", "Complexity", "sum |i - j| (p_i s_i + p_j s_j) / (p_i + p_j) / N"),
    Feature("ngt_strength", "1X9X", "Strength", "sum (p_i + p_j) (i - j)^2 / sum s_i, 0 when that is 0"),
)
DEPENDENCE_FEATURES = (
    Feature("ngl_lde", "SODN", "Low dependence emphasis", "sum s_ij / j^2 / N_s; i level, j dependence, s_ij voxels"),
    Feature("ngl_hde", "IMOQ", "High dependence emphasis", "sum s_ij j^2 / N_s"),
    Feature("ngl_lgce", "TL9H", "Low grey level count emphasis", "sum s_ij / i^2 / N_s"),
    Feature("ngl_hgce", "OAE7", "High grey level count emphasis", "sum s_ij i^2 / N_s"),
    Feature("ngl_ldlge", "EQ3F", "Low dependence low grey level emphasis", "sum s_ij / (i^2 j^2) / N_s"),
    Feature("ngl_ldhge", "JA6D", "Low dependence high grey level emphasis", "sum s_ij i^2 / j^2 / N_s"),
    Feature("ngl_hdlge", "NBZI", "High dependence low grey level emphasis", "sum s_ij j^2 / i^2 / N_s"),
    Feature("ngl_hdhge", "9QMG", "High dependence high grey level emphasis", "sum s_ij i^2 j^2 / N_s"),
    Feature("ngl_glnu", "FP8K", "Grey level non-uniformity of dependence", "sum_i (sum_j s_ij)^2 / N_s"),
    Feature("ngl_glnu_norm", "5SPA", "Normalised grey level non-uniformity of dependence", "The same / N_s"),
    Feature("ngl_dcnu", "Z87G", "Dependence count non-uniformity", "sum_j (sum_i s_ij)^2 / N_s"),
    Feature("ngl_dcnu_norm", "OKJI", "Normalised dependence count non-uniformity", "The same / N_s"),
    Feature("ngl_dc_perc", "6XV8", "Dependence count percentage", "N_s / voxels; 1 by definition"),
    Feature("ngl_gl_var", "1PFV", "Grey level variance of dependence", "Variance of i over voxels"),
    Feature("ngl_dc_var", "DNX2", "Dependence count variance", "Variance of j over voxels"),
    Feature("ngl_dc_entr", "FCBV", "Dependence count entropy", "-sum p_ij log2 p_ij", "bit"),
    Feature("ngl_dc_energy", "CAS9", "Dependence count energy", "sum p_ij^2"),
)
COARSEST = 1e6


def tone_difference(levels: Levels, aggregation: str, progress: Progress) -> Numbers:
    """All features of the difference family for one aggregation (Amadasun and King 1989), Chebyshev distance 1.

    Voxels without a neighbour inside the region are left out.
    """
    total, count = np.zeros(levels.at.size), np.zeros(levels.at.size)
    for other in _neighbours(levels, aggregation, progress):
        total += other
        count += other > 0
    good = count > 0
    level, slices = levels.level[good], levels.slice[good]
    difference = np.abs(level - total[good] / count[good])
    if not aggregation.startswith("2D"):
        parts = [slice(None)]
    else:
        edges = np.searchsorted(slices, np.arange(levels.box[0] - 1))
        parts = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    results = [_differences(level[part], difference[part]) for part in parts if level[part].size]
    if not results:
        return {feature.tag: math.nan for feature in DIFFERENCE_FEATURES}
    return {f.tag: math.fsum(r[f.tag] for r in results) / len(results) for f in DIFFERENCE_FEATURES}


def _neighbours(levels: Levels, aggregation: str, progress: Progress) -> Iterator[np.ndarray]:
    """For each voxel the level of one neighbour after the other, 0 outside."""
    for direction in directions(aggregation):
        step = levels.offset(direction)
        for sign in (1, -1):
            progress.check()
            yield levels.flat[levels.at + sign * step]


def _differences(level: np.ndarray, difference: np.ndarray) -> Numbers:
    n = np.bincount(level).astype(float)
    s = np.bincount(level, difference)
    i = np.flatnonzero(n).astype(float)
    s, p = s[n > 0], n[n > 0] / level.size
    product = float(p @ s)
    numbers = {"ngt_coarseness": min(1 / product, COARSEST) if product > 0 else COARSEST}
    many = len(i)
    gap = i[:, None] - i[None, :]
    spread = float((p[:, None] * p[None, :] * gap**2).sum())
    numbers["ngt_contrast"] = spread / (many * (many - 1)) * float(s.sum()) / level.size if many > 1 else 0.0
    weights = i * p
    busy = float(np.abs(weights[:, None] - weights[None, :]).sum())
    numbers["ngt_busyness"] = product / busy if busy > 0 else 0.0
    ps = p * s
    numbers["ngt_complexity"] = (
        float((np.abs(gap) * (ps[:, None] + ps[None, :]) / (p[:, None] + p[None, :])).sum()) / level.size
    )
    strength = float(((p[:, None] + p[None, :]) * gap**2).sum())
    numbers["ngt_strength"] = strength / float(s.sum()) if s.sum() > 0 else 0.0
    return numbers


def dependence(levels: Levels, aggregation: str, progress: Progress) -> Numbers:
    """All features of the dependence family for one aggregation (Sun and Wee 1983), distance 1, coarseness 0.

    The dependence of a voxel is 1 plus the number of its neighbours with the same level.
    """
    alike = np.ones(levels.at.size, np.int64)
    for other in _neighbours(levels, aggregation, progress):
        alike += other == levels.level
    voxels = np.bincount(levels.slice, minlength=levels.box[0] - 2)
    events = [Events(levels.level, alike, levels.slice, voxels)]
    measure = partial(emphases, tags=[feature.tag for feature in DEPENDENCE_FEATURES])
    return aggregated(events, aggregation, measure, DEPENDENCE_FEATURES, progress)

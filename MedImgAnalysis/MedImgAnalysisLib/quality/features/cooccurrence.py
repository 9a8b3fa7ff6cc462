"""Grey level co-occurrence matrix: which levels lie beside each other (IBSI family LFYI)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from ...progress import Progress
from .feature import Feature
from .matrix import Cells, Events, Numbers, aggregated, entropy
from .region import Levels, directions

_P = "p_ij symmetric, neighbours at Chebyshev distance 1"
FEATURES = (
    Feature("cm_joint_max", "GYBY", "Joint maximum", f"max p_ij; {_P}"),
    Feature("cm_joint_avg", "60VM", "Joint average", "sum i p_ij"),
    Feature("cm_joint_var", "UR99", "Joint variance", "sum (i - mu)^2 p_ij"),
    Feature("cm_joint_entr", "TU9B", "Joint entropy", "-sum p_ij log2 p_ij", "bit"),
    Feature("cm_diff_avg", "TF7R", "Difference average", "Mean of |i - j|"),
    Feature("cm_diff_var", "D3YU", "Difference variance", "Variance of |i - j|"),
    Feature("cm_diff_entr", "NTRS", "Difference entropy", "Entropy of |i - j|", "bit"),
    Feature("cm_sum_avg", "ZGXS", "Sum average", "Mean of i + j"),
    Feature("cm_sum_var", "OEEB", "Sum variance", "Variance of i + j"),
    Feature("cm_sum_entr", "P6QZ", "Sum entropy", "Entropy of i + j", "bit"),
    Feature("cm_energy", "8ZQL", "Angular second moment", "sum p_ij^2"),
    Feature("cm_contrast", "ACUI", "Contrast", "sum (i - j)^2 p_ij"),
    Feature("cm_dissimilarity", "8S9J", "Dissimilarity", "sum |i - j| p_ij"),
    Feature("cm_inv_diff", "IB1Z", "Inverse difference", "sum p_ij / (1 + |i - j|)"),
    Feature("cm_inv_diff_norm", "NDRX", "Normalised inverse difference", "sum p_ij / (1 + |i - j| / N_g)"),
    Feature("cm_inv_diff_mom", "WF0Z", "Inverse difference moment", "sum p_ij / (1 + (i - j)^2)"),
    Feature(
        "cm_inv_diff_mom_norm", "1QCO", "Normalised inverse difference moment", "sum p_ij / (1 + (i - j)^2 / N_g^2)"
    ),
    Feature("cm_inv_var", "E8JP", "Inverse variance", "2 sum_i<j p_ij / (i - j)^2"),
    Feature("cm_corr", "NI2N", "Correlation", "(sum i j p_ij - mu^2) / variance, 1 when the variance is 0"),
    Feature("cm_auto_corr", "QWB0", "Autocorrelation", "sum i j p_ij"),
    Feature("cm_clust_tend", "DG8W", "Cluster tendency", "sum (i + j - 2 mu)^2 p_ij"),
    Feature("cm_clust_shade", "7NFM", "Cluster shade", "sum (i + j - 2 mu)^3 p_ij"),
    Feature("cm_clust_prom", "AE86", "Cluster prominence", "sum (i + j - 2 mu)^4 p_ij"),
    Feature("cm_info_corr1", "R8DG", "Information correlation 1", "(HXY - HXY1) / HX, entropies in bits"),
    Feature("cm_info_corr2", "JN9H", "Information correlation 2", "sqrt(1 - exp(-2 (HXY2 - HXY)))"),
)


def pairs(levels: Levels, aggregation: str, progress: Progress) -> Iterator[Events]:
    """Neighbours both inside, per direction, each pair once; the matrix is made symmetric later."""
    voxels = np.bincount(levels.slice, minlength=levels.box[0] - 2)
    for direction in directions(aggregation):
        progress.check()
        other = levels.flat[levels.at + levels.offset(direction)]
        good = other > 0
        yield Events(levels.level[good], other[good], levels.slice[good], voxels)


def cooccurrence(levels: Levels, aggregation: str, progress: Progress) -> Numbers:
    """All features of the family for one aggregation (Haralick 1973); no distance weighting."""
    events = pairs(levels, aggregation, progress)
    return aggregated(events, aggregation, partial(_features, count=levels.count), FEATURES, progress)


def _features(matrix: Cells, count: int) -> Numbers:
    matrix = matrix.mirrored()
    i, j = matrix.i.astype(float), matrix.j.astype(float)
    p = matrix.n / matrix.n.sum()
    gap, total = np.abs(matrix.i - matrix.j), matrix.i + matrix.j
    margin = np.bincount(matrix.i, p)
    mu = float(p @ i)
    variance = float(p @ (i - mu) ** 2)
    by_gap, by_sum = np.bincount(gap, p), np.bincount(total, p)
    gaps, sums = np.arange(len(by_gap)), np.arange(len(by_sum))
    gap_mean, sum_mean = float(by_gap @ gaps), float(by_sum @ sums)
    cluster = total - 2 * mu
    hxy, hx = entropy(p), entropy(margin)
    chance = margin[matrix.i] * margin[matrix.j]
    hxy1 = -float(p @ np.log2(chance))
    # The entropy of independent levels is the sum of the two of each.
    hxy2 = 2 * hx
    d, d2 = gap.astype(float), gap.astype(float) ** 2
    return {
        "cm_joint_max": float(p.max()),
        "cm_joint_avg": mu,
        "cm_joint_var": variance,
        "cm_joint_entr": hxy,
        "cm_diff_avg": gap_mean,
        "cm_diff_var": float(by_gap @ (gaps - gap_mean) ** 2),
        "cm_diff_entr": entropy(by_gap),
        "cm_sum_avg": sum_mean,
        "cm_sum_var": float(by_sum @ (sums - sum_mean) ** 2),
        "cm_sum_entr": entropy(by_sum),
        "cm_energy": float(p @ p),
        "cm_contrast": float(p @ d2),
        "cm_dissimilarity": float(p @ d),
        "cm_inv_diff": float((p / (1 + d)).sum()),
        "cm_inv_diff_norm": float((p / (1 + d / count)).sum()),
        "cm_inv_diff_mom": float((p / (1 + d2)).sum()),
        "cm_inv_diff_mom_norm": float((p / (1 + d2 / count**2)).sum()),
        "cm_inv_var": float((by_gap[1:] / gaps[1:] ** 2).sum()),
        "cm_corr": (float(p @ (i * j)) - mu * mu) / variance if variance > 0 else 1.0,
        "cm_auto_corr": float(p @ (i * j)),
        "cm_clust_tend": float(p @ cluster**2),
        "cm_clust_shade": float(p @ cluster**3),
        "cm_clust_prom": float(p @ cluster**4),
        "cm_info_corr1": (hxy - hxy1) / hx if hx > 0 else math.nan,
        "cm_info_corr2": math.sqrt(max(0.0, 1 - math.exp(-2 * (hxy2 - hxy)))),
    }

"""Histogram of the grey levels in a region (IBSI family ZVCW)."""

from __future__ import annotations

import numpy as np

from ..findings import Findings
from .feature import Feature
from .statistics import HISTOGRAM_FEATURES, put_statistics

FEATURES = (
    *HISTOGRAM_FEATURES,
    Feature("ih_mode", "AMMC", "Grey levels, mode", "Most frequent grey level; of several the one nearest the mean"),
    Feature("ih_entropy", "TLU2", "Grey levels, entropy", "-sum p log2 p", "bit"),
    Feature("ih_uniformity", "BJ5W", "Grey levels, uniformity", "Sum of p^2"),
    Feature("ih_max_grad", "12CE", "Maximum histogram gradient", "Largest central difference of the counts"),
    Feature("ih_max_grad_g", "8E6O", "Maximum histogram gradient level", "Grey level of the largest gradient"),
    Feature("ih_min_grad", "VQB3", "Minimum histogram gradient", "Smallest central difference of the counts"),
    Feature("ih_min_grad_g", "RHQZ", "Minimum histogram gradient level", "Grey level of the smallest gradient"),
)


def put_histogram(found: Findings, levels: np.ndarray, count: int) -> None:
    """All features of the family, from grey levels 1 to `count`; bins without voxels count in the gradient."""
    put_statistics(found, levels, "ih_")
    if not levels.size:
        found.missing("empty_region", *(f.tag for f in FEATURES[len(HISTOGRAM_FEATURES) :]))
        return
    n = np.bincount(levels, minlength=count + 1)[1:]
    p = n[n > 0] / levels.size
    frequent = np.flatnonzero(n == n.max()) + 1
    mean = float(levels.mean())
    found.put("ih_mode", float(min(frequent, key=lambda level: (abs(level - mean), level))))
    found.put("ih_entropy", max(0.0, -float((p * np.log2(p)).sum())))
    found.put("ih_uniformity", float((p * p).sum()))
    if len(n) < 2:
        found.missing("single_level", "ih_max_grad", "ih_max_grad_g", "ih_min_grad", "ih_min_grad_g")
        return
    gradient = np.gradient(n.astype(float))
    found.put("ih_max_grad", float(gradient.max()))
    found.put("ih_max_grad_g", float(np.argmax(gradient)) + 1)
    found.put("ih_min_grad", float(gradient.min()))
    found.put("ih_min_grad_g", float(np.argmin(gradient)) + 1)

"""Grey level size zone matrix: how large connected areas of one level are (IBSI family 9SAK)."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...progress import Progress
from .feature import Feature
from .matrix import Events, Numbers, aggregated, emphases
from .region import Levels
from .zones import Zones

FEATURES = (
    Feature("szm_sze", "5QRC", "Small zone emphasis", "sum s_ij / j^2 / N_s; i level, j voxels, s_ij zones"),
    Feature("szm_lze", "48P8", "Large zone emphasis", "sum s_ij j^2 / N_s"),
    Feature("szm_lgze", "XMSY", "Low grey level zone emphasis", "sum s_ij / i^2 / N_s"),
    Feature("szm_hgze", "5GN9", "High grey level zone emphasis", "sum s_ij i^2 / N_s"),
    Feature("szm_szlge", "5RAI", "Small zone low grey level emphasis", "sum s_ij / (i^2 j^2) / N_s"),
    Feature("szm_szhge", "HW1V", "Small zone high grey level emphasis", "sum s_ij i^2 / j^2 / N_s"),
    Feature("szm_lzlge", "YH51", "Large zone low grey level emphasis", "sum s_ij j^2 / i^2 / N_s"),
    Feature("szm_lzhge", "J17V", "Large zone high grey level emphasis", "sum s_ij i^2 j^2 / N_s"),
    Feature("szm_glnu", "JNSA", "Grey level non-uniformity of zones", "sum_i (sum_j s_ij)^2 / N_s"),
    Feature("szm_glnu_norm", "Y1RO", "Normalised grey level non-uniformity of zones", "The same / N_s"),
    Feature("szm_zsnu", "4JP3", "Zone size non-uniformity", "sum_j (sum_i s_ij)^2 / N_s"),
    Feature("szm_zsnu_norm", "VB3A", "Normalised zone size non-uniformity", "The same / N_s"),
    Feature("szm_z_perc", "P30P", "Zone percentage", "N_s / voxels"),
    Feature("szm_gl_var", "BYLV", "Grey level variance of zones", "Variance of i over zones"),
    Feature("szm_zs_var", "3NSA", "Zone size variance", "Variance of j over zones"),
    Feature("szm_zs_entr", "GU8N", "Zone size entropy", "-sum p_ij log2 p_ij", "bit"),
)


def size_zone(levels: Levels, found: Zones, aggregation: str, progress: Progress) -> Numbers:
    """All features of the family for one aggregation (Thibault 2014)."""
    order = np.argsort(found.slice, kind="stable")
    voxels = np.bincount(levels.slice, minlength=levels.box[0] - 2)
    events = [Events(found.level[order], found.size[order], found.slice[order], voxels)]
    measure = partial(emphases, tags=[feature.tag for feature in FEATURES])
    return aggregated(events, aggregation, measure, FEATURES, progress)

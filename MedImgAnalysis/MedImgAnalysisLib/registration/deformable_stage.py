"""How `register` goes on from a linear alignment with a deformable one."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from ..values import Curve
from .deformable import DeformableSettings, level_spacings, refine
from .source import Source
from .units import Masks

Similarity = Literal["local_correlation", "mean_squares", "mutual_information"]
SIMILARITY: dict[str, Similarity] = {
    "automatic": "local_correlation",
    "correlation": "local_correlation",
    "neighbourhood_correlation": "local_correlation",
    "mean_squares": "mean_squares",
    "mutual_information": "mutual_information",
}
"""What the deformable stage looks at, by the metric of the operation."""
LINEAR_FINEST_MM = 2.0
"""The linear stages before need not be finer: what they miss is a deformation like any other."""


class Deformation(NamedTuple):
    """The whole transform, fixed to moving points, its folding, the looks at the metric and one curve a level."""

    transform: sitk.Transform
    folded_percent: float
    iterations: int
    curves: tuple[Curve, ...]


def deform(
    source: Source,
    masks: Masks,
    linear: sitk.Transform,
    settings: DeformableSettings,
    progress: Progress,
) -> Deformation:
    """Refine a linear transform."""
    found = refine(source, linear, settings, progress, masks)
    what = settings.similarity.replace("_", " ")
    curves = []
    for number, spacing in enumerate(level_spacings(source.grid, settings)):
        points = [(iteration, value) for level, iteration, value in found.trace if level == number]
        x, y = np.array(points, float).reshape(-1, 2).T
        curves.append(Curve(f"{settings.model} {spacing:.3g} mm ({what})", x, y))
    return Deformation(found.transform, found.folded_percent, len(found.trace), tuple(curves))

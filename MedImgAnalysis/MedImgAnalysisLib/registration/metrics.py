"""What tells how alike two images are while they are aligned."""

from __future__ import annotations

from typing import NamedTuple

import SimpleITK as sitk

NEIGHBOURHOOD_VOXELS = 2
"""Radius of the neighbourhood correlation, in voxels of the level."""


class Metric(NamedTuple):
    """A metric as people read it. ITK makes all of them smaller; `sign` turns its value into the one that is told.

    `larger_is_better` is about the value that is told.
    """

    name: str
    title: str
    unit: str
    sign: float
    larger_is_better: bool

    def told(self, value: float) -> float:
        """The value that people read, from the one that ITK makes smaller."""
        return self.sign * value

    def better(self, value: float, than: float) -> bool:
        """Whether a value that is told is better than another."""
        return value > than if self.larger_is_better else value < than


METRICS = {
    metric.name: metric
    for metric in (
        Metric("mutual_information", "Mutual information", "nat", -1.0, True),
        Metric("correlation", "Squared correlation", "", -1.0, True),
        Metric("mean_squares", "Mean squared difference", "", 1.0, False),
        Metric("neighbourhood_correlation", "Squared local correlation", "", -1.0, True),
    )
}
CHOICES = ("automatic", *METRICS)


def of_stages(metric: Metric) -> Metric:
    """What linear stages make better: mutual information where local correlation follows, which sees a few voxels."""
    return METRICS["mutual_information"] if metric.name == "neighbourhood_correlation" else metric


def find(name: str) -> Metric:
    """The metric of this name; automatic is mutual information, which fits images of any kind."""
    return METRICS["mutual_information" if name == "automatic" else name]


def put(metric: Metric, method: sitk.ImageRegistrationMethod, bins: int) -> None:
    """Let a registration method use this metric."""
    if metric.name == "mutual_information":
        method.SetMetricAsMattesMutualInformation(bins)
    elif metric.name == "correlation":
        method.SetMetricAsCorrelation()
    elif metric.name == "mean_squares":
        method.SetMetricAsMeanSquares()
    else:
        method.SetMetricAsANTSNeighborhoodCorrelation(NEIGHBOURHOOD_VOXELS)


def most_samples(metric: Metric) -> int:
    """More samples cost more than they give: one of the neighbourhood correlation reads 125 voxels."""
    return 10_000 if metric.name == "neighbourhood_correlation" else 1_000_000

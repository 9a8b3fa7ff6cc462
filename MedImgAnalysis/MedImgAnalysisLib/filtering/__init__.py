"""Filters and preparation of images: an image in, an image out."""

from .gaussian import Gaussian
from .learn_standard_scale import LearnStandardScale
from .match_histogram import MatchHistogram
from .median import Median
from .normalise_percentile import NormalisePercentile
from .normalise_range import NormaliseRange
from .normalise_zscore import NormaliseZscore
from .standardise_landmarks import StandardiseLandmarks

DENOISE = (Gaussian, Median)
INTENSITY = (
    NormalisePercentile,
    NormaliseRange,
    NormaliseZscore,
    MatchHistogram,
    StandardiseLandmarks,
    LearnStandardScale,
)

FILTERS = (*DENOISE, *INTENSITY)

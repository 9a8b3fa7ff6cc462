"""Filters and preparation of images: an image in, an image out."""

from .crop import Crop
from .curvature_diffusion import CurvatureDiffusion
from .curvature_flow import CurvatureFlow
from .gaussian import Gaussian
from .gradient_diffusion import GradientDiffusion
from .learn_standard_scale import LearnStandardScale
from .match_histogram import MatchHistogram
from .median import Median
from .normalise_percentile import NormalisePercentile
from .normalise_range import NormaliseRange
from .normalise_zscore import NormaliseZscore
from .pad import Pad
from .reorient import Reorient
from .resample import Resample
from .shrink import Shrink
from .standardise_landmarks import StandardiseLandmarks

DENOISE = (Gaussian, Median, CurvatureDiffusion, GradientDiffusion, CurvatureFlow)
INTENSITY = (NormalisePercentile, NormaliseRange, NormaliseZscore, MatchHistogram, StandardiseLandmarks, LearnStandardScale)
GEOMETRY = (Resample, Crop, Pad, Reorient, Shrink)

FILTERS = (*DENOISE, *INTENSITY, *GEOMETRY)

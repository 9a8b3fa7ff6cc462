"""Filters and preparation of images: an image in, an image out."""

from .adaptive_histogram import AdaptiveHistogram
from .add_noise import AddNoise
from .apply_mask import ApplyMask
from .augment import Augment
from .bilateral import Bilateral
from .body_mask import BodyMask
from .canny import Canny
from .check_integrity import CheckIntegrity
from .correct_bias import CorrectBias
from .crop import Crop
from .curvature_diffusion import CurvatureDiffusion
from .curvature_flow import CurvatureFlow
from .deconvolve import Deconvolve
from .deform import Deform
from .estimate_noise import EstimateNoise
from .fill_missing import FillMissing
from .filter_evidence import FilterEvidence
from .filter_response import FilterResponse
from .gaussian import Gaussian
from .gradient_diffusion import GradientDiffusion
from .gradient_magnitude import GradientMagnitude
from .grey_morphology import GreyMorphology
from .laplacian_of_gaussian import LaplacianOfGaussian
from .laplacian_sharpening import LaplacianSharpening
from .learn_standard_scale import LearnStandardScale
from .match_histogram import MatchHistogram
from .median import Median
from .nonlocal_means import NonlocalMeans
from .normalise_percentile import NormalisePercentile
from .normalise_range import NormaliseRange
from .normalise_zscore import NormaliseZscore
from .pad import Pad
from .regularise_slices import RegulariseSlices
from .reorient import Reorient
from .resample import Resample
from .shrink import Shrink
from .sigmoid import Sigmoid
from .sobel import Sobel
from .standardise_landmarks import StandardiseLandmarks
from .subtract_background import SubtractBackground
from .top_hat import TopHat
from .total_variation import TotalVariation
from .unsharp_mask import UnsharpMask
from .vesselness import Vesselness
from .wavelet import Wavelet
from .window import Window
from .zero_crossings import ZeroCrossings

DENOISE = (
    Gaussian,
    Median,
    Bilateral,
    CurvatureDiffusion,
    GradientDiffusion,
    CurvatureFlow,
    Wavelet,
    NonlocalMeans,
    TotalVariation,
)
EDGES = (
    GradientMagnitude,
    Sobel,
    Canny,
    LaplacianOfGaussian,
    ZeroCrossings,
)
ENHANCE = (
    UnsharpMask,
    LaplacianSharpening,
    AdaptiveHistogram,
    Vesselness,
    TopHat,
    SubtractBackground,
    Window,
    Sigmoid,
    Deconvolve,
)
MORPHOLOGY = (GreyMorphology,)
INTENSITY = (
    NormalisePercentile,
    NormaliseRange,
    NormaliseZscore,
    MatchHistogram,
    StandardiseLandmarks,
    LearnStandardScale,
)
TEXTURE = (FilterResponse,)
GEOMETRY = (Resample, Crop, Pad, Reorient, Shrink)
BIAS_FIELD = (CorrectBias,)
MASKS = (BodyMask, ApplyMask)
REPAIR = (CheckIntegrity, FillMissing, RegulariseSlices)
NOISE = (EstimateNoise, AddNoise)
AUGMENT = (Augment, Deform)
EVIDENCE = (FilterEvidence,)

FILTERS = (
    *DENOISE,
    *EDGES,
    *ENHANCE,
    *MORPHOLOGY,
    *INTENSITY,
    *TEXTURE,
    *GEOMETRY,
    *BIAS_FIELD,
    *MASKS,
    *REPAIR,
    *NOISE,
    *AUGMENT,
    *EVIDENCE,
)

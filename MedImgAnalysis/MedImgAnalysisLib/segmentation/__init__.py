"""Segmentation: images in, labels out."""

from .auto_threshold import AutoThreshold
from .canny_level_set import CannyLevelSet
from .chan_vese import ChanVese
from .clean_segments import CleanSegments
from .combine_segments import CombineSegments
from .fast_marching import FastMarching
from .gaussian_mixture import GaussianMixture
from .geodesic_active_contour import GeodesicActiveContour
from .graph_cut import GraphCut
from .grow_confidence import GrowConfidence
from .grow_connected import GrowConnected
from .grow_isolated import GrowIsolated
from .grow_neighbourhood import GrowNeighbourhood
from .hysteresis_threshold import HysteresisThreshold
from .kmeans import KMeans
from .laplacian_level_set import LaplacianLevelSet
from .local_threshold import LocalThreshold
from .measure_segments import MeasureSegments
from .morphological_snake import MorphologicalSnake
from .multi_otsu import MultiOtsu
from .propagate_between_slices import PropagateBetweenSlices
from .random_walker import RandomWalker
from .shape_detection import ShapeDetection
from .slic import Slic
from .snake_2d import Snake2d
from .split_components import SplitComponents
from .threshold import Threshold
from .threshold_level_set import ThresholdLevelSet
from .watershed import Watershed

SEGMENTATION = (
    AutoThreshold,
    Threshold,
    MultiOtsu,
    LocalThreshold,
    HysteresisThreshold,
    GrowConnected,
    GrowConfidence,
    GrowNeighbourhood,
    GrowIsolated,
    FastMarching,
    GeodesicActiveContour,
    ShapeDetection,
    ThresholdLevelSet,
    LaplacianLevelSet,
    CannyLevelSet,
    ChanVese,
    MorphologicalSnake,
    Snake2d,
    Watershed,
    Slic,
    RandomWalker,
    GraphCut,
    KMeans,
    GaussianMixture,
    CleanSegments,
    CombineSegments,
    MeasureSegments,
    PropagateBetweenSlices,
    SplitComponents,
)

"""Segmentation: images in, labels out."""

from .auto_threshold import AutoThreshold
from .clean_segments import CleanSegments
from .combine_segments import CombineSegments
from .fast_marching import FastMarching
from .grow_confidence import GrowConfidence
from .grow_connected import GrowConnected
from .grow_isolated import GrowIsolated
from .grow_neighbourhood import GrowNeighbourhood
from .hysteresis_threshold import HysteresisThreshold
from .local_threshold import LocalThreshold
from .measure_segments import MeasureSegments
from .multi_otsu import MultiOtsu
from .propagate_between_slices import PropagateBetweenSlices
from .split_components import SplitComponents
from .threshold import Threshold

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
    CleanSegments,
    CombineSegments,
    MeasureSegments,
    PropagateBetweenSlices,
    SplitComponents,
)

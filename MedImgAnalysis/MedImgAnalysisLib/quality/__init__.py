"""Image quality: images in, tables and curves out."""

from .compare_images import CompareImages
from .measure_signal import MeasureSignal

QUALITY = (MeasureSignal, CompareImages)

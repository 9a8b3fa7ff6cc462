"""Segmentation: images in, labels out."""

from .auto_threshold import AutoThreshold

SEGMENTATION = (AutoThreshold,)

"""Agreement of segmentations: labels in, tables out."""

from .compare_segmentations import CompareSegmentations

AGREEMENT = (CompareSegmentations,)

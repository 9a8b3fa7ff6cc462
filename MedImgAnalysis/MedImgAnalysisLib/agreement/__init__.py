"""Agreement of segmentations and of classes: labels and tables in, tables and curves out."""

from .compare_lesions import CompareLesions
from .compare_many import CompareMany
from .compare_segmentations import CompareSegmentations

AGREEMENT = (CompareSegmentations, CompareMany, CompareLesions)

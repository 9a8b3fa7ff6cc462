"""Agreement of segmentations, raters and classes: labels and tables in, tables, labels and curves out."""

from .compare_classes import CompareClasses
from .compare_lesions import CompareLesions
from .compare_many import CompareMany
from .compare_readings import CompareReadings
from .compare_segmentations import CompareSegmentations
from .consensus import Consensus
from .rater_agreement import RaterAgreement

AGREEMENT = (
    CompareSegmentations,
    CompareMany,
    CompareLesions,
    Consensus,
    RaterAgreement,
    CompareReadings,
    CompareClasses,
)

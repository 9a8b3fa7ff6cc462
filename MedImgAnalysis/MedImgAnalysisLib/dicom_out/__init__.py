"""Results as DICOM: segments as SEG, tables as structured reports (TID 1500), both referring to the source images.

`Source` is the DICOM series that an image was read from. `write_segments` and `write_report` write one object each;
which result refers to which input of a recipe is decided in `batch.dicom_files`. Needs the package highdicom.
"""

from __future__ import annotations

from .package import Maker, require
from .report import write_report
from .segments import WrittenSegments, read_segments, write_segments
from .source import Source, is_dicom, source_of

__all__ = [
    "Maker",
    "Source",
    "WrittenSegments",
    "is_dicom",
    "read_segments",
    "require",
    "source_of",
    "write_report",
    "write_segments",
]

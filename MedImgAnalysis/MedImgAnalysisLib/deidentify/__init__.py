"""De-identification of DICOM files on their way in: the basic profile of PS3.15 annex E, off unless it is asked for.

The table of what happens to each attribute is that of the package dicom-anonymizer, which is generated from the
standard; it is applied here at every level of nested sequences, with UIDs, names and dates that follow from a secret.
Nothing here looks at pixels: burned-in text and faces are warned of, and never promised to be gone.
"""

from __future__ import annotations

from .choices import Choices
from .folder import Report, deidentify_folder
from .secret import Secret

__all__ = ["Choices", "Report", "Secret", "deidentify_folder"]

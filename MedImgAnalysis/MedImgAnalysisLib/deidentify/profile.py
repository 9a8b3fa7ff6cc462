"""The table of the standard (PS3.15 E.1-1): what the basic profile does to each attribute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import MissingPackageError

EDITION = "2026c"
ACTIONS = {
    "X_TAGS": "X",
    "Z_TAGS": "Z",
    "X_Z_TAGS": "XZ",
    "D_TAGS": "D",
    "Z_D_TAGS": "D",
    "X_D_TAGS": "XD",
    "X_Z_D_TAGS": "XD",
    "U_TAGS": "U",
    "X_Z_U_STAR_TAGS": "U",
}
"""Remove (X), empty (Z), replace by a dummy (D), new UID (U). Of several that the table allows, a value gets the last
and a sequence the first: no kind of object forbids that."""
UNDATED = ("PatientBirthDate", "PatientBirthTime", "GPSTimeStamp")
"""Dates and times that the option of modified dates does not keep."""


@dataclass(frozen=True)
class Profile:
    """Action by tag, and for repeating groups (curves, overlays) by group, element and their masks."""

    actions: dict[int, str]
    groups: tuple[tuple[int, int, int, int, str], ...]

    def action(self, tag: Any) -> str:
        """The action for an attribute, empty where the table does not have it."""
        found = self.actions.get(int(tag), "")
        if not found and tag.group & 0xFF00 in (0x5000, 0x6000):
            for group, element, of_group, of_element, action in self.groups:
                if tag.group & of_group == group and tag.element & of_element == element & of_element:
                    return action
        return found


@cache
def profile() -> Profile:
    """The table of dicom-anonymizer; `MissingPackageError` says how to get it."""
    try:
        from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
    except ImportError as error:
        raise MissingPackageError(
            "De-identification needs the package dicom-anonymizer, which holds the table of the DICOM standard; "
            "install it with: pip install dicom-anonymizer; in 3D Slicer: slicer.util.pip_install('dicom-anonymizer').",
            package="dicom-anonymizer",
        ) from error
    try:
        table = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    except ValueError as error:
        raise MissingPackageError(
            "De-identification needs dicom-anonymizer 2.1 or later: pip install --upgrade dicom-anonymizer.",
            package="dicom-anonymizer",
        ) from error
    actions: dict[int, str] = {}
    groups: list[tuple[int, int, int, int, str]] = []
    for category, action in ACTIONS.items():
        for tag in table[category]:
            if len(tag) == 2:
                actions[tag[0] << 16 | tag[1]] = action
            else:
                groups.append((tag[0], tag[1], tag[2], tag[3], action))
    return Profile(actions, tuple(groups))

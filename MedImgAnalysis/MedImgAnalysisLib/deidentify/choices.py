"""What is kept against the basic profile, and what of that the standard has a name for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import ParameterError

PATIENT = (
    "Allergies",
    "EthnicGroup",
    "PatientAge",
    "PatientSex",
    "PatientSexNeutered",
    "PatientSize",
    "PatientState",
    "PatientWeight",
    "PreMedication",
    "PregnancyStatus",
    "SmokingStatus",
    "SpecialNeeds",
)
"""Retain Patient Characteristics Option (PS3.15 table E.1-1)."""
NEVER = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientMotherBirthName",
    "PatientBirthName",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "AccessionNumber",
    "PersonName",
    "ReferringPhysicianName",
)
ANNOTATED = "annotated"
UNSAFE = ("DA", "DT", "UI", "PN", "SQ", "UN")


@dataclass(frozen=True)
class Choices:
    """How to de-identify.

    Attributes
    ----------
    keep
        Keywords of attributes that stay as they are, such as `SeriesDescription`; text in them is searched for the
        patient's names and numbers only.
    patient
        Keep sex, age, size, weight and what else describes the patient's body.
    annotated
        Keep images that say, or whose kind suggests, that text is burned into their pixels.
    dates
        `shift` moves all dates of a patient by one number of days, `remove` takes dates and times away.
    """

    keep: tuple[str, ...] = ()
    patient: bool = False
    annotated: bool = False
    dates: Literal["shift", "remove"] = "shift"

    @classmethod
    def parse(cls, words: Iterable[str], dates: str = "shift") -> Choices:
        """From words: `patient`, `annotated` and keywords of DICOM attributes. Raises `ParameterError`."""
        from pydicom.datadict import dictionary_VR, tag_for_keyword

        given = list(dict.fromkeys(words))
        keep = [word for word in given if word not in ("patient", ANNOTATED)]
        for word in keep:
            if word in NEVER:
                raise ParameterError(f"{word} cannot be kept: it names the patient.", field="keep", value=word)
            tag = tag_for_keyword(word)
            if tag is not None and dictionary_VR(tag) in UNSAFE:
                raise ParameterError(
                    f"{word} cannot be kept: one old date, UID or name beside the new ones gives the others away.",
                    field="keep",
                    value=word,
                )
            if tag is None:
                raise ParameterError(
                    f"{word!r} cannot be kept: it is neither patient, {ANNOTATED} nor the keyword of a DICOM attribute "
                    "such as SeriesDescription.",
                    field="keep",
                    value=word,
                )
        if dates not in ("shift", "remove"):
            raise ParameterError(f"dates is {dates!r}; it is shift or remove.", field="dates", value=dates)
        return cls(tuple(keep), "patient" in given, ANNOTATED in given, "shift" if dates == "shift" else "remove")

    @property
    def kept(self) -> frozenset[str]:
        """The keywords of all attributes that stay."""
        return frozenset(self.keep) | (frozenset(PATIENT) if self.patient else frozenset())

    def codes(self) -> list[tuple[str, str]]:
        """What was done, as codes of CID 7050; none where more was kept than the standard has a name for."""
        if self.keep:
            return []
        found = [("113100", "Basic Application Confidentiality Profile")]
        if self.dates == "shift":
            found.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
        if self.patient:
            found.append(("113108", "Retain Patient Characteristics Option"))
        return found

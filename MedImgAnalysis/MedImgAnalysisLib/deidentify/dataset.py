"""One data set without the patient: the table of the standard at every level, then a search for what is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .. import __version__
from .choices import Choices
from .dates import moved_date, moved_datetime
from .forms import BINARY, PIXELS, TEXTS, well_formed
from .profile import EDITION, UNDATED, Profile, profile
from .secret import Secret

DATES = ("DA", "DT", "TM")
DUMMY = "REMOVED"
DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "UR": "http://removed.invalid",
    **dict.fromkeys(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), 0),
}
WELL_KNOWN = "1.2.840.10008."
"""UIDs of the standard itself: kinds of objects, transfer syntaxes, coding schemes."""
KINDS = ("SOPClassUID", "TransferSyntaxUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID", "SOPClassesInStudy")
"""Endings of attributes that say what something is, not which one; vendors have kinds of their own."""
ANYWHERE = 5
"""From so many letters on a name is found inside of a word, too."""
REQUIRED = ("AcquisitionContextSequence",)
"""Sequences that some kinds of objects need, but which may be empty."""
STRUCTURE = (
    "ConversionType",
    "ImageType",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "Modality",
    "PatientIdentityRemoved",
    "PatientPosition",
    "PatientSex",
    "PhotometricInterpretation",
    "RescaleType",
    "SegmentationType",
    "SpecificCharacterSet",
    "ValueType",
)
"""Short codes that say how to read the object; they are never taken for somebody's name."""


class Cleaner:
    """Takes the patient out of data sets and counts what was done, by attribute and kind of change."""

    def __init__(self, secret: Secret, choices: Choices) -> None:
        self.secret, self.choices = secret, choices
        self.counts: Counter[tuple[str, str]] = Counter()
        self._profile: Profile = profile()

    def identity(self, dataset: Any) -> str:
        """What tells one patient from others: the id with its issuer, or else name and birth date, or the study."""

        def text(name: str) -> str:
            return str(dataset.get(name, "") or "").strip()

        if text("PatientID"):
            return f"id\0{text('PatientID')}\0{text('IssuerOfPatientID')}"
        if text("PatientName") and text("PatientBirthDate"):
            return f"name\0{text('PatientName').casefold()}\0{text('PatientBirthDate')}"
        return f"study\0{text('StudyInstanceUID') or text('SOPInstanceUID')}"

    def clean(self, dataset: Any) -> str:
        """De-identify a data set in place and return the new id of its patient."""
        identity = self.identity(dataset)
        words = Remnants(dataset)
        self._level(dataset, self.secret.days(identity))
        for holder, element in list(_texts(dataset, (*TEXTS, *BINARY))):
            if element.keyword not in (*STRUCTURE, *PIXELS) and words.found_in(element):
                if element.VR in BINARY:
                    del holder[element.tag]
                else:
                    holder[element.tag].value = DUMMIES.get(element.VR, DUMMY)
                self._count(element, "held a name or number of the patient")
        patient = self.secret.patient(identity)
        dataset.PatientID = dataset.PatientName = patient
        self._say(dataset)
        return patient

    def _level(self, dataset: Any, days: int) -> None:
        """All attributes of a data set or of an item of a sequence."""
        kept = self.choices.kept
        for tag in list(dataset.keys()):
            if tag.is_private or tag.element == 0 or tag.group < 8 or int(tag) == 0xFFFCFFFC:
                if tag.is_private:
                    self.counts["private attributes", "removed"] += 1
                del dataset[tag]
                continue
            element = dataset[tag]
            keyword, action = element.keyword, self._profile.action(tag)
            if keyword and not well_formed(element):
                del dataset[tag]
                self._count(element, "removed, not being of its type")
                continue
            repeating = tag.group & 0xFF00 in (0x5000, 0x6000)
            if keyword in kept:
                self._keep(element)
            elif not action and not repeating and (not keyword or element.VR == "UN"):
                del dataset[tag]
                self.counts["attributes unknown to the standard", "removed"] += 1
                continue
            elif repeating:
                # Overlays and curves are drawn or written over the image, whatever part of them the table names.
                del dataset[tag]
                self._count(element, "removed")
                continue
            elif element.VR in DATES and self.choices.dates == "shift" and keyword not in UNDATED:
                self._shift(element, days)
            elif action or element.VR in ("DA", "DT"):
                self._act(dataset, element, action or "Z")
            elif element.VR == "UI":
                self._renew(element)
            if tag in dataset and element.VR == "SQ":
                for item in element.value:
                    self._level(item, days)

    def _keep(self, element: Any) -> None:
        if element.keyword == "PatientAge":
            years = re.fullmatch(r"(\d{3})Y", str(element.value or ""))
            if years is not None and int(years[1]) > 89:
                element.value = "090Y"
                self._count(element, "cut off at 90 years")

    def _shift(self, element: Any, days: int) -> None:
        if element.VR == "TM" or element.is_empty:
            return
        move = moved_date if element.VR == "DA" else moved_datetime
        values = element.value if element.VM > 1 else [element.value]
        moved = [move(str(value), days) for value in values]
        if None in moved:
            element.value = None
            self._count(element, "emptied, not being a whole date")
        else:
            element.value = moved if element.VM > 1 else moved[0]
            self._count(element, "shifted")

    def _act(self, dataset: Any, element: Any, action: str) -> None:
        """Remove, empty, replace or renew one attribute."""
        if element.VR == "SQ" and element.keyword in REQUIRED:
            action = "Z"
        if action == "U":
            self._renew(element, listed=True)
        elif action == "X" or (element.VR == "SQ" and action.startswith("X")):
            del dataset[element.tag]
            self._count(element, "removed")
        elif action.endswith("Z") or element.VR == "SQ":
            if not element.is_empty:
                self._count(element, "emptied")
            element.value = [] if element.VR == "SQ" else None
        else:
            if not element.is_empty:
                self._count(element, "replaced")
            element.value = DUMMIES.get(element.VR, DUMMY if element.VR in TEXTS else b"\0\0")

    def _renew(self, element: Any, listed: bool = False) -> None:
        """New UIDs for all but those of the standard; what the table lists must be one that the standard defines."""
        from pydicom.uid import UID

        if element.VR != "UI" or element.is_empty or (not listed and element.keyword.endswith(KINDS)):
            return
        values = list(element.value) if element.VM > 1 else [element.value]

        def known(uid: str) -> bool:
            return UID(uid).name != uid if listed else uid.startswith(WELL_KNOWN)

        new = [uid if known(str(uid)) else self.secret.uid(str(uid)) for uid in values]
        if new != values:
            element.value = new if len(new) > 1 else new[0]
            self._count(element, "replaced by a new UID")

    def _say(self, dataset: Any) -> None:
        """Write into the data set what was done to it."""
        from pydicom.dataset import Dataset

        shifted = self.choices.dates == "shift"
        dataset.PatientIdentityRemoved = "YES"
        dataset.LongitudinalTemporalInformationModified = "MODIFIED" if shifted else "REMOVED"
        method = [
            f"MedImgAnalysis {__version__}",
            f"PS3.15 Annex E {EDITION}, basic profile",
            "dates shifted" if shifted else "dates removed",
        ]
        if self.choices.keep:
            method.append("with attributes kept on request")
        dataset.DeidentificationMethod = method
        items = []
        for code, meaning in self.choices.codes():
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning
            items.append(item)
        if items:
            dataset.DeidentificationMethodCodeSequence = items
        elif "DeidentificationMethodCodeSequence" in dataset:
            del dataset.DeidentificationMethodCodeSequence

    def _count(self, element: Any, what: str) -> None:
        self.counts[element.keyword or str(element.tag), what] += 1


class Remnants:
    """The names and numbers of a patient, to be found in attributes that the table keeps."""

    NUMBERS = (
        "PatientID",
        "OtherPatientIDs",
        "AccessionNumber",
        "AdmissionID",
        "PatientBirthDate",
        "PatientTelephoneNumbers",
    )

    def __init__(self, dataset: Any) -> None:
        words: set[str] = set()
        for _, element in _texts(dataset):
            if element.VR == "PN":
                words |= set(re.split(r"[\W_]+", str(element.value)))
            elif element.keyword in self.NUMBERS:
                words |= {str(value).strip() for value in (element.value if element.VM > 1 else [element.value])}
        for name in ("PatientBirthDate", "PatientID"):
            words.add(str(dataset.get(name, "") or "").strip())
        short = "|".join(re.escape(word) for word in words if 3 <= len(word) < ANYWHERE)
        long = "|".join(re.escape(word) for word in words if len(word) >= ANYWHERE)
        forms = [rf"(?<![^\W_])(?:{short})(?![^\W_])"] * bool(short) + [long] * bool(long)
        self._pattern = re.compile("|".join(forms), re.IGNORECASE) if forms else None

    def found_in(self, element: Any) -> bool:
        """Whether one of them is in an attribute: as a word, a long one anywhere."""
        if self._pattern is None or element.is_empty:
            return False
        if isinstance(element.value, bytes):
            texts = [element.value.decode(code, errors="ignore") for code in ("utf-8", "latin-1")]
        else:
            texts = [str(element.value)]
        return any(self._pattern.search(text) for text in texts)


def _texts(dataset: Any, kinds: tuple[str, ...] = TEXTS) -> Iterator[tuple[Any, Any]]:
    """All attributes of these types, with the data set or item that holds them."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _texts(item, kinds)
        elif element.VR in kinds:
            yield dataset, element

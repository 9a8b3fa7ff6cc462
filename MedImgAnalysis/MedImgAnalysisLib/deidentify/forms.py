"""Values that are not of their type: a damaged or sloppy file can hold anything anywhere, whatever the table keeps."""

from __future__ import annotations

import re
from typing import Any

TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
NUMBERS = ("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text has; escapes switch character sets, and lines may end."""
FORMS = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]{1,16}", re.IGNORECASE),
    "DA": re.compile(r"\d{8}|\d{4}\.\d\d\.\d\d"),
    "DS": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE),
    "DT": re.compile(r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?"),
    "IS": re.compile(r"[+-]?\d{1,12}(\.0*)?"),
    "TM": re.compile(r"\d\d(:?\d\d(:?\d\d(\.\d{1,6})?)?)?"),
    "UI": re.compile(r"[0-9.]{1,64}"),
}
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def well_formed(element: Any) -> bool:
    """Whether an attribute has the type that the standard gives it, and a value of that type; numbers hide no text."""
    from pydicom.datadict import dictionary_VR

    try:
        wanted = dictionary_VR(element.tag)
    except KeyError:
        wanted = element.VR
    alike = any(element.VR in kinds and any(kind in wanted for kind in kinds) for kinds in (TEXTS, NUMBERS))
    if element.VR not in wanted and not alike:
        return False
    if element.is_empty or element.VR in ("SQ", *BINARY):
        return True
    if element.VR not in TEXTS and _most(element) < element.VM:
        return False
    values = list(element.value) if element.VM > 1 else [element.value]
    form = FORMS.get(element.VR)
    if form is not None:
        return all(form.fullmatch(str(value).strip(" \0")) or not str(value).strip(" \0") for value in values)
    return element.VR not in TEXTS or not any(CONTROL.search(str(value)) for value in values)


def _most(element: Any) -> float:
    """How many values the standard allows: `1`, `2-2n`, `1-8`."""
    from pydicom.datadict import dictionary_VM

    try:
        last = dictionary_VM(element.tag).split("-")[-1].split(" ")[-1]
    except KeyError:
        return 1
    return float("inf") if last.endswith("n") else int(last)

"""Codes for measurements: what a column is, its unit in UCUM, and which numbers DICOM cannot hold."""

from __future__ import annotations

import math
import re
from typing import Any

from ..values import Column
from .package import SCHEME, short

NAMES = {
    "volume_ml": ("118565006", "Volume"),
    "volume_mm3": ("118565006", "Volume"),
    "mean": ("373098007", "Mean"),
    "sd": ("386136009", "Standard Deviation"),
    "min": ("255605001", "Minimum"),
    "max": ("56851009", "Maximum"),
    "median": ("373099004", "Median"),
}
"""Codes and meanings in SNOMED CT by column key; every other key is a code of our own scheme."""
UNITS = {
    "": ("1", "no units"),
    "mm": ("mm", "millimeter"),
    "mm2": ("mm2", "square millimeter"),
    "mm3": ("mm3", "cubic millimeter"),
    "cm": ("cm", "centimeter"),
    "ml": ("ml", "milliliter"),
    "1/mm": ("/mm", "per millimeter"),
    "lp/mm": ("{lp}/mm", "line pairs per millimeter"),
    "%": ("%", "percent"),
    "degrees": ("deg", "degree"),
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "s": ("s", "second"),
    "ms": ("ms", "millisecond"),
    "dB": ("dB", "decibel"),
    "bit": ("bit", "bit"),
}


def concept(column: Column) -> Any:
    """The code of what a column holds."""
    from pydicom.sr.coding import Code

    if column.key in NAMES:
        value, meaning = NAMES[column.key]
        return Code(value, "SCT", meaning)
    return Code(re.sub(r"[^\x21-\x7e]|\\", "_", column.key), SCHEME, short(column.title or column.key))


def unit(column: Column) -> Any:
    """The unit in UCUM; one that it does not know stands in braces, where any word may stand."""
    from pydicom.sr.coding import Code

    value, meaning = UNITS.get(column.unit) or (
        "{" + re.sub(r"[^\x21-\x7a|]|[{}\\]", "_", column.unit) + "}",
        column.unit,
    )
    return Code(value, "UCUM", short(meaning))


def undefined(value: float | None) -> str:
    """Why there is no number: `undefined` or `infinite`; empty where there is one."""
    if value is None or math.isnan(value):
        return "undefined"
    return "infinite" if math.isinf(value) else ""

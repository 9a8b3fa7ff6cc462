"""What all DICOM objects of ours share: the package that makes them, their UIDs, and who made them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ..errors import InputError, MissingPackageError

MANUFACTURER = "MedImgAnalysis contributors"
MODEL = "MedImgAnalysis"
UNICODE = "ISO_IR 192"
"""UTF-8, whatever the source is encoded in: names of segments are any text."""
SCHEME = "99MEDIMG"
"""Coding scheme of what no standard scheme has a code for: names of measurements, kinds of operations."""


@dataclass(frozen=True)
class Maker:
    """The operation that made a result. `group` is that of the catalog, `version` that of the software."""

    name: str
    title: str
    group: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> list[str]:
        """`sigma_mm=1.0` for every parameter."""
        return [f"{key}={value}" for key, value in self.parameters.items()]


def require() -> ModuleType:
    """The package highdicom with its parts; `MissingPackageError` says how to get it."""
    try:
        import highdicom
        import highdicom.seg
        import highdicom.sr
    except ImportError as error:
        raise MissingPackageError(
            "DICOM results need the package highdicom, which is part of 3D Slicer from 5.12 on; elsewhere install it "
            "with: pip install highdicom.",
            package="highdicom",
        ) from error
    return highdicom


@contextmanager
def making(sentence: str) -> Iterator[None]:
    """What highdicom does not like becomes an `InputError`; its remarks about names of patients are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            raise InputError(f"{sentence}: {error}") from error


def uid(*content: str) -> str:
    """A UID under 2.25 that is the same for the same content (SHA-256 as a UUID of version 8, RFC 9562)."""
    digest = hashlib.sha256()
    for part in content:
        data = part.encode(errors="replace")
        digest.update(len(data).to_bytes(8, "big") + data)
    number = bytearray(digest.digest()[:16])
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(number, 'big')}"


def short(text: str, length: int = 64) -> str:
    """`text` as a DICOM long string: one line, no backslash (which separates values), at most `length` characters."""
    return " ".join(text.replace("\\", "/").split())[:length].strip() or "unnamed"


def series_number(source: Any, offset: int) -> int:
    """A number behind that of the source series, so that results are listed after their source."""
    try:
        number = int(source.get("SeriesNumber") or 0)
    except (TypeError, ValueError):
        number = 0
    return min(max(number, 0) * 100 + offset, 2**31 - 1)


def set_time(dataset: Any, made: Any) -> None:
    """Give the series, content and instance of an object one date and time."""
    if made is None:
        return
    for kind in ("Series", "Content", "InstanceCreation"):
        if f"{kind}Date" in dataset or kind == "Content":
            setattr(dataset, f"{kind}Date", made.strftime("%Y%m%d"))
            setattr(dataset, f"{kind}Time", made.strftime("%H%M%S"))
    for item in dataset.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = made.strftime("%Y%m%d%H%M%S")

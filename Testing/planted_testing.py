"""Plants a patient in DICOM series, and looks for him in every byte of every file, inside compressed files, too."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom
from dicom_testing import ball, write_series
from MedImgAnalysisLib.deidentify import Choices, Report, Secret, deidentify_folder
from MedImgAnalysisLib.progress import Progress
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

WORDS = ("Müller", "Østergård", "Jörgen", "MRN-4711", "19511224", "ACC998877", "Housedoc", "Gregory", "Planted",
         "20240229", "Saint Elsewhere", "1.2.3.4", "1.2.3.9")  # fmt: skip
KEY = Secret(b"0123456789abcdef")


def quiet() -> Progress:
    """A progress that says nothing."""
    return Progress(on_warning=lambda sentence: None)


def nested(depth: int) -> Dataset:
    """Names, dates, private attributes and UIDs in sequences within sequences."""
    item = Dataset()
    item.PersonName, item.PatientID = "Planted^Nested", "MRN-4711-0815"
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.1"
    item.StudyDate, item.TextValue, item.CodeMeaning = "20240229", "seen by Müller", "Bone"
    item.private_block(0x0013, "PLANTED CREATOR", create=True).add_new(1, "LO", "Planted private")
    if depth:
        item.ReferencedImageSequence = Sequence([nested(depth - 1)])
        item.ReferencedSeriesSequence = Sequence([nested(depth - 1)])
    return item


def plant(dataset: Dataset) -> None:
    """Put the patient wherever a scanner, a clerk or a vendor may have put him."""
    dataset.InstitutionName, dataset.StationName = "Saint Elsewhere", "PLANTEDSTATION"
    dataset.StudyDescription, dataset.SeriesDescription = "Jörgen Müller, planted", "Planted series"
    dataset.OperatorsName, dataset.OtherPatientIDs = ["Planted^Op", "Müller^Op"], ["MRN-4711-0815", "Planted2"]
    dataset.ImageComments, dataset.PatientComments = "Planted", "Planted"
    dataset.PatientAge, dataset.PatientWeight, dataset.PatientSize = "093Y", 81.5, 1.8
    dataset.AcquisitionDateTime, dataset.AcquisitionDate = "20240229101112.5+0100", "20240229"
    dataset.DateOfSecondaryCapture = "20240229"
    dataset.SequenceName = "of MRN-4711-0815"  # An attribute that the standard keeps.
    dataset.FilterType = "Østergård filter"
    dataset.SourceImageSequence = Sequence([nested(2)])
    dataset.RequestAttributesSequence = Sequence([nested(1)])
    dataset.ProcedureCodeSequence = Sequence([nested(0)])
    dataset.add_new(0x60000010, "US", 20)
    dataset.add_new(0x60000022, "LO", "Planted overlay")
    dataset.add_new(0x60003000, "OW", b"Planted overlay pixels")
    dataset.add_new(0x50000020, "CS", "PLANTED")
    dataset.add_new(0x00091001, "UN", b"Planted without a creator")
    dataset.add_new(0x00110010, "LO", "PLANTED CREATOR 2")
    dataset.add_new(0x00111001, "SQ", Sequence([nested(0)]))
    dataset.add_new(0x00081399, "UN", b"Planted unknown attribute")
    dataset.file_meta.SourceApplicationEntityTitle = "PLANTED"
    dataset.preamble = b"Planted preamble".ljust(128, b"\0")


def planted(folder: Path, change: Any = plant, **changes: Any) -> list[Dataset]:
    """A series with the patient planted in every slice."""
    made = write_series(folder, ball(), **changes)
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)
    return made


def run(source: Path, out: Path, *words: str, secret: Secret = KEY, **more: Any) -> Report:
    """De-identify a folder with a fixed secret."""
    return deidentify_folder(source, out, secret, Choices.parse(words), progress=quiet(), **more)


def read_all(folder: Path) -> list[Dataset]:
    """The data sets in a folder."""
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def planted_in(folder: Path, words: Iterable[str]) -> list[str]:
    """`file: word` for every word that is in the name or the content of a file, in upper or lower case."""
    patterns = {
        word: [word.lower().encode(code) for code in ("utf-8", "latin-1", "utf-16-le") if _fits(word, code)]
        for word in words
    }
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        contents = [name.encode(), *(contents_of(path.read_bytes(), path) if path.is_file() else [])]
        lowered = [content.lower() for content in contents]
        found += [
            f"{name}: {word}"
            for word, forms in patterns.items()
            if any(form in content for form in forms for content in lowered)
        ]
    return found


def contents_of(data: bytes, path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what comes out where a part of it is compressed (zip, gzip, zlib, deflate)."""
    yield data
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    starts = [(m.start(), 31) for m in re.finditer(rb"\x1f\x8b\x08", data)]
    starts += [(m.start(), 15) for m in re.finditer(rb"x[\x01\x5e\x9c\xda]", data)]
    if data[128:132] == b"DICM":
        # A deflated data set begins behind the meta information, whose length is its first element.
        starts.append((132 + 12 + int.from_bytes(data[140:144], "little"), -15))
    for start, bits in starts:
        try:
            yield zlib.decompressobj(bits).decompress(data[start:])
        except zlib.error:
            continue


def _fits(word: str, code: str) -> bool:
    try:
        word.encode(code)
    except UnicodeEncodeError:
        return False
    return True

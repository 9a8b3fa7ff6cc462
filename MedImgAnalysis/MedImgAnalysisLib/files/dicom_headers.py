"""What the headers of DICOM files say about each slice, without their pixels.

A slice is a file, or one frame of an enhanced multi-frame file. Files that are not DICOM, and DICOM
files without an image (reports, structure sets, directories), are counted and left out.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..progress import SILENT, Progress

DAY_S = 86400.0
TIME = 4
"""Place of the acquisition time in `Slice.order`."""
SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "Modality",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "InstanceNumber",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoNumbers",
    "TriggerTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
    "GridFrameOffsetVector",
    "DoseGridScaling",
    "SliceVector",
    "DetectorInformationSequence",
    "ImageType",
    "ModalityLUTSequence",
]


@dataclass(frozen=True)
class Slice:
    """One slice as its header describes it; lengths in millimetres, vectors in LPS.

    `spacing` is (between rows, between columns) as DICOM has it; `order` sorts slices of one position. The slope of a
    `dose` is its DoseGridScaling, which GDCM does not apply. `doubt` says why the values are not what was measured.
    `acquired_s` counts from midnight, in a series from that before its first slice; `day` is 0 where it is not known.
    """

    path: Path
    frame: int | None
    uid: str
    rows: int
    columns: int
    samples: int
    syntax: str
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    detector_spacing: tuple[float, ...] | None
    thickness: float | None
    slope: float
    intercept: float
    order: tuple[float, ...]
    monochrome1: bool
    trigger_ms: float | None = None
    acquired_s: float | None = None
    day: int = 0
    dose: bool = False
    mosaic: bool = False
    doubt: str = ""

    @property
    def name(self) -> str:
        """File name, with the frame number where there are several."""
        return self.path.name if self.frame is None else f"{self.path.name} frame {self.frame}"


@dataclass
class Series:
    """The slices of one SeriesInstanceUID in the order in which they were found."""

    uid: str
    modality: str = ""
    number: str = ""
    description: str = ""
    slices: list[Slice] = field(default_factory=list)

    def describe(self) -> str:
        """`1.2.3 (CT, series 4, 'Abdomen', 120 slices)`."""
        words = [
            self.modality,
            f"series {self.number}" * bool(self.number),
            repr(self.description) * bool(self.description),
            f"{len(self.slices)} slice{'s' * (len(self.slices) > 1)}",
        ]
        return f"{self.uid} ({', '.join(word for word in words if word)})"


@dataclass
class Scan:
    """What is in a folder: image series by UID, and how many files were left out."""

    series: dict[str, Series] = field(default_factory=dict)
    foreign: int = 0
    without_image: int = 0
    bare: list[str] = field(default_factory=list)


def scan(place: Path, progress: Progress = SILENT) -> Scan:
    """The image series in a folder and its subfolders, or in one file."""
    found = Scan()
    files = sorted(files_below(place)) if place.is_dir() else [place]
    for number, path in enumerate(files):
        progress.report(number / len(files), "Reading DICOM headers")
        dataset, bare = read_dataset(path, pixels=False)
        if dataset is None:
            found.foreign += 1
        elif "Rows" not in dataset or "Columns" not in dataset or str(dataset.get("SOPClassUID", "")) in SEGMENTATION:
            found.without_image += 1
        else:
            _add(found, path, dataset)
            if bare:
                found.bare.append(path.name)
    for series in found.series.values():
        series.slices = _past_midnight(series.slices)
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            if path.is_file():
                yield path


def damaged() -> tuple[type[Exception], ...]:
    """What reading an element of a damaged data set may raise; pydicom converts values when they are asked for."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    own = (ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, RuntimeError, StopIteration)
    return (*own, TypeError, ValueError, struct.error, BytesLengthException, InvalidDicomError)


def read_dataset(path: Path, pixels: bool = True, tags: Sequence[str] = TAGS) -> tuple[Any, bool]:
    """The data elements of a DICOM file (None when it is none), and whether it lacks the preamble.

    Without `pixels` it holds those of `tags` alone.
    """
    import pydicom

    from .images import bare_dicom

    with open(path, "rb") as file:
        start = file.read(132)
    bare = start[128:132] != b"DICM"
    if bare and not bare_dicom(start):
        return None, False
    with warnings.catch_warnings():
        # pydicom warns of every odd value by itself; those that matter here are checked below.
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(
                path, force=bare, stop_before_pixels=not pixels, specific_tags=None if pixels else list(tags)
            )
        except damaged() as error:
            if bare:
                return None, False
            raise FileError(f"{path}: the DICOM file is damaged: {error}.", path=path) from error
    if bare and not any(key in dataset for key in ("SOPClassUID", "Rows", "SeriesInstanceUID")):
        return None, False
    return dataset, bare


def _add(found: Scan, path: Path, dataset: Any) -> None:
    uid = str(dataset.get("SeriesInstanceUID", "")) or "without a SeriesInstanceUID"
    series = found.series.setdefault(
        uid,
        Series(uid, _text(dataset, "Modality"), _text(dataset, "SeriesNumber"), _text(dataset, "SeriesDescription")),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            series.slices.extend(_slices(path, dataset))
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise FileError(f"{path}: the DICOM header is damaged: {error}.", path=path) from error


def _text(dataset: Any, name: str) -> str:
    return str(dataset.get(name, "") or "").strip()


def _slices(path: Path, dataset: Any) -> Iterator[Slice]:
    """The slice of a file, or its frames."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    count = int(dataset.get("NumberOfFrames") or 1)
    if count == 1 and not groups:
        yield _slice(path, None, dataset, [dataset])
        return
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    detector = list(dataset.get("DetectorInformationSequence") or [])[:1] if "SliceVector" in dataset else []
    for frame in range(count):
        own = [groups[frame]] if groups and frame < len(groups) else []
        one = _slice(path, frame, dataset, [*_macros([*own, *shared]), *detector, dataset])
        yield one if groups else _stacked(one, dataset)


def _stacked(one: Slice, dataset: Any) -> Slice:
    """A frame of a dose or of a reconstructed SPECT at its own place: the file gives that of the first frame alone."""
    if one.position is None or one.orientation is None or one.frame is None:
        return one
    x, y = one.orientation[:3], one.orientation[3:]
    along = tuple(x[a - 2] * y[a - 1] - x[a - 1] * y[a - 2] for a in range(3))
    if dataset.get("GridFrameOffsetVector"):
        offsets = [float(v) for v in dataset.GridFrameOffsetVector]
        by = offsets[one.frame] - offsets[0]
        # The first one is 0, or they are all places along the axis of the patient (PS3.3 C.8.8.3.2).
        along = along if offsets[0] == 0 else (0.0, 0.0, 1.0)
    elif dataset.get("SliceVector"):
        by = (int(dataset.SliceVector[one.frame]) - 1) * float(dataset.get("SpacingBetweenSlices") or 0.0)
    else:
        return one
    return replace(one, position=tuple(p + by * v for p, v in zip(one.position, along)))


def _macros(groups: list[Any]) -> list[Any]:
    """The items of functional groups that describe a frame."""
    names = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "FrameContentSequence",
    )
    return [group[name][0] for group in groups for name in names if name in group and len(group[name].value)]


def _slice(path: Path, frame: int | None, dataset: Any, places: list[Any]) -> Slice:
    def numbers(name: str, count: int) -> tuple[float, ...] | None:
        value = next((place[name].value for place in places if name in place), None)
        if value in (None, ""):
            return None
        many = tuple(
            float(v)
            for v in (
                [value]
                if count == 1 and not isinstance(value, (list, tuple)) and not hasattr(value, "__iter__")
                else value
            )
        )
        if len(many) != count:
            raise ValueError(f"{name} has {len(many)} numbers instead of {count}")
        return many

    def one(name: str, default: float | None = None) -> float | None:
        found = numbers(name, 1)
        return found[0] if found else default

    def key(*names: str) -> float:
        for name in names:
            for place in places:
                try:
                    return float(place[name].value)
                except (KeyError, TypeError, ValueError):
                    continue
        return 0.0

    syntax = str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "") or "")
    if not syntax:
        syntax = "1.2.840.10008.1.2" if dataset.is_implicit_VR else "1.2.840.10008.1.2.1"
    order = (
        key("TemporalPositionIndex", "TemporalPositionIdentifier"),
        key("EchoNumbers"),
        key("TriggerTime"),
        key("AcquisitionNumber"),
        key("AcquisitionTime"),
        key("InstanceNumber"),
        float(frame or 0),
    )
    return Slice(
        path,
        frame,
        _text(dataset, "SOPInstanceUID"),
        int(dataset.Rows),
        int(dataset.Columns),
        int(dataset.get("SamplesPerPixel") or 1),
        syntax,
        numbers("ImageOrientationPatient", 6),
        numbers("ImagePositionPatient", 3),
        numbers("PixelSpacing", 2),
        numbers("ImagerPixelSpacing", 2),
        one("SpacingBetweenSlices") or one("SliceThickness"),
        one("DoseGridScaling") or one("RescaleSlope", 1.0) or 0.0,
        one("RescaleIntercept", 0.0) or 0.0,
        order,
        _text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        one("TriggerTime"),
        _seconds(_text(dataset, "AcquisitionTime")),
        _day(_text(dataset, "AcquisitionDate")),
        one("DoseGridScaling") is not None,
        "MOSAIC" in str(dataset.get("ImageType", "")),
        _doubt(dataset),
    )


def _past_midnight(slices: list[Slice]) -> list[Slice]:
    """The slices of a series with times that go on where a day ends.

    Where a date is missing, times that lie more than half a day apart are those of an evening and of the next morning.
    """
    timed = [s for s in slices if s.acquired_s is not None]
    if len(timed) < len(slices) or not timed:
        return slices
    times = [s.acquired_s or 0.0 for s in timed]
    if all(s.day for s in timed):
        first = min(s.day for s in timed)
        days = [s.day - first for s in timed]
    elif max(times) - min(times) > DAY_S / 2:
        days = [int(time < DAY_S / 2) for time in times]
    else:
        return slices
    moved = [time + day * DAY_S for time, day in zip(times, days)]
    return [replace(s, acquired_s=t, order=(*s.order[:TIME], t, *s.order[TIME + 1 :])) for s, t in zip(timed, moved)]


def _doubt(dataset: Any) -> str:
    """Why the stored numbers are not the values, whatever slope and intercept are; empty where they are."""
    if _text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        return "the values are numbers of colours in a table (PALETTE COLOR), not brightness"
    if dataset.get("ModalityLUTSequence"):
        return (
            "the file has a table of values (ModalityLUTSequence), which is not applied; the stored numbers are taken"
        )
    return ""


def _day(text: str) -> int:
    """YYYYMMDD as a number that rises by one a day, 0 when it is no date."""
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text)
    try:
        return date(*map(int, found.groups())).toordinal() if found else 0
    except ValueError:
        return 0


def _seconds(time: str) -> float | None:
    """HHMMSS.FFFFFF as seconds since midnight."""
    found = re.fullmatch(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)", time.strip())
    return None if found is None else 3600.0 * int(found[1]) + 60.0 * int(found[2]) + float(found[3])

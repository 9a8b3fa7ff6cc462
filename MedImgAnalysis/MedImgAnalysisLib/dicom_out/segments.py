"""Segments as a DICOM segmentation object (binary SEG): overlap, names, codes, colours, the source of each frame."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import FileError, InputError
from ..files.cielab import lab_of
from ..files.dicom_headers import read_dataset
from ..files.memory import check_memory
from ..files.paths import appearing, split_part
from ..progress import SILENT, Progress
from ..values import Labels, Segment
from . import package
from .package import Maker, short, uid
from .source import Source
from .terms import family, terms_of

STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"


@dataclass(frozen=True, eq=False)
class WrittenSegments:
    """A segmentation object to which measurements can refer; `numbers` are those of its segments by name.

    Names that several segments have are left out, and so are ids: those of two segmentations mean different things.
    """

    name: str
    dataset: Any
    numbers: dict[str, int]
    series: str

    def segment(self, key: str) -> Any:
        """The description of the segment of this name, None when there is none."""
        number = self.numbers.get(key)
        return next((item for item in self.dataset.SegmentSequence if item.SegmentNumber == number), None)


def write_segments(
    labels: Labels,
    source: Source,
    path: str | os.PathLike[str],
    *,
    name: str,
    maker: Maker,
    made: datetime | None = None,
    progress: Progress = SILENT,
) -> WrittenSegments:
    """Write segments as DICOM SEG on the slices of their source.

    Slices where a segment has no voxel are not stored. Instance, series and tracking UIDs follow from the source
    instances, the voxels, the segments and the operation, so the same result has the same UIDs.

    Parameters
    ----------
    labels
        Segments whose voxel centres are those of the source image, or of a part of it.
    source
        The instances that the image was read from, see `source_of`.
    path
        The file, usually `.dcm`.
    name
        Name of the result; it becomes the series description and the content label.
    maker
        The operation that made it.
    made
        Date and time of the object; default: now.

    Raises
    ------
    GeometryError
        When the voxels are not those of the source.
    InputError
        When there are no segments, or the source lacks what a reference needs.
    MissingPackageError
        Without highdicom.
    """
    highdicom = package.require()
    place = Path(path)
    if not labels.segments:
        raise InputError("it has no segments")
    array = _voxels(labels, source, place)
    codes = [terms_of(segment) for segment in labels.segments]
    vague = [segment.name for segment, term in zip(labels.segments, codes) if not term.known]
    if vague:
        more = f" and {len(vague) - 3} more" * (len(vague) > 3)
        progress.warn(
            f"{name}: no code is known for {', '.join(map(repr, vague[:3]))}{more}; in DICOM they are called tissue."
        )
    long = [segment.name for segment in labels.segments if short(segment.name) != segment.name]
    if long:
        progress.warn(f"{name}: the name {long[0]!r} is written as {short(long[0])!r}, DICOM allows no more.")
    key = _key(labels, array, source, name, maker)
    numbers = range(1, len(labels.segments) + 1)
    descriptions = [
        _description(segment, number, term, maker, uid(key, "segment", str(number)))
        for number, segment, term in zip(numbers, labels.segments, codes)
    ]
    progress.report(0.3, f"Encoding {name} as DICOM")
    with package.making("the source cannot be referred to"):
        made_object = highdicom.seg.Segmentation(
            source_images=list(source.datasets),
            pixel_array=array,
            segmentation_type="BINARY",
            segment_descriptions=descriptions,
            series_instance_uid=uid(key, "series"),
            series_number=package.series_number(source.datasets[0], 1),
            sop_instance_uid=uid(key, "instance"),
            instance_number=1,
            manufacturer=package.MANUFACTURER,
            manufacturer_model_name=package.MODEL,
            software_versions=maker.version,
            device_serial_number=package.MODEL,
            content_label=re.sub(r"[^A-Z0-9_]", "_", name.upper())[:16] or "SEGMENTS",
            content_description=short(f"{maker.title} ({maker.name})"),
            pixel_measures=_measures(source),
            series_description=short(name),
        )
    if source.frames is not None:
        _number_frames(made_object, source.frames)
    _settle(made_object, key, made)
    progress.report(0.8, f"Writing {place.name}")
    with appearing(place) as staged, package.making("it cannot be written"):
        made_object.save_as(staged, enforce_file_format=True)
    by_name = {name: number for number, name in zip(numbers, labels.names) if labels.names.count(name) == 1}
    del made_object.PixelData
    return WrittenSegments(name, made_object, by_name, source.series)


def read_segments(path: str | os.PathLike[str], name: str) -> WrittenSegments:
    """A segmentation object on disk, so that measurements of its segments can refer to it."""
    place, _ = split_part(path)
    dataset, _ = read_dataset(place)
    if dataset is None or str(dataset.get("SOPClassUID", "")) != STORAGE:
        raise FileError(f"{place}: this file holds no DICOM segmentation.", path=place)
    with warnings.catch_warnings():
        # Odd values are those of the source image and were told of, where they matter, when it was read.
        warnings.simplefilter("ignore")
        dataset.decode()
    dataset.SpecificCharacterSet = package.UNICODE
    labels = [str(item.SegmentLabel) for item in dataset.SegmentSequence]
    numbers = {label: int(s.SegmentNumber) for label, s in zip(labels, dataset.SegmentSequence)}
    series = next((str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence", [])), "")
    return WrittenSegments(name, dataset, {k: n for k, n in numbers.items() if labels.count(k) == 1}, series)


def _voxels(labels: Labels, source: Source, place: Path) -> np.ndarray:
    """Numbers of segments (frame, row, column), or one 0/1 channel per segment where segments overlap."""
    count = int(np.prod(source.shape, dtype=np.int64))
    check_memory(place, 4 * count)
    merged = np.zeros(source.shape, np.uint16)
    pairs = [(segment.layer, segment.value) for segment in labels.segments]
    overlap = len(set(pairs)) < len(pairs) or len(pairs) > np.iinfo(np.uint16).max
    for number, layer in enumerate(labels.layers):
        here = {segment.value: n for n, segment in enumerate(labels.segments, 1) if segment.layer == number}
        if not here or overlap:
            continue
        values = source.placed(_numbered(layer, here), labels.grid)
        overlap = bool((merged.astype(bool) & values.astype(bool)).any())
        np.maximum(merged, values, out=merged)
    if not overlap:
        return merged if len(pairs) > 255 else merged.astype(np.uint8)
    check_memory(place, 2 * count * len(pairs))
    stacked = np.zeros((*source.shape, len(pairs)), np.uint8)
    for n, segment in enumerate(labels.segments):
        stacked[..., n] = source.placed(_numbered(labels.layers[segment.layer], {segment.value: 1}), labels.grid)
    return stacked


def _numbered(layer: sitk.Image, numbers: dict[int, int]) -> np.ndarray:
    """The layer with its values replaced by the numbers of segments, 0 for the others."""
    array = sitk.GetArrayViewFromImage(layer)
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high < 1 << 16:
        table = np.zeros(high + 1, np.uint16)
        for value, number in numbers.items():
            if 0 <= value <= high:
                table[value] = number
        return table[array]
    result = np.zeros(array.shape, np.uint16)
    for value, number in numbers.items():
        result[array == value] = number
    return result


def _description(segment: Segment, number: int, term: Any, maker: Maker, tracking: str) -> Any:
    highdicom = package.require()
    algorithm = highdicom.AlgorithmIdentificationSequence(
        short(maker.title),
        family(maker.group),
        short(maker.version),
        source=package.MODEL,
        parameters=dict(pair.split("=", 1) for pair in maker.settings()) or None,
    )
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=short(segment.name),
        segmented_property_category=term.category,
        segmented_property_type=term.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=tracking,
        tracking_id=short(segment.name),
    )
    if term.side is not None:
        modifier = highdicom.sr.CodedConcept.from_code(term.side)
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    description.RecommendedDisplayCIELabValue = list(lab_of(segment.color))
    return description


def _measures(source: Source) -> Any:
    """Pixel measures with the distance of slices, without which a reader cannot know about slices that are left out."""
    i, j, k = source.grid.spacing
    return package.require().PixelMeasuresSequence(
        pixel_spacing=(j, i), slice_thickness=_thickness(source) or k, spacing_between_slices=k
    )


def _thickness(source: Source) -> float:
    try:
        return float(source.datasets[0].get("SliceThickness") or 0.0)
    except (TypeError, ValueError):
        return 0.0


def _key(labels: Labels, array: np.ndarray, source: Source, name: str, maker: Maker) -> str:
    """A text that is the same for the same result: source instances, voxels, segments and operation."""
    segments = [f"{s.id}|{s.name}|{s.color}|{sorted(s.tags.items())}" for s in labels.segments]
    instances = [str(dataset.SOPInstanceUID) for dataset in source.datasets]
    voxels = hashlib.sha256(memoryview(np.ascontiguousarray(array)).cast("B")).hexdigest()
    return uid(*instances, *segments, name, maker.name, maker.version, *maker.settings(), str(array.shape), voxels)


def _number_frames(made_object: Any, frames: tuple[int, ...]) -> None:
    """The frames of the source by their numbers in the file, of which highdicom saw only those of the image."""
    items = [
        item
        for group in made_object.PerFrameFunctionalGroupsSequence
        for derivation in group.get("DerivationImageSequence", [])
        for item in derivation.SourceImageSequence
    ]
    # Frames of several segments share one item.
    for item in {id(item): item for item in items}.values():
        item.ReferencedFrameNumber = frames[int(item.ReferencedFrameNumber) - 1] + 1


def _settle(made_object: Any, key: str, made: datetime | None) -> None:
    """Replace what highdicom drew at random, and the time where the caller says it."""
    organization = uid(key, "dimensions")
    for item in [*made_object.DimensionOrganizationSequence, *made_object.DimensionIndexSequence]:
        item.DimensionOrganizationUID = organization
    made_object.SpecificCharacterSet = package.UNICODE
    package.set_time(made_object, made)

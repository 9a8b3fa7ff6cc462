"""DICOM segmentation objects (SEG): binary segments, overlap kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..geometry import Grid, image_like
from ..progress import SILENT, Progress
from ..values import PALETTE, Color, Labels
from .cielab import rgb_of
from .dicom_headers import SEGMENTATION, read_dataset
from .dicom_pixels import NATIVE
from .header import lps_grid
from .memory import check_memory

TERMINOLOGY = "TerminologyEntry"
"""The tag under which Slicer keeps what a segment is: context, category, type, modifier, and anatomic region."""
CATEGORIES = "Segmentation category and type - DICOM master list"
REGIONS = "Anatomic codes - DICOM master list"
MODIFIER = "SegmentedPropertyTypeModifierCodeSequence"


def read_dicom_seg(path: Path, progress: Progress = SILENT) -> Labels:
    """The segments of a binary DICOM SEG file on the grid that its frames span.

    Probability maps (FRACTIONAL) and label maps of the newer storage class are refused.
    """
    dataset, _ = read_dataset(path)
    if dataset is None or str(dataset.get("SOPClassUID", "")) not in SEGMENTATION:
        raise FileError(f"{path}: this DICOM file holds no segmentation.", path=path)
    kind = str(dataset.get("SegmentationType", ""))
    if kind != "BINARY":
        raise FileError(
            f"{path}: DICOM segmentations of type {kind or 'unknown'} are not supported, only BINARY; "
            "convert it with 3D Slicer or dcmqi.",
            path=path,
        )
    try:
        frames = _frames(path, dataset)
        grid, places = _grid(path, dataset, progress)
        numbers = [
            _macro(dataset, n, "SegmentIdentificationSequence").ReferencedSegmentNumber for n in range(len(frames))
        ]
        described = [
            (int(s.SegmentNumber), str(s.SegmentLabel), _colour(s, n), _terminology(s))
            for n, s in enumerate(dataset.SegmentSequence)
        ]
    except (AttributeError, KeyError, IndexError, ValueError, TypeError) as error:
        raise FileError(f"{path}: the DICOM segmentation is incomplete: {error}.", path=path) from error
    check_memory(path, 2 * int(np.prod(grid.size, dtype=np.int64)))

    def masks() -> Iterator[tuple[str, sitk.Image]]:
        for number, name, *_ in described:
            array = np.zeros(grid.size[::-1], np.uint8)
            for n, of in enumerate(numbers):
                if of == number:
                    array[places[n]] |= frames[n]
            yield name, image_like(array, grid)

    labels = Labels.from_masks(masks(), [colour for _, _, colour, _ in described])
    tagged = [replace(s, tags={TERMINOLOGY: d[3]} if d[3] else {}) for s, d in zip(labels.segments, described)]
    return Labels(labels.layers, tuple(tagged))


def _frames(path: Path, dataset: Any) -> np.ndarray:
    """Frames of 0 and 1, array (frame, row, column); DICOM packs eight pixels into a byte, lowest bit first."""
    shape = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    if str(dataset.file_meta.TransferSyntaxUID) not in NATIVE:
        raise FileError(f"{path}: compressed DICOM segmentations are not supported.", path=path)
    count = shape[0] * shape[1] * shape[2]
    check_memory(path, count)
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    if packed.size * 8 < count:
        raise FileError(f"{path}: the pixel data are cut short.", path=path)
    return np.unpackbits(packed, count=count, bitorder="little").reshape(shape)


def _macro(dataset: Any, frame: int, name: str) -> Any:
    """One functional group of a frame, its own or the shared one."""
    groups = [dataset.PerFrameFunctionalGroupsSequence[frame], *dataset.get("SharedFunctionalGroupsSequence", [])]
    return next(group[name][0] for group in groups if name in group)


def _grid(path: Path, dataset: Any, progress: Progress) -> tuple[Grid, list[int]]:
    """The grid of all frames, and the slice of each frame in it."""
    count = int(dataset.NumberOfFrames)
    cosines = np.array(_macro(dataset, 0, "PlaneOrientationSequence").ImageOrientationPatient, float).reshape(2, 3)
    measures = _macro(dataset, 0, "PixelMeasuresSequence")
    rows, columns = (float(v) for v in measures.PixelSpacing)
    axes = np.column_stack([*cosines, np.cross(*cosines)])
    places = np.array([_macro(dataset, n, "PlanePositionSequence").ImagePositionPatient for n in range(count)], float)
    depth = places @ axes[:, 2]
    distances = np.diff(np.unique(np.round(depth, 3)))
    step = float(measures.get("SpacingBetweenSlices") or 0.0) or float(
        distances.min() if distances.size else measures.get("SliceThickness") or 1.0
    )
    index = (depth - depth.min()) / step
    if np.abs(index - np.rint(index)).max() > 0.05:
        raise FileError(f"{path}: the frames of the segmentation are not at equal distances.", path=path)
    notes: list[str] = []
    start = places[int(depth.argmin())]
    size = int(dataset.Columns), int(dataset.Rows), int(np.rint(index.max())) + 1
    grid = lps_grid(path, size, axes * [columns, rows, step], start.tolist(), notes)
    for sentence in notes:
        progress.warn(sentence)
    return grid, [int(n) for n in np.rint(index)]


def _colour(segment: Any, number: int) -> Color:
    """RGB 0 to 1 of the recommended CIELab colour, or one of the palette."""
    lab = segment.get("RecommendedDisplayCIELabValue")
    return PALETTE[number % len(PALETTE)] if lab is None or len(lab) != 3 else rgb_of(lab)


def _terminology(segment: Any) -> str:
    """Slicer's terminology entry of the codes of a segment, empty where there are none."""

    def word(holder: Any, name: str) -> str:
        items = holder.get(name) if holder is not None else None
        item = items[0] if items else {}
        parts = (item.get("CodingSchemeDesignator"), item.get("CodeValue"), item.get("CodeMeaning"))
        return "^".join(re.sub(r"[~^|]", " ", str(part or "")) for part in parts)

    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or [None]
    category = word(segment, "SegmentedPropertyCategoryCodeSequence")
    kind, side = word(segment, "SegmentedPropertyTypeCodeSequence"), word(kinds[0], MODIFIER)
    region = word(segment, "AnatomicRegionSequence")
    if not (category.strip("^") and kind.strip("^")):
        return ""
    return f"{CATEGORIES}~{category}~{kind}~{side}~{REGIONS}~{region}~^^"

"""DICOM segmentation objects (SEG): binary segments with their overlap, and label maps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..geometry import Grid, image_like
from ..progress import SILENT, Progress
from ..values import PALETTE, Color, Labels, Segment
from .cielab import rgb_of
from .dicom_headers import SEGMENTATION, damaged, read_dataset
from .dicom_pixels import NATIVE
from .header import lps_grid
from .memory import check_memory

TERMINOLOGY = "TerminologyEntry"
"""The tag under which Slicer keeps what a segment is: context, category, type, modifier, and anatomic region."""
CATEGORIES = "Segmentation category and type - DICOM master list"
REGIONS = "Anatomic codes - DICOM master list"
MODIFIER = "SegmentedPropertyTypeModifierCodeSequence"


def read_dicom_seg(path: Path, progress: Progress = SILENT) -> Labels:
    """The segments of a DICOM SEG file (binary, overlap allowed, or a label map) on the grid that its frames span.

    Probability maps (FRACTIONAL) and compressed ones are refused.
    """
    dataset, _ = read_dataset(path)
    try:
        found, kind = (str(dataset.get(name, "")) for name in ("SOPClassUID", "SegmentationType"))
    except damaged():
        found = kind = ""
    if found not in SEGMENTATION:
        raise FileError(f"{path}: this DICOM file holds no segmentation.", path=path)
    if kind not in ("BINARY", "LABELMAP"):
        raise FileError(
            f"{path}: DICOM segmentations of type {kind or 'unknown'} are not supported, only BINARY and LABELMAP; "
            "convert it with 3D Slicer or dcmqi.",
            path=path,
        )
    try:
        frames = _Frames(path, dataset)
        grid, places = _grid(path, dataset, progress)
        described = [
            (int(s.SegmentNumber), str(s.get("SegmentLabel", "")) or f"Segment_{s.SegmentNumber}", _colour(s, n), s)
            for n, s in enumerate(dataset.SegmentSequence)
        ]
        check_memory(path, 2 * int(np.prod(grid.size, dtype=np.int64)))
        if kind == "LABELMAP":
            described = [entry for entry in described if entry[0] > 0]
            layers = [np.zeros(grid.size[::-1], frames.dtype)]
            for n, place in enumerate(places):
                layers[0][place] = np.maximum(layers[0][place], frames[n])
            where = {number: (0, number) for number, *_ in described}
        else:
            layers, where = _painted(dataset, frames, places, grid, [number for number, *_ in described], progress)
    except FileError:
        raise
    except damaged() as error:
        why = str(error) or type(error).__name__
        raise FileError(f"{path}: the DICOM segmentation is incomplete: {why}.", path=path) from error
    segments = []
    for n, (number, name, colour, item) in enumerate(described, start=1):
        layer, value = where[number]
        entry = _terminology(item)
        segments.append(Segment(f"Segment_{n}", name, colour, layer, value, {TERMINOLOGY: entry} if entry else {}))
    return Labels(tuple(image_like(layer, grid) for layer in layers), tuple(segments))


def _painted(
    dataset: Any, frames: _Frames, places: list[int], grid: Grid, numbers: list[int], progress: Progress
) -> tuple[list[np.ndarray], dict[int, tuple[int, int]]]:
    """Label images of binary frames, as few as overlap allows, and the layer and value of each segment by number."""
    of: dict[int, list[int]] = {number: [] for number in numbers}
    for n in range(len(frames)):
        of[int(_macro(dataset, n, "SegmentIdentificationSequence").ReferencedSegmentNumber)].append(n)
    layers: list[np.ndarray] = []
    where: dict[int, tuple[int, int]] = {}
    for value, (number, own) in enumerate(of.items(), start=1):
        progress.report(value / len(of), "Reading segments")
        inside = [(places[n], frames[n] != 0) for n in own]
        layer = next(
            (at for at, array in enumerate(layers) if not any(array[k][mask].any() for k, mask in inside)), len(layers)
        )
        if layer == len(layers):
            layers.append(np.zeros(grid.size[::-1], np.uint8 if len(of) < 256 else np.uint16))
        for k, mask in inside:
            layers[layer][k][mask] = value
        where[number] = (layer, value)
    return layers or [np.zeros(grid.size[::-1], np.uint8)], where


class _Frames:
    """The pixels of frames, unpacked one by one: DICOM packs eight binary pixels into a byte, lowest bit first."""

    def __init__(self, path: Path, dataset: Any) -> None:
        self._count, self._rows, self._columns = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
        self._bits = int(dataset.BitsAllocated)
        syntax = str(dataset.file_meta.TransferSyntaxUID)
        if syntax not in NATIVE:
            raise FileError(f"{path}: compressed DICOM segmentations are not supported.", path=path)
        if self._bits not in (1, 8, 16):
            raise FileError(f"{path}: a segmentation of {self._bits} bits is not supported.", path=path)
        self.dtype = np.dtype(np.uint16 if self._bits == 16 else np.uint8)
        self._order = NATIVE[syntax]
        self._data = np.frombuffer(dataset.PixelData, np.uint8)
        if self._data.size * 8 < self._count * self._rows * self._columns * self._bits:
            raise FileError(f"{path}: the pixel data are cut short.", path=path)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: int) -> np.ndarray:
        size = self._rows * self._columns
        start = frame * size
        if self._bits == 1:
            packed = self._data[start // 8 : (start + size + 7) // 8]
            values = np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + size]
        else:
            each = self._bits // 8
            values = self._data[start * each : (start + size) * each].view(f"{self._order}u{each}").astype(self.dtype)
        return values.reshape(self._rows, self._columns)


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
    first = int(depth.argmin())
    aside = (places - places[first]) @ axes[:, :2] / [columns, rows]
    turned = [
        np.array(_macro(dataset, n, "PlaneOrientationSequence").ImageOrientationPatient, float) for n in range(count)
    ]
    if np.abs(aside).max() > 0.05 or np.abs(np.array(turned) - turned[0]).max() > 1e-3:
        raise FileError(
            f"{path}: the frames of the segmentation are not stacked along their normal (gantry tilt, or several "
            "orientations), which is no grid.",
            path=path,
        )
    notes: list[str] = []
    start = places[first]
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

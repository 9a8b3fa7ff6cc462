"""The values of DICOM slices: stored numbers by pydicom or GDCM, then slope and intercept slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..progress import SILENT, Progress
from .dicom_headers import Slice, read_dataset
from .header import bytes_text
from .images import native_read
from .memory import check_memory

NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
RLE = "1.2.840.10008.1.2.5"
COMPRESSED = {f"1.2.840.10008.1.2.{tail}" for tail in ("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91")}
JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


class Pixels:
    """Reads the values of slices; of a file with many frames the pixels are kept until the next file."""

    def __init__(self) -> None:
        self._last: tuple[Path, np.ndarray] | None = None

    def values(self, slices: Sequence[Slice], progress: Progress = SILENT) -> np.ndarray:
        """Values of slices of equal size, array (n, rows, columns[, component]).

        int16, int32 or int64 when every slope is 1 and every intercept whole, else float32. Raises
        `FileError` that names the file whose pixels are missing, cut short, or cannot be decoded.
        """
        first = slices[0]
        check_memory(first.path, 4 * len(slices) * first.rows * first.columns * first.samples)
        stored: list[tuple[np.ndarray, bool]] = []
        for number, one in enumerate(slices):
            progress.report(number / len(slices), "Reading DICOM slices")
            stored.append(self._stored(one))
        _say(slices, progress)
        return _rescaled(slices, stored)

    def _stored(self, one: Slice) -> tuple[np.ndarray, bool]:
        """Numbers of one slice, and whether slope and intercept are applied already (GDCM does)."""
        if one.syntax not in (*NATIVE, *COMPRESSED, RLE):
            from pydicom.uid import UID

            known = f" ({UID(one.syntax).name})" if UID(one.syntax).name != one.syntax else ""
            raise FileError(
                f"{one.path}: the transfer syntax {one.syntax}{known} cannot be decoded; convert the file "
                "to an uncompressed one.",
                path=one.path,
            )
        if self._last is None or self._last[0] != one.path:
            self._last = one.path, (_by_gdcm if _by_gdcm_only(one) else _by_pydicom)(one.path)
        frames, at = self._last[1], one.frame or 0
        if at >= len(frames):
            raise FileError(
                f"{one.path}: the header says {at + 1} or more frames, the pixels have {len(frames)}.", path=one.path
            )
        size = frames[at].shape[:2]
        if size != (one.rows, one.columns):
            raise FileError(
                f"{one.path}: the pixels are {size[0]} x {size[1]}, the header says {one.rows} x {one.columns}.",
                path=one.path,
            )
        return frames[at], _by_gdcm_only(one) and not one.dose


def _by_gdcm_only(one: Slice) -> bool:
    return one.syntax in COMPRESSED or one.samples > 1


def _say(slices: Sequence[Slice], progress: Progress) -> None:
    """Warn of what is odd in the pixels of a stack."""
    odd = [one.name for one in slices if one.syntax in JPEG2000 and not one.frame and _sign_differs(one.path)]
    if odd:
        more = f" and {len(odd) - 1} more" * (len(odd) > 1)
        progress.warn(
            f"{odd[0]}{more}: the header and the JPEG 2000 data disagree on whether values are signed; the "
            "values are those of the data as GDCM decodes them."
        )
    if any(one.monochrome1 for one in slices):
        progress.warn(
            f"{slices[0].path.name}: the image is stored for inverted display (MONOCHROME1); its values are "
            "kept as they are."
        )
    for doubt in dict.fromkeys(one.doubt for one in slices if one.doubt):
        progress.warn(f"{slices[0].path.name}: {doubt}.")
    frames: dict[Path, set[tuple[float, float]]] = {}
    for one in slices:
        if one.frame is not None and _by_gdcm_only(one):
            frames.setdefault(one.path, set()).add((one.slope, one.intercept))
    for path, scales in frames.items():
        if len(scales) > 1:
            raise FileError(
                f"{path}: the frames have different slopes and are compressed, which cannot be read "
                "rightly; convert the file to an uncompressed one.",
                path=path,
            )


def _rescaled(slices: Sequence[Slice], stored: list[tuple[np.ndarray, bool]]) -> np.ndarray:
    """Slope and intercept applied slice by slice, in the smallest type that holds the result."""
    for one, (array, done) in zip(slices, stored):
        if one.slope == 0 and (done or array.min() != array.max()):
            raise FileError(
                f"{one.path}: its RescaleSlope of 0 makes all values the same, so they cannot be known.",
                path=one.path,
            )
    shape = (len(slices), *stored[0][0].shape)
    whole = all(
        array.dtype.kind in "iu" and (done or (one.slope == 1.0 and one.intercept == int(one.intercept)))
        for one, (array, done) in zip(slices, stored)
    )
    if not whole:
        result = np.empty(shape, np.float32)
        for n, (one, (array, done)) in enumerate(zip(slices, stored)):
            result[n] = array if done else array * one.slope + one.intercept
        return result
    shifts = [0 if done else int(one.intercept) for one, (_, done) in zip(slices, stored)]
    low = min(int(array.min()) + shift for (array, _), shift in zip(stored, shifts))
    high = max(int(array.max()) + shift for (array, _), shift in zip(stored, shifts))
    kinds: tuple[Any, ...] = (np.uint8,) if len(shape) > 3 and low >= 0 else ()
    kind = next(k for k in (*kinds, np.int16, np.int32, np.int64) if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    values = np.empty(shape, kind)
    for n, ((array, _), shift) in enumerate(zip(stored, shifts)):
        values[n] = array.astype(np.int64) + shift
    return values


def _by_pydicom(path: Path) -> np.ndarray:
    """Stored numbers (frames, rows, columns) of a file that is not compressed, or run-length encoded."""
    dataset, _ = read_dataset(path)
    name = next((n for n in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if n in (dataset or ())), None)
    if dataset is None or name is None:
        raise FileError(f"{path}: the file has no pixel data, or they are cut short.", path=path)
    frames = int(dataset.get("NumberOfFrames") or 1)
    bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(name) or int(dataset.get("BitsAllocated") or 0)
    if bits not in (8, 16, 32, 64):
        raise FileError(f"{path}: pixels of {bits} bits are not supported.", path=path)
    shape = frames, int(dataset.Rows), int(dataset.Columns)
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", ""))
    if syntax == RLE:
        array = _run_length(path, dataset).reshape(shape)
    else:
        data, needed = dataset[name].value or b"", int(np.prod(shape, dtype=np.int64)) * bits // 8
        if len(data) < needed:
            raise FileError(
                f"{path}: the pixel data are cut short: {bytes_text(len(data))} of {bytes_text(needed)}.", path=path
            )
        letter = "f" if name != "PixelData" else "i" if int(dataset.get("PixelRepresentation") or 0) == 1 else "u"
        order = NATIVE.get(syntax, "<")
        if bits == 8 and order == ">":
            data = np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().tobytes()
        array = np.frombuffer(data, f"{order}{letter}{bits // 8}", needed * 8 // bits).reshape(shape)
    return _used_bits(array.astype(array.dtype.newbyteorder("=")), dataset, bits) if name == "PixelData" else array


def _run_length(path: Path, dataset: Any) -> np.ndarray:
    try:
        return np.asarray(dataset.pixel_array)
    except (ValueError, RuntimeError, AttributeError, IndexError, NotImplementedError) as error:
        raise FileError(f"{path}: the run-length encoded pixels are damaged: {error}.", path=path) from error


def _used_bits(array: np.ndarray, dataset: Any, bits: int) -> np.ndarray:
    """Only the stored bits count: the sign is the highest of them, and what is above may be anything."""
    used = int(dataset.get("BitsStored") or bits)
    high = int(dataset.get("HighBit") if dataset.get("HighBit") is not None else used - 1)
    if not 0 < used <= bits or not used - 1 <= high < bits:
        raise FileError(
            f"{dataset.filename}: {used} bits stored with the highest at {high} do not fit {bits} bits allocated.",
            path=dataset.filename,
        )
    if used == bits:
        return array
    array <<= bits - 1 - high
    array >>= bits - used
    return array


def _by_gdcm(path: Path) -> np.ndarray:
    """Values (frames, rows, columns[, samples]) as GDCM decodes and rescales them."""
    image = native_read(path)
    array = sitk.GetArrayFromImage(image)
    return array[None] if image.GetDimension() == 2 else array


def _sign_differs(path: Path) -> bool:
    """Whether the JPEG 2000 codestream says another signedness than the header (ISO 15444-1, marker SIZ)."""
    data = path.read_bytes()
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 43 > len(data):
        return False
    dataset, _ = read_dataset(path, pixels=False)
    return bool(data[at + 42] & 0x80) != (int(dataset.get("PixelRepresentation") or 0) == 1)

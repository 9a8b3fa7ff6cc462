"""The values of DICOM slices: stored numbers by pydicom or GDCM, then slope and intercept slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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

NATIVE = {"1.2.840.10008.1.2": "<", "1.2.840.10008.1.2.1": "<", "1.2.840.10008.1.2.1.99": "<", "1.2.840.10008.1.2.2": ">"}
COMPRESSED = {f"1.2.840.10008.1.2.{tail}" for tail in ("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "5")}
JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


def read_values(slices: Sequence[Slice], progress: Progress = SILENT) -> np.ndarray:
    """Values of slices of equal size, array (n, rows, columns[, component]).

    int16 or int32 when every slope is 1 and every intercept whole, else float32. Raises `FileError`
    that names the file whose pixels are missing, cut short, or in a form that cannot be decoded.
    """
    first = slices[0]
    check_memory(first.path, 4 * len(slices) * first.rows * first.columns * first.samples)
    stored: list[tuple[np.ndarray, bool]] = []
    odd: list[str] = []
    for number, one in enumerate(slices):
        progress.report(number / len(slices), "Reading DICOM slices")
        stored.append(_stored(one, odd))
    if odd:
        progress.warn(f"{odd[0]}: the header and the JPEG 2000 data disagree on whether values are signed "
                      f"({len(odd)} slices); the values are those of the data as GDCM decodes them.")
    if any(one.monochrome1 for one in slices):
        progress.warn(f"{first.path.name}: the image is stored for inverted display (MONOCHROME1); its values are kept as "
                      "they are.")
    whole = all(done and array.dtype.kind in "iu" or not done and array.dtype.kind in "iu" and one.slope == 1.0 and
                one.intercept == int(one.intercept) for one, (array, done) in zip(slices, stored))
    if not whole:
        result = np.empty((len(slices), *stored[0][0].shape), np.float32)
        for n, (one, (array, done)) in enumerate(zip(slices, stored)):
            result[n] = array if done else array * one.slope + one.intercept
        return result
    shifts = [0 if done else int(one.intercept) for one, (_, done) in zip(slices, stored)]
    low = min(int(array.min()) + shift for (array, _), shift in zip(stored, shifts))
    high = max(int(array.max()) + shift for (array, _), shift in zip(stored, shifts))
    kind = next((k for k in (np.int16, np.int32, np.int64) if np.iinfo(k).min <= low and high <= np.iinfo(k).max))
    if first.samples > 1 and low >= 0 and high < 256:
        kind = np.uint8
    values = np.empty((len(slices), *stored[0][0].shape), kind)
    for n, ((array, _), shift) in enumerate(zip(stored, shifts)):
        values[n] = array.astype(np.int64) + shift
    return values


def _stored(one: Slice, odd: list[str]) -> tuple[np.ndarray, bool]:
    """Numbers of one slice, and whether slope and intercept are applied already (GDCM does)."""
    if one.syntax in NATIVE:
        frames, done = _uncompressed(one.path), False
    elif one.syntax in COMPRESSED:
        frames, done = _by_gdcm(one.path), True
        if one.syntax in JPEG2000 and _sign_differs(one.path):
            odd.append(one.name)
    else:
        from pydicom.uid import UID

        known = UID(one.syntax).name
        raise FileError(f"{one.path}: the transfer syntax {one.syntax}{f' ({known})' if known != one.syntax else ''} cannot "
                        "be decoded; convert the file to an uncompressed one.", path=one.path)
    at = one.frame or 0
    if at >= len(frames):
        raise FileError(f"{one.path}: the header says {at + 1} or more frames, the pixel data have {len(frames)}.",
                        path=one.path)
    frame = frames[at]
    if frame.shape[:2] != (one.rows, one.columns):
        raise FileError(f"{one.path}: the pixels are {frame.shape[0]} x {frame.shape[1]}, the header says {one.rows} x "
                        f"{one.columns}.", path=one.path)
    return frame, done


@lru_cache(maxsize=1)
def _uncompressed(path: Path) -> np.ndarray:
    """Stored values (frames, rows, columns[, samples]) of a file that is not compressed."""
    dataset, _ = read_dataset(path)
    name = next((n for n in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if n in (dataset or ())), None)
    if dataset is None or name is None:
        raise FileError(f"{path}: the file has no pixel data, or they are cut short.", path=path)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(name) or int(dataset.get("BitsAllocated") or 0)
    if bits not in (8, 16, 32, 64):
        raise FileError(f"{path}: pixels of {bits} bits are not supported.", path=path)
    shape = (frames, int(dataset.Rows), int(dataset.Columns)) + ((samples,) if samples > 1 else ())
    data = dataset[name].value or b""
    needed = int(np.prod(shape, dtype=np.int64)) * bits // 8
    if len(data) < needed:
        raise FileError(f"{path}: the pixel data are cut short: {bytes_text(len(data))} of {bytes_text(needed)}.", path=path)
    order = NATIVE[str(dataset.file_meta.TransferSyntaxUID)] if "TransferSyntaxUID" in getattr(dataset, "file_meta", ()) \
        else "<"
    if samples > 1 or (bits == 8 and order == ">"):
        return _by_gdcm(path)
    if name != "PixelData":
        return np.frombuffer(data, f"{order}f{bits // 8}", needed * 8 // bits).reshape(shape)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    array = np.frombuffer(data, f"{order}{'i' if signed else 'u'}{bits // 8}", needed * 8 // bits).reshape(shape)
    return _used_bits(array.astype(array.dtype.newbyteorder("=")), dataset, bits)


def _used_bits(array: np.ndarray, dataset: Any, bits: int) -> np.ndarray:
    """Only the stored bits count: the sign is the highest of them, and what is above may be anything."""
    used = int(dataset.get("BitsStored") or bits)
    high = int(dataset.get("HighBit") if dataset.get("HighBit") is not None else used - 1)
    if not 0 < used <= bits or not used - 1 <= high < bits:
        raise FileError(f"{dataset.filename}: {used} bits stored with the highest at {high} do not fit {bits} bits allocated.",
                        path=dataset.filename)
    if used == bits:
        return array
    array <<= bits - 1 - high
    array >>= bits - used
    return array


@lru_cache(maxsize=1)
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

"""From a checked header to voxels: one pass over the file, straight into the image's own memory.

The pass counts the bytes, so a file that stops early, goes on too long or is damaged is found while
it is read, also when it is compressed. Never more is allocated than the header declares, and that
only after the declared size was compared with the file and with the free memory.
"""

from __future__ import annotations

import bz2
import ctypes
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..geometry import image_like
from ..progress import SILENT, Progress
from .header import ImageHeader, bytes_text
from .memory import check_memory

CHUNK = 4 << 20
PIECE = 256 << 10
"""Bytes that are decompressed at once: larger pieces cost more in fresh memory than they save in calls."""
DEFLATE_LIMIT = 1032
"""Deflate cannot make more than this many bytes of one: a larger claim is a lie."""

PIXELS = {
    "i1": "Int8",
    "u1": "UInt8",
    "i2": "Int16",
    "u2": "UInt16",
    "i4": "Int32",
    "u4": "UInt32",
    "i8": "Int64",
    "u8": "UInt64",
    "f4": "Float32",
    "f8": "Float64",
}


def read_frames(
    header: ImageHeader, warnings: list[str], frame: int | None = None, progress: Progress = SILENT
) -> list[sitk.Image]:
    """All frames of an image file, or the one numbered `frame` (from 0).

    `warnings` gets a sentence when the file has more bytes than the header declares. `FileError`
    when it has fewer, is damaged, or does not fit in memory.
    """
    wanted = range(header.frames) if frame is None else range(frame, frame + 1)
    _check_size(header, len(wanted))
    try:
        with _voxel_bytes(header) as source:
            if header.axes[0] != "frame" and header.axes[-1] != "component":
                images = _contiguous(header, source, wanted, progress)
            else:
                images = _rearranged(header, source, wanted, progress)
            if wanted.stop == header.frames and source.read(1):
                warnings.append(
                    f"{header.path.name}: the file has more bytes than its header declares "
                    f"({bytes_text(header.bytes)}); the declared part was read. Check the sizes."
                )
    except (zlib.error, EOFError, OSError) as error:
        raise FileError(f"{header.path}: the voxels cannot be read: {error}.", path=header.path) from error
    return [_valued(header, image) for image in images]


def _check_size(header: ImageHeader, frames: int) -> None:
    """Compare what the header declares with the size of the file, then with the memory."""
    stored = header.data.stat().st_size
    if header.encoding == "raw":
        start = header.file_offset or 0
        if start + header.bytes > stored:
            raise FileError(
                f"{header.path}: the header declares {bytes_text(header.bytes)} of voxels from byte {start} on, but "
                f"the file has {bytes_text(stored)} in all; it is cut short or its sizes are wrong.",
                path=header.path,
            )
    elif header.encoding == "text" and 2 * (header.bytes // header.dtype.itemsize) - 1 > stored:
        raise FileError(
            f"{header.path}: {bytes_text(stored)} of text are too few for the voxels that the header "
            "declares; the file is cut short.",
            path=header.path,
        )
    elif header.encoding == "gzip" and header.bytes > DEFLATE_LIMIT * stored:
        raise FileError(
            f"{header.path}: the header declares {bytes_text(header.bytes)} of voxels; {bytes_text(stored)} of "
            "compressed data cannot hold that much.",
            path=header.path,
        )
    together = header.axes[-1] == "component" or header.axes[0] == "frame"
    check_memory(header.path, header.bytes * 2 if together else header.frame_bytes * frames)


def _contiguous(header: ImageHeader, source: BinaryIO, wanted: range, progress: Progress) -> list[sitk.Image]:
    images: list[sitk.Image] = []
    _skip(header, source, wanted.start * header.frame_bytes)
    for number in wanted:
        image = _empty(header)
        done = progress.part(number / header.frames, (number + 1) / header.frames)
        _fill(header, source, writable_bytes(image), done)
        images.append(image)
    return images


def _rearranged(header: ImageHeader, source: BinaryIO, wanted: range, progress: Progress) -> list[sitk.Image]:
    """Components that are stored plane after plane, or frames that are stored voxel by voxel."""
    space = dict(zip("ijk", header.grid.size))
    lengths = {"component": {"component": header.components}, "frame": {"frame": header.frames}, "space": space}
    sizes = {name: n for axis in header.axes for name, n in lengths[axis].items()}
    names = list(sizes)[::-1]
    array = np.empty([sizes[name] for name in names], header.dtype)
    _fill(header, source, array.reshape(-1).view(np.uint8), progress)
    order = [name for name in ("frame", "k", "j", "i", "component") if name in names]
    array = array.transpose([names.index(name) for name in order])
    if "frame" not in names:
        array = array[None]
    native = array.dtype.newbyteorder("=")
    return [image_like(np.ascontiguousarray(array[n], native), header.grid) for n in wanted]


def _empty(header: ImageHeader) -> sitk.Image:
    """An image for one frame on the grid of the header."""
    kind = PIXELS[header.dtype.str[1:]]
    if header.components == 1:
        image = sitk.Image(list(header.grid.size), getattr(sitk, f"sitk{kind}"))
    else:
        image = sitk.Image(list(header.grid.size), getattr(sitk, f"sitkVector{kind}"), header.components)
    return header.grid.put_on(image)


def writable_bytes(image: sitk.Image) -> np.ndarray:
    """The memory of a new image as writable bytes; use it only while `image` is held and not yet copied.

    SimpleITK hands out read-only views, and making an image from an array copies it. Filling the
    memory of the image halves the peak for a file that is read in one pass.
    """
    view = sitk.GetArrayViewFromImage(image)
    memory = (ctypes.c_ubyte * view.nbytes).from_address(view.__array_interface__["data"][0])
    return np.frombuffer(memory, np.uint8)


def _fill(header: ImageHeader, source: BinaryIO, target: np.ndarray, progress: Progress) -> None:
    """Read `target` full, and bring it into the byte order of this machine."""
    memory, done = memoryview(target), 0
    while done < len(memory):
        progress.report(done / len(memory), "Reading")
        got = source.readinto(memory[done : done + CHUNK])  # type: ignore[attr-defined]
        if not got:
            raise FileError(
                f"{header.path}: the voxels stop after {bytes_text(done)} of {bytes_text(len(memory))}; the file is "
                "cut short.",
                path=header.path,
            )
        done += got
    if not header.dtype.isnative:
        target.view(header.dtype.newbyteorder("=")).byteswap(inplace=True)


def _skip(header: ImageHeader, source: BinaryIO, count: int) -> None:
    while count > 0:
        got = len(source.read(min(count, CHUNK)))
        if not got:
            raise FileError(f"{header.path}: the file ends before the voxels; it is cut short.", path=header.path)
        count -= got


@contextmanager
def _voxel_bytes(header: ImageHeader) -> Iterator[BinaryIO]:
    """The decompressed bytes of the file from the first voxel on."""
    with open(header.data, "rb") as file:
        if header.file_offset is None:
            file.seek(-header.bytes, io.SEEK_END)
        else:
            file.seek(header.file_offset)
        source: Any = file
        if header.encoding == "gzip":
            source = io.BufferedReader(_Inflating(file), CHUNK)
        elif header.encoding == "bzip2":
            source = bz2.BZ2File(file)
        elif header.encoding == "text":
            source = io.BytesIO(_numbers(header, file))
        _skip(header, source, header.stream_offset)
        yield source


def _numbers(header: ImageHeader, file: BinaryIO) -> bytes:
    """Numbers that are written as text, as bytes in the type of the header."""
    try:
        return np.array(file.read().split()).astype(header.dtype).tobytes()
    except (ValueError, OverflowError) as error:
        raise FileError(f"{header.path}: the voxels are not all numbers: {error}.", path=header.path) from error


class _Inflating(io.RawIOBase):
    """The decompressed bytes of gzip or zlib data, never more of them at once than asked for."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._inflate = zlib.decompressobj(47)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._inflate.eof:
                rest = self._inflate.unused_data or self._file.read(CHUNK)
                if not rest.startswith(b"\x1f\x8b"):
                    return 0
                self._inflate = zlib.decompressobj(47)
            else:
                rest = self._inflate.unconsumed_tail or self._file.read(PIECE)
            # Output can be pending inside zlib although all input was consumed: ask before giving up.
            made = self._inflate.decompress(rest, min(len(buffer), PIECE))
            if made:
                buffer[: len(made)] = made
                return len(made)
            if not rest and not self._inflate.eof:
                raise EOFError("the compressed data end too early; the file is cut short")


def _valued(header: ImageHeader, image: sitk.Image) -> sitk.Image:
    """Stored numbers to values: scale, and turn RAS vectors to LPS."""
    if header.flip_vectors:
        array = sitk.GetArrayFromImage(image)
        if array.dtype.kind != "f":
            raise FileError(
                f"{header.path}: displacement vectors of whole numbers are not supported.", path=header.path
            )
        array[..., :2] *= -1
        return image_like(array, header.grid)
    if header.slope == 1.0 and header.intercept == 0.0:
        return image
    kind = sitk.sitkFloat32 if header.dtype.str[1:] in ("i1", "u1", "i2", "u2", "f4") else sitk.sitkFloat64
    return sitk.ShiftScale(image, header.intercept / header.slope, header.slope, kind)

"""The header of NIfTI-1 and NIfTI-2 files, checked against itself.

Of the two coordinate systems that a header may hold, the same one is used as ITK and 3D Slicer
use (Cox et al. 2004, nifti1.h; ITK's NiftiImageIO), and a disagreement is said. NIfTI is RAS; all that
leaves this file is LPS.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..geometry import Grid
from .header import FrameAxis, ImageHeader, lps_grid

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
COLOURS = {128: 3, 2304: 4}
REFUSED = {1: "1-bit", 32: "complex64", 1792: "complex128", 2048: "complex256", 1536: "float128"}
UNITS = {1: (1000.0, "metres"), 3: (0.001, "micrometres")}
FRAME_UNITS = {8: ("time", "s"), 16: ("time", "ms"), 24: ("time", "us"), 32: ("frequency", "Hz"),
               40: ("chemical shift", "ppm"), 48: ("angular frequency", "rad/s")}  # fmt: skip
"""What the fourth axis is, by bits 3 to 5 of the field xyzt_units."""
DISPLACEMENT, VECTOR = 1006, 1007
VECTORS = (1005, DISPLACEMENT, VECTOR, 1008, 1009)
TO_LPS = np.diag([-1.0, -1.0, 1.0])
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class _Fields:
    """The fields of either version that matter here."""

    version: int
    order: str
    magic: bytes
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    datatype: int
    bitpix: int
    intent: int
    offset: int
    slope: float
    intercept: float
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    sform: np.ndarray
    units: int
    start: float


def is_nifti(start: bytes) -> bool:
    """Whether a file that starts (decompressed) with these bytes is NIfTI-1, NIfTI-2 or Analyze."""
    return len(start) >= 4 and any(struct.unpack(order + "i", start[:4])[0] in (348, 540) for order in "<>")


def first_bytes(path: Path, count: int) -> tuple[bytes, bool]:
    """The first `count` bytes of a file after gzip decompression, and whether it is compressed."""
    with open(path, "rb") as file:
        start = file.read(max(count, 4096))
    if not start.startswith(GZIP):
        return start[:count], False
    try:
        return zlib.decompressobj(31).decompress(start, count), True
    except zlib.error as error:
        raise FileError(f"{path}: the gzip data are damaged ({error}).", path=path) from error


def read_nifti_header(path: Path) -> ImageHeader:
    """The header of a .nii, .nii.gz or .hdr file; `FileError` names what is wrong with it."""
    start, compressed = first_bytes(path, 540)
    fields = _parse(path, start)
    warnings: list[str] = []
    dtype, components = _type(path, fields)
    size, frames, extra = _sizes(path, fields)
    if extra > 1 and components > 1:
        raise FileError(f"{path}: vectors of colours are not supported.", path=path)
    if extra > 1 and fields.intent not in VECTORS:
        warnings.append(
            f"{path.name}: a 5-D file without a vector intent; its {extra} values per voxel are taken as components."
        )
    axes: tuple[str, ...] = ("component", "space") if components > 1 else ("space",)
    axes += ("frame",) * (frames > 1) + ("component",) * (extra > 1)
    data, offset = _data(path, fields)
    scaled = np.isfinite([fields.slope, fields.intercept]).all() and fields.slope != 0 and components == 1
    return ImageHeader(
        path=path,
        format=f"NIfTI-{fields.version}",
        dtype=dtype,
        grid=_grid(path, size, fields, warnings),
        axes=axes,
        data=data,
        components=max(components, extra),
        frames=frames,
        file_offset=0 if compressed else offset,
        stream_offset=offset if compressed else 0,
        encoding="gzip" if compressed else "raw",
        slope=fields.slope if scaled else 1.0,
        intercept=fields.intercept if scaled else 0.0,
        flip_vectors=fields.intent == DISPLACEMENT and extra == 3,
        warnings=tuple(warnings),
        frame_axis=_frame_axis(fields, frames),
    )


def _frame_axis(fields: _Fields, frames: int) -> FrameAxis:
    """Steps of `pixdim` from `toffset`. A file that names no unit and steps by 1 says nothing of its frames."""
    title, unit = FRAME_UNITS.get(fields.units & 0x38, ("time", ""))
    # The digits that a 32-bit number has: 0.72 s is stored as 0.7200000286.
    step, start = (float(f"{value:.7g}") for value in (fields.pixdim[4], fields.start))
    if frames < 2 or (not unit and step == 1.0 and start == 0.0):
        return FrameAxis()
    return FrameAxis.even(frames, start, step, title, unit)


def _parse(path: Path, start: bytes) -> _Fields:
    orders = [o for o in "<>" if len(start) >= 4 and struct.unpack(o + "i", start[:4])[0] in (348, 540)]
    if not orders:
        raise FileError(f"{path}: this is not a NIfTI file (its header size is neither 348 nor 540).", path=path)
    order = orders[0]
    length = struct.unpack(order + "i", start[:4])[0]
    if len(start) < length:
        raise FileError(f"{path}: the file ends inside the header.", path=path)

    def get(form: str, place: int) -> tuple:
        return struct.unpack_from(order + form, start, place)

    if length == 348:
        fields = _Fields(
            version=1,
            order=order,
            magic=start[344:348],
            dim=get("8h", 40),
            pixdim=get("8f", 76),
            datatype=get("h", 70)[0],
            bitpix=get("h", 72)[0],
            intent=get("h", 68)[0],
            offset=_whole(path, get("f", 108)[0]),
            slope=get("f", 112)[0],
            intercept=get("f", 116)[0],
            qform_code=get("h", 252)[0],
            sform_code=get("h", 254)[0],
            quaternion=get("6f", 256),
            sform=np.reshape(get("12f", 280), (3, 4)),
            units=start[123],
            start=get("f", 136)[0],
        )
        expected: tuple[bytes, ...] = (b"n+1\0", b"ni1\0")
    else:
        fields = _Fields(
            version=2,
            order=order,
            magic=start[4:12],
            dim=get("8q", 16),
            pixdim=get("8d", 104),
            datatype=get("h", 12)[0],
            bitpix=get("h", 14)[0],
            intent=get("i", 504)[0],
            offset=get("q", 168)[0],
            slope=get("d", 176)[0],
            intercept=get("d", 184)[0],
            qform_code=get("i", 344)[0],
            sform_code=get("i", 348)[0],
            quaternion=get("6d", 352),
            sform=np.reshape(get("12d", 400), (3, 4)),
            units=get("i", 500)[0] & 0xFF,
            start=get("d", 224)[0],
        )
        expected = (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")
    if fields.magic not in expected:
        raise FileError(
            f"{path}: the header has the magic {fields.magic!r} instead of {expected[0]!r}; it is damaged "
            "or an Analyze file, whose orientation is unknown. Convert it to NIfTI.",
            path=path,
        )
    return fields


def _whole(path: Path, offset: float) -> int:
    if not np.isfinite(offset) or offset < 0:
        raise FileError(f"{path}: the header says the voxels start at byte {offset}.", path=path)
    return int(offset)


def _type(path: Path, fields: _Fields) -> tuple[np.dtype, int]:
    """Type of one stored number, and colour components."""
    code = fields.datatype
    if code in REFUSED:
        advice = "; take the magnitude first" if "complex" in REFUSED[code] else ""
        raise FileError(
            f"{path}: voxels of type {REFUSED[code]} (datatype {code}) are not supported{advice}.", path=path
        )
    if code not in TYPES and code not in COLOURS:
        raise FileError(f"{path}: the header has the unknown datatype {code}.", path=path)
    dtype = np.dtype(fields.order + TYPES.get(code, "u1"))
    components = COLOURS.get(code, 1)
    if fields.bitpix != 8 * dtype.itemsize * components:
        raise FileError(
            f"{path}: the header contradicts itself: datatype {code} has {8 * dtype.itemsize * components} "
            f"bits per voxel, but bitpix is {fields.bitpix}.",
            path=path,
        )
    return dtype, components


def _sizes(path: Path, fields: _Fields) -> tuple[tuple[int, ...], int, int]:
    """Spatial size, frames and values per voxel."""
    count = fields.dim[0]
    if not 2 <= count <= 7:
        raise FileError(f"{path}: the header says {count} dimensions; 2 to 7 are possible.", path=path)
    sizes = fields.dim[1 : count + 1]
    if min(sizes) < 1:
        raise FileError(
            f"{path}: the header says {' x '.join(map(str, sizes))} voxels; every size must be 1 or more.", path=path
        )
    padded = (*sizes, 1, 1, 1, 1, 1)
    if count > 5 and max(padded[5:]) > 1:
        raise FileError(f"{path}: {count}-dimensional images are not supported.", path=path)
    return tuple(sizes[:3]), padded[3] if count > 3 else 1, padded[4] if count > 4 else 1


def _data(path: Path, fields: _Fields) -> tuple[Path, int]:
    """The file with the voxels and where they start in it."""
    if fields.magic[:2] == b"n+":
        least = 352 if fields.version == 1 else 544
        return path, max(fields.offset, least)
    for ending in (".img", ".img.gz", ".IMG"):
        candidate = (
            path.with_name(path.name.removesuffix(".gz").removesuffix(path.suffix) + ending)
            if path.suffix != ".gz"
            else path.with_name(path.name.removesuffix(".hdr.gz") + ending)
        )
        if candidate.is_file():
            return candidate, fields.offset
    raise FileError(f"{path}: the file with the voxels (.img) is missing beside the header.", path=path)


def _grid(path: Path, size: tuple[int, ...], fields: _Fields, warnings: list[str]) -> Grid:
    unit, name = UNITS.get(fields.units & 7, (1.0, ""))
    if name:
        warnings.append(f"{path.name}: the header is in {name}; it was converted to millimetres.")
    pixdim = np.array([*fields.pixdim[1 : len(size) + 1], 1.0][:3] if len(size) == 2 else fields.pixdim[1:4], float)
    affine, spacing = _affine(path, size, pixdim, fields, warnings)
    matrix, origin = TO_LPS @ affine[:, :3] * unit, TO_LPS @ affine[:, 3] * unit
    spacing = spacing * unit
    if fields.qform_code <= 0 and fields.sform_code <= 0:
        matrix, origin = np.diag(spacing), np.zeros(3)
    if len(size) == 3:
        return lps_grid(path, size, matrix, origin.tolist(), warnings, spacing.tolist())
    if np.abs(matrix[2, :2]).max() > 1e-6 * spacing[:2].min():
        raise FileError(f"{path}: a 2-D image that is not axial; store it as a 3-D image of one slice.", path=path)
    return lps_grid(path, size, matrix[:2, :2], origin[:2].tolist(), warnings, spacing[:2].tolist())


def _affine(
    path: Path, size: tuple[int, ...], pixdim: np.ndarray, fields: _Fields, warnings: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (3, 4) from (i, j, k) to RAS that counts, and the voxel spacing."""
    qform, sform = _qform(np.abs(pixdim), fields), fields.sform
    if fields.sform_code > 0 and _use_sform(path, size, qform, fields, warnings):
        lengths = np.linalg.norm(sform[:, :3], axis=0)
        agree = np.abs(lengths - pixdim) <= 1e-3 * lengths
        if not agree[: len(size)].all() and (lengths > 0).all():
            warnings.append(
                f"{path.name}: the voxel spacing of the orientation matrix ({_mm(lengths)}) is not that of "
                f"the field pixdim ({_mm(pixdim)}); the matrix is used."
            )
        return sform, np.where(agree, pixdim, lengths)
    if not (np.isfinite(pixdim).all() and (pixdim[: len(size)] > 0).all()):
        raise FileError(f"{path}: the voxel spacing is {_mm(pixdim)}; every spacing must be above 0.", path=path)
    if fields.qform_code <= 0:
        warnings.append(
            f"{path.name}: the file does not say how the image lies in the patient (no qform and no "
            "sform); left and right cannot be trusted."
        )
    return qform, pixdim


def _use_sform(path: Path, size: tuple[int, ...], qform: np.ndarray, fields: _Fields, warnings: list[str]) -> bool:
    """ITK's choice: an orthogonal sform of scanner space or alone; else the qform, if there is one."""
    if fields.qform_code <= 0:
        return True
    sform = fields.sform
    lengths = np.linalg.norm(sform[:, :3], axis=0)
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    corners *= np.array([*size, 1][:3]) - 1.0
    apart = float(np.linalg.norm(corners @ (sform - qform)[:, :3].T + (sform - qform)[:, 3], axis=1).max())
    same = np.isfinite(apart) and apart <= 0.01 * max(float(lengths.min()), 1e-3)
    axes = sform[:, :3] / np.where(lengths > 0, lengths, 1.0)
    straight = np.isfinite(sform).all() and np.abs(axes.T @ axes - np.eye(3)).max() <= 1e-4
    use = straight and (same or fields.sform_code == 1)
    if not same:
        warnings.append(
            f"{path.name}: the two coordinate systems of the file (sform and qform) differ by up to "
            f"{apart:.3g} mm; the {'sform' if use else 'qform'} is used, as in ITK and 3D Slicer."
        )
    return bool(use)


def _qform(spacing: np.ndarray, fields: _Fields) -> np.ndarray:
    """The matrix (3, 4) of the quaternion."""
    b, c, d, *offset = fields.quaternion
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < 1e-7:
        norm = (b * b + c * c + d * d) ** 0.5
        a, b, c, d = 0.0, b / norm, c / norm, d / norm
    else:
        a = rest**0.5
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    steps = spacing * np.array([1.0, 1.0, -1.0 if fields.pixdim[0] < 0 else 1.0])
    return np.column_stack([rotation * steps, offset])


def _mm(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values) + " mm"

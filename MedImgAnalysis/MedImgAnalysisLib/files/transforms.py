"""Transforms on disk: ITK's .h5, .tfm, .txt and .mat, and displacement fields as vector images.

All are LPS millimetres, from a point of the fixed image to the point of the moving image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..progress import SILENT, Progress
from .images import HEADERS, format_of, read_header, reason
from .paths import appearing, ending, readable
from .voxels import read_frames

FIELD_ENDINGS = (".nrrd", ".nii", ".nii.gz", ".mha", ".mhd")
FIELD_TYPE = "displacement field type"
TEXT = b"#Insight Transform File"
HDF5 = b"\x89HDF\r\n\x1a\n"
SINGULAR = 1e-9
"""Smallest determinant of a matrix, relative to its size, that can be inverted."""


def read_transform(path: Path, progress: Progress = SILENT) -> sitk.Transform:
    """The transform in a file; text files are checked to hold every number they need."""
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty (0 bytes).", path=path)
    with open(path, "rb") as file:
        start = file.read(400)
    if ending(path) in FIELD_ENDINGS:
        if format_of(path) not in HEADERS:
            raise FileError(f"{path}: this is no displacement field.", path=path)
        return _read_field(path, progress)
    if ending(path) in (".h5", ".hdf5") and not start.startswith(HDF5):
        raise FileError(f"{path}: this is not an HDF5 file, although its name ends in {ending(path)}.", path=path)
    if ending(path) in (".tfm", ".txt") and not start.lstrip().startswith(TEXT):
        kind = "an elastix parameter file" if b"(Transform" in start else "no ITK transform"
        raise FileError(f"{path}: this is {kind}; ITK transform files begin with {TEXT.decode()!r}.", path=path)
    transform = _native(path)
    if start.lstrip().startswith(TEXT):
        _check_text(path, transform)
    _check_numbers(path, transform, progress)
    return transform


def _native(path: Path) -> sitk.Transform:
    with readable(path) as name:
        try:
            transform = sitk.ReadTransform(name)
        except RuntimeError as error:
            raise FileError(f"{path}: the transform cannot be read: {reason(error)}", path=path) from error
    return transform.Downcast() if hasattr(transform, "Downcast") else transform


def _parts(transform: sitk.Transform) -> list[sitk.Transform]:
    """The transforms that hold numbers, inside composites too."""
    if isinstance(transform, sitk.CompositeTransform):
        inner = [transform.GetNthTransform(n) for n in range(transform.GetNumberOfTransforms())]
        return [part for one in inner for part in _parts(one)]
    return [transform.Downcast() if hasattr(transform, "Downcast") else transform]


def _check_text(path: Path, transform: sitk.Transform) -> None:
    """ITK fills missing parameters with defaults without a word, so the numbers are counted here."""
    counts: list[int] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "Transform" and "Composite" not in numbers:
            counts.append(0)
        elif name.strip() == "Parameters" and counts:
            counts[-1] = len(numbers.split())
    for found, part in zip(counts, _parts(transform), strict=False):
        needed = len(part.GetParameters())
        if found != needed:
            raise FileError(f"{path}: {part.GetName()} needs {needed} parameters, the file has {found}; it is cut "
                            "short or damaged.", path=path)
    if len(counts) != len(_parts(transform)):
        raise FileError(f"{path}: the file names {len(counts)} transforms, {len(_parts(transform))} could be read.",
                        path=path)


def _check_numbers(path: Path, transform: sitk.Transform, progress: Progress) -> None:
    for part in _parts(transform):
        if not np.isfinite(part.GetParameters()).all() or not np.isfinite(part.GetFixedParameters()).all():
            raise FileError(f"{path}: {part.GetName()} has parameters that are NaN or infinite.", path=path)
        if hasattr(part, "GetMatrix"):
            size = part.GetDimension()
            matrix = np.reshape(part.GetMatrix(), (size, size))
            scale = max(float(np.abs(matrix).max()), 1e-300)
            if abs(float(np.linalg.det(matrix / scale))) < SINGULAR:
                progress.warn(f"{path.name}: the matrix of {part.GetName()} is singular; the transform has no inverse "
                              "and maps the volume onto a plane, a line or a point.")


def _read_field(path: Path, progress: Progress) -> sitk.Transform:
    """A vector image as a displacement field transform."""
    header = read_header(path, progress)
    size = header.grid.dimension
    if header.components != size:
        raise FileError(f"{path}: a displacement field needs {size} components per voxel, this image has "
                        f"{header.components}.", path=path)
    if header.metadata.get(FIELD_TYPE, "resampling") != "resampling":
        raise FileError(f"{path}: the field is of type {header.metadata[FIELD_TYPE]!r}, the inverse of what resampling "
                        "needs; invert the transform before saving it.", path=path)
    warnings: list[str] = []
    image = sitk.Cast(read_frames(header, warnings, None, progress)[0], sitk.sitkVectorFloat64)
    for sentence in warnings:
        progress.warn(sentence)
    if not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
        raise FileError(f"{path}: the displacement field has values that are NaN or infinite.", path=path)
    return sitk.DisplacementFieldTransform(image)


def write_transform(transform: sitk.Transform, path: Path) -> Path:
    """Write a transform; .nrrd and the like hold displacement fields only."""
    plain = transform.Downcast() if hasattr(transform, "Downcast") else transform
    if ending(path) not in FIELD_ENDINGS:
        with appearing(path) as place:
            try:
                sitk.WriteTransform(plain, str(place))
            except RuntimeError as error:
                raise FileError(f"{path}: {plain.GetName()} cannot be written: {reason(error)}", path=path) from error
        return path
    if not isinstance(plain, sitk.DisplacementFieldTransform):
        raise FileError(f"{path}: a {plain.GetName()} has no displacement field; write .h5 or .tfm.", path=path)
    field = sitk.Image(plain.GetDisplacementField())
    if ending(path) == ".nrrd":
        # Slicer tells by these keys which way the vectors point.
        field.SetMetaData(FIELD_TYPE, "resampling")
        field.SetMetaData("intent_code", "1006")
    with appearing(path) as place:
        try:
            sitk.WriteImage(field, str(place), ending(path) != ".nii")
        except RuntimeError as error:
            raise FileError(f"{path}: the displacement field cannot be written: {reason(error)}", path=path) from error
    return path

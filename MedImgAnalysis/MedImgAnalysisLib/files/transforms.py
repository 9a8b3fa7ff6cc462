"""Transforms on disk: ITK's .h5, .tfm, .txt and .mat, and displacement fields as vector images.

All are LPS millimetres, from a point of the fixed image to the point of the moving image.
"""

from __future__ import annotations

import math
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
DEEPEST = 20
NAMED = (
    "Euler2DTransform",
    "Similarity2DTransform",
    "Euler3DTransform",
    "Similarity3DTransform",
    "VersorTransform",
    "VersorRigid3DTransform",
    "ScaleVersor3DTransform",
    "ScaleSkewVersor3DTransform",
    "ComposeScaleSkewVersor3DTransform",
)
SIZED = {
    name: name
    for name in (
        "AffineTransform",
        "TranslationTransform",
        "ScaleTransform",
        "BSplineTransform",
        "DisplacementFieldTransform",
    )
} | {"MatrixOffsetTransformBase": "AffineTransform"}
"""What text files may hold: classes of one dimension, and those that are made for 2-D or 3-D."""
GRIDS = ("BSplineTransform", "DisplacementFieldTransform")
SINGULAR = 1e-9
"""Smallest determinant of a matrix, relative to its size, that can be inverted."""


def read_transform(path: Path, progress: Progress = SILENT) -> sitk.Transform:
    """The transform in a file; text files are checked to hold every number they need."""
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty (0 bytes).", path=path)
    with open(path, "rb") as file:
        start = file.read(400).lstrip()
    if ending(path) in FIELD_ENDINGS:
        if format_of(path) not in HEADERS:
            raise FileError(f"{path}: this is no displacement field.", path=path)
        return _read_field(path, progress)
    if ending(path) in (".h5", ".hdf5") and not start.startswith(HDF5):
        raise FileError(f"{path}: this is not an HDF5 file, although its name ends in {ending(path)}.", path=path)
    if ending(path) in (".tfm", ".txt") and not start.startswith(TEXT):
        kind = "an elastix parameter file" if b"(Transform" in start else "no ITK transform"
        raise FileError(f"{path}: this is {kind}; ITK transform files begin with {TEXT.decode()!r}.", path=path)
    transform = _from_text(path) if start.startswith(TEXT) else _native(path)
    _check_numbers(path, transform, progress)
    return transform


def _native(path: Path) -> sitk.Transform:
    with readable(path) as name:
        try:
            transform = sitk.ReadTransform(name)
        except RuntimeError as error:
            raise FileError(f"{path}: the transform cannot be read: {reason(error)}", path=path) from error
    return _known(path, transform)


def _known(path: Path, transform: sitk.Transform) -> sitk.Transform:
    """The transform in a class that SimpleITK has; others it wraps in composites without end."""
    plain = leaf = transform.Downcast()
    for _ in range(DEEPEST):
        if type(leaf) is not sitk.Transform and not isinstance(leaf, sitk.CompositeTransform):
            return plain
        if isinstance(leaf, sitk.CompositeTransform) and leaf.GetNumberOfTransforms() != 1:
            parts = [_known(path, leaf.GetNthTransform(n)) for n in range(leaf.GetNumberOfTransforms())]
            return sitk.CompositeTransform(parts) if parts else plain
        leaf = leaf.GetNthTransform(0).Downcast() if isinstance(leaf, sitk.CompositeTransform) else leaf
    if not plain.IsLinear():
        raise FileError(f"{path}: the file holds a kind of transform that is not supported.", path=path)
    size = plain.GetDimension()
    origin = np.array(plain.TransformPoint([0.0] * size))
    columns = [np.array(plain.TransformPoint(axis.tolist())) - origin for axis in np.eye(size)]
    return sitk.AffineTransform(np.column_stack(columns).ravel().tolist(), origin.tolist())


def _from_text(path: Path) -> sitk.Transform:
    """An ITK text file, read here: ITK itself reads and writes beyond its memory when numbers are missing."""
    kinds: list[list[str]] = []
    numbers: list[dict[str, list[float]]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Transform":
            kinds.append(value.strip().split("_"))
            numbers.append({})
        elif name.strip() in ("Parameters", "FixedParameters") and numbers:
            try:
                numbers[-1][name.strip()] = [float(word) for word in value.split()]
            except ValueError as error:
                raise FileError(f"{path}: {error} in the {name.strip()} of {kinds[-1][0]}.", path=path) from error
    parts = [_built(path, words, found) for words, found in zip(kinds, numbers) if words[0] != "CompositeTransform"]
    if not parts:
        raise FileError(f"{path}: the file names no transform.", path=path)
    return parts[0] if len(kinds) == 1 else sitk.CompositeTransform(parts)


def _empty(path: Path, words: list[str]) -> sitk.Transform:
    """A transform of the class that a file names, such as `BSplineTransform_double_3_3_2` (dimension, order)."""
    kind, size = words[0], int(words[2]) if len(words) > 3 and words[2] in ("2", "3") else 0
    if kind in NAMED:
        return getattr(sitk, kind)()
    if kind == "IdentityTransform" and size:
        return sitk.Transform(size, sitk.sitkIdentity)
    if kind == "BSplineTransform" and len(words) > 4 and words[4].isdigit():
        return sitk.BSplineTransform(size, int(words[4]))
    if kind in SIZED and size:
        return getattr(sitk, SIZED[kind])(size)
    raise FileError(f"{path}: {'_'.join(words)} is not supported; {', '.join((*SIZED, *NAMED))} are.", path=path)


def _built(path: Path, words: list[str], numbers: dict[str, list[float]]) -> sitk.Transform:
    """One transform of a text file, with as many numbers as its class needs."""
    transform, kind = _empty(path, words), words[0]
    values, fixed = numbers.get("Parameters", []), numbers.get("FixedParameters", transform.GetFixedParameters())
    if kind == "Euler3DTransform" and len(fixed) == 3:
        fixed = [*fixed, 0.0]  # files from before ITK 4.10 lack the order of the rotations, which was this one
    _check_count(path, kind, "fixed parameters", len(fixed), len(transform.GetFixedParameters()))
    size = transform.GetDimension()
    needed = math.prod(fixed[:size]) * size if kind in GRIDS else len(transform.GetParameters())
    _check_count(path, kind, "parameters", len(values), needed)
    try:
        transform.SetFixedParameters(fixed)
        transform.SetParameters(values)
    except RuntimeError as error:
        raise FileError(f"{path}: the transform cannot be read: {reason(error)}", path=path) from error
    return transform


def _check_count(path: Path, kind: str, what: str, found: int, needed: float) -> None:
    if found != needed:
        raise FileError(
            f"{path}: {kind} needs {needed:.0f} {what}, the file has {found}; it is cut short or damaged.", path=path
        )


def _parts(transform: sitk.Transform) -> list[sitk.Transform]:
    """The transforms that hold numbers, inside composites too."""
    plain = transform.Downcast()
    if isinstance(plain, sitk.CompositeTransform):
        inner = [plain.GetNthTransform(n) for n in range(plain.GetNumberOfTransforms())]
        return [part for one in inner for part in _parts(one)]
    return [plain]


def _check_numbers(path: Path, transform: sitk.Transform, progress: Progress) -> None:
    for part in _parts(transform):
        if not np.isfinite(part.GetParameters()).all() or not np.isfinite(part.GetFixedParameters()).all():
            raise FileError(f"{path}: {part.GetName()} has parameters that are NaN or infinite.", path=path)
        if hasattr(part, "GetMatrix"):
            size = part.GetDimension()
            matrix = np.reshape(part.GetMatrix(), (size, size))
            scale = max(float(np.abs(matrix).max()), 1e-300)
            if abs(float(np.linalg.det(matrix / scale))) < SINGULAR:
                progress.warn(
                    f"{path.name}: the matrix of {part.GetName()} is singular; the transform has no inverse "
                    "and maps the volume onto a plane, a line or a point."
                )


def _read_field(path: Path, progress: Progress) -> sitk.Transform:
    """A vector image as a displacement field transform."""
    header = read_header(path, progress)
    size = header.grid.dimension
    if header.components != size:
        raise FileError(
            f"{path}: a displacement field needs {size} components per voxel, this image has {header.components}.",
            path=path,
        )
    if header.metadata.get(FIELD_TYPE, "resampling") != "resampling":
        raise FileError(
            f"{path}: the field is of type {header.metadata[FIELD_TYPE]!r}, the inverse of what resampling "
            "needs; invert the transform before saving it.",
            path=path,
        )
    warnings: list[str] = []
    image = sitk.Cast(read_frames(header, warnings, None, progress)[0], sitk.sitkVectorFloat64)
    for sentence in warnings:
        progress.warn(sentence)
    if not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
        raise FileError(f"{path}: the displacement field has values that are NaN or infinite.", path=path)
    return sitk.DisplacementFieldTransform(image)


def write_transform(transform: sitk.Transform, path: Path) -> Path:
    """Write a transform; .nrrd and the like hold displacement fields only."""
    plain = transform.Downcast()
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

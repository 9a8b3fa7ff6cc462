"""Segmentations on disk: label images, and the .seg.nrrd files of 3D Slicer with names, colours and layers.

A .seg.nrrd is a NRRD whose fastest axis holds the layers and whose key/value pairs describe the
segments (`Segment0_ID`, `Segment0_Layer`...). The keys are those of Slicer's segmentation storage node.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from ..errors import FileError, InputError
from ..frames import Frames
from ..geometry import Grid, image_like, union_grid
from ..progress import SILENT, Progress
from ..values import PALETTE, Color, Labels, Segment, as_labelmap, present_values
from .header import ImageHeader
from .images import format_of, read_header, read_image, write_image
from .mistaken import say_image
from .paths import appearing, ending, stem
from .voxels import read_frames

REFERENCE = "Reference image geometry"
FLAT = "MedImgAnalysis_Dimension"
"""Key of a file that holds 2-D segments as one slice, since Slicer's segmentations are 3-D."""
NRRD_TYPES = {
    "i1": "signed char",
    "u1": "unsigned char",
    "i2": "short",
    "u2": "unsigned short",
    "i4": "int",
    "u4": "unsigned int",
    "i8": "longlong",
    "u8": "ulonglong",
}
COMPRESSION = 4
"""zlib level: label images shrink nearly as much as at 9, several times faster."""


def read_labels(path: Path, frame: str | None = None, progress: Progress = SILENT) -> Labels | Frames:
    """The segments of a .seg.nrrd or DICOM SEG file, or one for each value of a label image (of each frame)."""
    if format_of(path) == "DICOM":
        from .dicom_seg import read_dicom_seg

        return read_dicom_seg(path, progress)
    if format_of(path) == "NRRD":
        header = read_header(path, progress)
        if "Segment0_ID" in header.metadata or "Segmentation_MasterRepresentation" in header.metadata:
            return _from_layers(header, progress)
    image = read_image(path, frame, progress)
    if isinstance(image, Frames):
        return image.with_values([Labels.from_labelmap(value) for value in image.values])
    labels = Labels.from_labelmap(image)
    say_image(path, labels, progress)
    return labels


def read_labels_part(path: Path, part: str | None, progress: Progress = SILENT) -> Labels | Frames:
    """As `read_labels`; `part` chooses a frame, one segment by id or name, or one value of a label image."""
    frame, part = frame_and_part(part)
    found = read_labels(path, frame, progress)
    if part is None:
        return found
    if isinstance(found, Frames):
        return found.with_values([_chosen(path, labels, part) for labels in found.values])
    return _chosen(path, found, part)


def frame_and_part(part: str | None) -> tuple[str | None, str | None]:
    """`frame=3#Liver` to the frame and the structure in it."""
    if part is None or not part.startswith("frame="):
        return None, part
    frame, mark, rest = part.partition("#")
    return frame, rest if mark else None


def _chosen(path: Path, labels: Labels, part: str) -> Labels:
    of_value = [segment for segment in labels.segments if part.isdigit() and segment.value == int(part)]
    by_name = any(part in (segment.id, segment.name) for segment in labels.segments)
    try:
        chosen = of_value[0] if len(of_value) == 1 and not by_name else labels.find(part)
    except InputError as error:
        raise FileError(f"{path}: {error}", path=path) from error
    return Labels(labels.layers, (chosen,))


def read_mask(path: Path, part: str | None, progress: Progress = SILENT) -> sitk.Image | Frames:
    """One structure as an image that is not 0 inside, or as frames of them; `part` is a segment or a label value."""
    frame, part = frame_and_part(part)
    found = format_of(path)
    described = found == "DICOM"
    if found == "NRRD":
        header = read_header(path, Progress(on_warning=lambda sentence: None))
        described = "Segment0_ID" in header.metadata
    if described:
        labels = read_labels(path, frame, progress)
        assert isinstance(labels, Labels)
        return _one_segment(path, labels, part, progress)
    image = read_image(path, frame, progress)
    if isinstance(image, Frames):
        return image.with_values([_one_value(path, value, part, progress) for value in image.values])
    return _one_value(path, image, part, progress)


def _one_value(path: Path, given: sitk.Image, part: str | None, progress: Progress) -> sitk.Image:
    image = as_labelmap(given, f"mask {path.name}")
    values = present_values(sitk.GetArrayViewFromImage(image))
    if part is not None:
        if not part.lstrip("-").isdigit() or int(part) not in values:
            raise FileError(
                f"{path}: there is no label value {part!r}; there are {', '.join(map(str, values[:20]))}.", path=path
            )
        image, values = sitk.Equal(image, int(part)), [1]
    _say_small(path, image, values, progress)
    return image


def _one_segment(path: Path, labels: Labels, part: str | None, progress: Progress) -> sitk.Image:
    if part is None and len(labels.segments) != 1:
        raise FileError(
            f"{path}: the file holds {len(labels.segments)} segments; choose one as {path.name}#NAME of "
            f"{', '.join(labels.names) or 'none'}.",
            path=path,
        )
    try:
        mask = labels.mask(labels.segments[0] if part is None else part)
    except InputError as error:
        raise FileError(f"{path}: {error}", path=path) from error
    _say_small(path, mask, [1], progress)
    return mask


def _say_small(path: Path, mask: sitk.Image, values: list[int], progress: Progress) -> None:
    if len(values) == 1 and int(np.count_nonzero(sitk.GetArrayViewFromImage(mask))) == 1:
        volume = Grid.of(mask).voxel_volume_mm3
        progress.warn(
            f"{path.name}: the mask is a single voxel ({volume:.4g} mm3); spread, shape and texture are not "
            "defined for it."
        )


def _from_layers(header: ImageHeader, progress: Progress) -> Labels:
    """The segments that the key/value pairs of a NRRD describe."""
    if header.dtype.kind == "f":
        raise FileError(
            f"{header.path}: a segmentation needs whole numbers, this file has {header.dtype}.", path=header.path
        )
    warnings: list[str] = []
    layers = read_frames(_layered(header), warnings, None, progress)
    for sentence in warnings:
        progress.warn(sentence)
    segments: list[Segment] = []
    while f"Segment{len(segments)}_ID" in header.metadata:
        segments.append(_segment(header, len(segments), len(layers)))
    for number, layer in enumerate(layers):
        named = {segment.value for segment in segments if segment.layer == number}
        nameless = [v for v in present_values(sitk.GetArrayViewFromImage(layer)) if v not in named]
        if nameless:
            progress.warn(
                f"{header.path.name}: layer {number} has the values {nameless[:5]}, which belong to no "
                "segment; they are left out."
            )
    layers = _whole_grid(header, layers)
    if header.metadata.get(FLAT) == "2" and layers[0].GetDepth() == 1:
        layers = [layer[:, :, 0] for layer in layers]
    return Labels(tuple(layers), tuple(segments))


def _layered(header: ImageHeader) -> ImageHeader:
    """The same header with its layers, whatever their kind is called, as frames."""
    axes = tuple("frame" if axis == "component" else axis for axis in header.axes)
    if axes.count("frame") > 1:
        raise FileError(f"{header.path}: a segmentation of several frames is not supported.", path=header.path)
    return replace(header, axes=axes, frames=header.frames * header.components, components=1)


def _segment(header: ImageHeader, number: int, layers: int) -> Segment:
    def get(key: str, default: str = "") -> str:
        return header.metadata.get(f"Segment{number}_{key}", default)

    try:
        # Files from before layers were shared hold one segment per layer, with the value 1.
        layer, value = int(get("Layer", str(number))), int(get("LabelValue", "1"))
        red, green, blue = (float(word) for word in (get("Color") or get("DefaultColor") or "0.5 0.5 0.5").split())
    except ValueError as error:
        raise FileError(
            f"{header.path}: the description of segment {number} is damaged: {error}.", path=header.path
        ) from error
    if not 0 <= layer < layers:
        raise FileError(
            f"{header.path}: segment {number} is said to be in layer {layer}; there are {layers} layers.",
            path=header.path,
        )
    tags = dict(pair.split(":", 1) for pair in get("Tags").split("|") if ":" in pair)
    name = get("Name") or get("ID")
    return Segment(
        get("ID"), name, (red, green, blue), layer, value, {key: text.replace("%7C", "|") for key, text in tags.items()}
    )


def _whole_grid(header: ImageHeader, layers: list[sitk.Image]) -> list[sitk.Image]:
    """Undo the cropping that Slicer may apply: layers on the reference geometry, where it is the same lattice."""
    reference = _reference(header.metadata.get("Segmentation_ConversionParameters", ""))
    own = header.grid
    if reference is None or math.prod(reference.size) > 1 << 32 or own.dimension != 3:
        return layers
    index = reference.to_index(own.corners)
    steps = np.abs(np.array(reference.axes) - np.array(own.axes)) * np.asarray(own.size)
    if np.abs(index - np.rint(index)).max() > 0.01 or steps.max() > 0.01 * min(own.spacing):
        return layers
    whole = union_grid(reference, own)
    start = np.rint(whole.to_index(np.array([own.origin]))[0]).astype(int)
    rest = np.asarray(whole.size) - np.asarray(own.size) - start
    if not start.any() and not rest.any():
        return layers
    padded = [sitk.ConstantPad(layer, start.tolist(), rest.tolist(), 0) for layer in layers]
    return [image_like(sitk.GetArrayViewFromImage(layer), whole) for layer in padded]


def _reference(parameters: str) -> Grid | None:
    """The grid in Slicer's conversion parameters: a RAS matrix of 16 and an extent of 6 numbers."""
    for entry in parameters.split("&"):
        name, _, value = entry.partition("|")
        words = value.split("|")[0].rstrip(";").split(";")
        if name != REFERENCE or len(words) != 22:
            continue
        try:
            numbers = np.array([float(word) for word in words])
        except ValueError:
            return None
        matrix, extent = numbers[:16].reshape(4, 4), numbers[16:].astype(int)
        flip = np.diag([-1.0, -1.0, 1.0])
        axes = flip @ matrix[:3, :3]
        spacing = np.linalg.norm(axes, axis=0)
        size = extent[1::2] - extent[::2] + 1
        if (spacing < 1e-12).any() or (size < 1).any():
            return None
        origin = flip @ (matrix[:3, :3] @ extent[::2] + matrix[:3, 3])
        return Grid(
            tuple(size.tolist()),
            tuple(spacing.tolist()),
            tuple(origin.tolist()),
            tuple((axes / spacing).ravel().tolist()),
        )
    return None


def write_mask(mask: sitk.Image, path: Path) -> Path:
    """A mask as a .seg.nrrd of one segment, named like the file."""
    inside = sitk.NotEqual(as_labelmap(mask, "mask"), 0)
    name = stem(path) or "Segment_1"
    return write_labels(Labels((inside,), (Segment("Segment_1", name, PALETTE[0]),)), path)


def write_labels(labels: Labels, path: Path) -> Path:
    """Segments as .seg.nrrd with all they have, or as a label image, which keeps the values only."""
    if ending(path) == ".seg.nrrd":
        return _write_seg_nrrd(labels, path)
    return write_image(_one_layer(labels, path), path)


def _one_layer(labels: Labels, path: Path) -> sitk.Image:
    """One label image; its values are those of the segments, or 1 to n where several segments share one."""
    values = [segment.value for segment in labels.segments]
    if len(labels.layers) == 1:
        return labels.layers[0]
    if len(set(values)) < len(values):
        values = list(range(1, len(values) + 1))
    size = labels.grid.size[::-1]
    merged = np.zeros(size, np.int32 if max(map(abs, values), default=0) > 32767 else np.int16)
    for segment, value in zip(labels.segments, values):
        image = labels.layers[segment.layer]
        inside = sitk.GetArrayViewFromImage(image) == segment.value
        if merged[inside].any():
            raise FileError(
                f"{path}: segment {segment.name!r} overlaps another one, which a label image cannot hold; "
                "write .seg.nrrd.",
                path=path,
            )
        merged[inside] = value
    return image_like(merged, labels.grid)


def _write_seg_nrrd(labels: Labels, path: Path) -> Path:
    flat = labels.grid.dimension == 2
    if flat:
        labels = Labels(tuple(sitk.JoinSeries(layer) for layer in labels.layers), labels.segments)
    arrays = [sitk.GetArrayViewFromImage(layer) for layer in labels.layers]
    dtype = np.result_type(*arrays)
    if dtype.kind not in "iu":
        raise FileError(f"{path}: the layers of a segmentation need whole numbers, not {dtype}.", path=path)
    with appearing(path) as place, open(place, "wb") as file:
        file.write(_header(labels, dtype, path, flat).encode())
        _compress(file, arrays, dtype.newbyteorder("<"))
    return path


def _compress(file: BinaryIO, layers: list[np.ndarray], dtype: np.dtype) -> None:
    """Layers interleaved voxel by voxel, slab after slab so that no second copy of all of them is made."""
    packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, 31)
    for k in range(len(layers[0])):
        slab = np.stack([layer[k] for layer in layers], axis=-1).astype(dtype)
        file.write(packer.compress(memoryview(np.ascontiguousarray(slab)).cast("B")))
    file.write(packer.flush())


def _header(labels: Labels, dtype: np.dtype, path: Path, flat: bool) -> str:
    grid, many = labels.grid, len(labels.layers) > 1
    sizes = ([len(labels.layers)] if many else []) + list(grid.size)
    vectors = ["none"] * many + [_vector(column) for column in grid.axes.T]
    lines = [
        "NRRD0004",
        f"type: {NRRD_TYPES[dtype.str[1:]]}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join(vectors)}",
        f"kinds: {'list ' * many}domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.origin)}",
    ]
    extent = " ".join(f"0 {n - 1}" for n in grid.size)
    for number, segment in enumerate(labels.segments):
        pairs = {
            # Slicer clips a whole layer to the extent of its first segment, so all of them say the full one.
            "Color": " ".join(f"{c:.6g}" for c in segment.color),
            "ColorAutoGenerated": "0",
            "Extent": extent,
            "ID": segment.id,
            "LabelValue": str(segment.value),
            "Layer": str(segment.layer),
            "Name": segment.name,
            "NameAutoGenerated": "0",
            "Tags": _tags(segment, path),
        }
        lines += [f"Segment{number}_{key}:={_escape(value)}" for key, value in pairs.items()]
    lines += [
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
        f"Segmentation_ConversionParameters:={REFERENCE}|{_geometry(grid)}|&",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
        *([f"{FLAT}:=2"] if flat else []),
    ]
    return "\n".join(lines) + "\n\n"


def _geometry(grid: Grid) -> str:
    """Slicer's text for a grid: RAS matrix, row by row, then the extent."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = grid.axes, grid.origin
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix
    extent = [n for size in grid.size for n in (0, size - 1)]
    return "".join(f"{float(value) + 0.0!r};" for value in matrix.ravel()) + "".join(f"{n};" for n in extent)


def _tags(segment: Segment, path: Path) -> str:
    """`key:value|` pairs; a | inside a value, which Slicer cannot store, becomes %7C."""
    for key in segment.tags:
        if ":" in key or "|" in key:
            raise FileError(
                f"{path}: the tag name {key!r} of segment {segment.name!r} must not contain : or |.", path=path
            )
    return "".join(f"{key}:{value.replace('|', '%7C')}|" for key, value in segment.tags.items())


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "")


def _vector(numbers: Color | np.ndarray | tuple[float, ...]) -> str:
    return "(" + ",".join(repr(float(number) + 0.0) for number in numbers) + ")"

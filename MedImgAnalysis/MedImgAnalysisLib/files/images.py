"""Images on disk: what format a file is, its frames, and what a reader must be told about its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..frames import Frames
from ..geometry import Grid
from ..progress import SILENT, Progress
from .header import FAR_MM, ImageHeader, bytes_text
from .memory import check_memory
from .metaimage_header import is_metaimage, read_metaimage_header
from .nifti_header import first_bytes, is_nifti, read_nifti_header
from .nrrd_header import is_nrrd, read_nrrd_header
from .paths import appearing, ending, readable
from .sequences import frame_number
from .voxels import read_frames

HEADERS: dict[str, Callable[[Path], ImageHeader]] = {
    "NRRD": read_nrrd_header,
    "NIfTI": read_nifti_header,
    "MetaImage": read_metaimage_header,
}
FORMAT_OF = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".seg.nrrd": "NRRD",
    ".seg.nhdr": "NRRD",
    ".seq.nrrd": "NRRD",
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
    ".hdr": "NIfTI",
    ".hdr.gz": "NIfTI",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
    ".ima": "DICOM",
    ".png": "picture",
    ".tif": "picture",
    ".tiff": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".bmp": "picture",
}
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM")
WRITTEN = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".png", ".tif", ".tiff")
EXACT_INTEGERS = 1 << 53


def format_of(path: Path) -> str:
    """NRRD, NIfTI, MetaImage, DICOM or picture, by the content of the file."""
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty (0 bytes).", path=path)
    start = first_bytes(path, 400)[0]
    with open(path, "rb") as file:
        plain = file.read(400)
    claimed = FORMAT_OF.get(ending(path))
    found = next(
        (
            name
            for name, test in (
                ("NRRD", is_nrrd(plain)),
                ("DICOM", plain[128:132] == b"DICM"),
                ("picture", plain.startswith(PICTURES)),
                ("MetaImage", is_metaimage(plain)),
                ("NIfTI", is_nifti(start)),
                ("DICOM", bare_dicom(plain)),
            )
            if test
        ),
        None,
    )
    if found is None:
        advice = f", although its name ends in {ending(path)}" if claimed else ""
        raise FileError(
            f"{path}: this is no image that can be read (not NRRD, NIfTI, MetaImage, DICOM, PNG, TIFF or "
            f"JPEG){advice}.",
            path=path,
        )
    return found


def say_format(path: Path, found: str, progress: Progress) -> None:
    """Warn when the ending of the name says something else than the content, or nothing."""
    claimed = FORMAT_OF.get(ending(path))
    if found != claimed:
        named = f"is named {ending(path)!r}" if claimed else "has no ending that tells its format"
        progress.warn(f"{path.name}: the file {named}; it was recognised as {found} by its content.")


def bare_dicom(start: bytes) -> bool:
    """Whether these bytes look like DICOM without preamble: a first element of group 2 or 8."""
    return (
        len(start) >= 8
        and start[:2] in (b"\x02\x00", b"\x08\x00")
        and (start[4:6] in (b"UL", b"UI", b"CS", b"SH", b"DA", b"LO", b"OB") or start[6:8] == b"\0\0")
    )


def read_image(path: Path, part: str | None = None, progress: Progress = SILENT) -> sitk.Image | Frames:
    """The image of a file, the frames of a 4-D one, or the frame whose number (from 0) `part` is."""
    if format_of(path) == "picture":
        return read_picture(path, progress)
    header = read_header(path, progress)
    if header.frames > 1 and (
        "Segment0_ID" in header.metadata or "Segmentation_MasterRepresentation" in header.metadata
    ):
        raise FileError(
            f"{path}: this is a segmentation of {header.frames} layers, not an image; choose a segment as a mask.",
            path=path,
        )
    if header.frames > 1 and part is None:
        axis = header.frame_axis
        return Frames(tuple(_frames(header, None, progress)), axis.positions, axis.title, axis.unit)
    if part is not None and header.frames == 1 and part not in ("0", "frame=0"):
        raise FileError(f"{path}: there is no frame {part!r}; the file holds one image.", path=path)
    return _frames(header, frame_number(path, part, header.frames) if part is not None else None, progress)[0]


def read_header(path: Path, progress: Progress = SILENT) -> ImageHeader:
    """The checked header of a NRRD, NIfTI or MetaImage file; what it warns of goes to `progress`."""
    found = format_of(path)
    if found not in HEADERS:
        raise FileError(f"{path}: a NRRD, NIfTI or MetaImage file is needed, this is {found}.", path=path)
    say_format(path, found, progress)
    header = HEADERS[found](path)
    for sentence in header.warnings:
        progress.warn(sentence)
    return header


def _frames(header: ImageHeader, frame: int | None, progress: Progress) -> list[sitk.Image]:
    warnings: list[str] = []
    if header.encoding == "other":
        images = [_by_simpleitk(header)]
    else:
        images = read_frames(header, warnings, frame, progress)
    for sentence in warnings:
        progress.warn(sentence)
    for image in images:
        check_values(header.path, image, progress)
    return images


def _by_simpleitk(header: ImageHeader) -> sitk.Image:
    """Split files and hexadecimal digits, read and counted by SimpleITK; the grid is that of the checked header."""
    if header.frames > 1:
        raise FileError(f"{header.path}: 4-D files in this encoding are not supported.", path=header.path)
    check_memory(header.path, header.bytes)
    image = native_read(header.path)
    if image.GetSize() != header.grid.size:
        raise FileError(f"{header.path}: the sizes of the header and of the voxels differ.", path=header.path)
    return header.grid.put_on(image)


def native_read(path: Path) -> sitk.Image:
    """`sitk.ReadImage` with errors of one line that name the file."""
    with readable(path) as name:
        try:
            return sitk.ReadImage(name)
        except RuntimeError as error:
            raise FileError(f"{path}: the file cannot be read: {reason(error)}", path=path) from error


def reason(error: BaseException) -> str:
    """The last sentence of an ITK error, without addresses and source lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text.split("): ", 1)[-1].removeprefix("sitk::ERROR: ")


def read_picture(path: Path, progress: Progress = SILENT) -> sitk.Image:
    """PNG, TIFF, JPEG or BMP: pixels without a reliable physical size, which is said."""
    with readable(path) as name:
        reader = sitk.ImageFileReader()
        reader.SetFileName(name)
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise FileError(f"{path}: the file cannot be read: {reason(error)}", path=path) from error
        pixels = int(np.prod(reader.GetSize(), dtype=np.int64)) * reader.GetNumberOfComponents()
        check_memory(path, 2 * pixels)
    image = native_read(path)
    say_format(path, "picture", progress)
    spacing = " x ".join(f"{value:.4g}" for value in image.GetSpacing())
    colours = image.GetNumberOfComponentsPerPixel()
    more = f" It has {colours} colour components per pixel." if colours > 1 else ""
    progress.warn(
        f"{path.name}: pictures have no reliable physical spacing; {spacing} mm is assumed, so lengths, "
        f"areas and volumes cannot be trusted.{more}"
    )
    return image


def check_values(path: Path, image: sitk.Image, progress: Progress = SILENT) -> None:
    """Warn of voxels that are NaN or infinite, and of integers that a float64 cannot hold."""
    array = sitk.GetArrayViewFromImage(image)
    if array.dtype.kind == "f":
        wrong = sum(part.size - int(np.count_nonzero(np.isfinite(part))) for part in array)
        if wrong:
            progress.warn(
                f"{path.name}: {wrong} of {array.size} values are NaN or infinite; most operations refuse "
                "them until they are replaced."
            )
    elif array.dtype.itemsize == 8 and array.size:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest > EXACT_INTEGERS:
            progress.warn(
                f"{path.name}: the voxels reach {largest}, beyond 2^53; computing with them in floating "
                "point loses their last digits."
            )


def write_image(image: sitk.Image, path: Path) -> Path:
    """Write an image compressed, in the format of the ending; it appears under `path` when it is complete."""
    kind = ending(path)
    if kind not in WRITTEN:
        raise FileError(
            f"{path}: images are written as {', '.join(WRITTEN)}, not {kind or 'without an ending'}.", path=path
        )
    if "complex" in image.GetPixelIDTypeAsString():
        raise FileError(f"{path}: complex voxels are not supported; take the magnitude first.", path=path)
    if kind.startswith(".nii") and np.abs(image.GetOrigin()).max() > FAR_MM:
        raise FileError(
            f"{path}: NIfTI keeps positions in 32 bits, too few for an origin {max(image.GetOrigin()):.3g} "
            "mm away; write .nrrd or .mha.",
            path=path,
        )
    if kind == ".nhdr" and not path.name.isprintable():
        raise FileError(f"{path}: the name of a .nhdr file must be printable, it is written into the file.", path=path)
    with appearing(path) as place:
        try:
            sitk.WriteImage(image, str(place), kind not in (".nii",))
        except RuntimeError as error:
            size = bytes_text(image.GetNumberOfPixels() * image.GetSizeOfPixelComponent())
            raise FileError(
                f"{path}: the image ({Grid.of(image).describe()}, {image.GetPixelIDTypeAsString()}, "
                f"{size}) cannot be written: {reason(error)}",
                path=path,
            ) from error
    return path

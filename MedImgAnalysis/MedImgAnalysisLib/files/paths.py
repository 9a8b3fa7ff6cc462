"""Names and places of files: what an ending means, `file#part`, and files that appear only when complete."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import FileError

DOUBLE_ENDINGS = (".nii.gz", ".seq.nrrd", ".seg.nrrd", ".seg.nhdr", ".mrk.json", ".img.gz", ".hdr.gz")

DEFAULT_ENDINGS = {
    "image": ".nrrd",
    "mask": ".nrrd",
    "labels": ".seg.nrrd",
    "transform": ".h5",
    "landmarks": ".mrk.json",
    "table": ".csv",
    "curves": ".csv",
    "surface": ".vtk",
    "frames": ".seq.nrrd",
}

STAGE_NON_ASCII = os.name == "nt"
"""Whether native readers and writers get a copy under an ASCII name: on Windows they fail on others."""

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def ending(path: Path | str) -> str:
    """The ending in lower case, `.nii.gz` and the like as one; empty when there is none."""
    name = Path(path).name.lower()
    for double in DOUBLE_ENDINGS:
        if name.endswith(double):
            return double
    return Path(name).suffix


def stem(path: Path | str) -> str:
    """The file name without its ending."""
    name = Path(path).name
    return name[: len(name) - len(ending(path))]


def file_name(name: str, kind: str, several: bool = False) -> str:
    """A file name for a value: `name` without characters that some system refuses, plus the default ending.

    A name that already has an ending for this kind of value keeps it. `several` says that the value is frames: images
    get one file, other kinds a folder without an ending.
    """
    if kind not in DEFAULT_ENDINGS:
        raise FileError(f"There is no kind of file {kind!r}; there are {', '.join(DEFAULT_ENDINGS)}.")
    from . import ENDINGS

    safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|#]', "_", name).strip().rstrip(".") or "unnamed"
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    if several:
        own = ending(safe) if ending(safe) in ENDINGS[kind] else ""
        if kind not in ("image", "mask", "frames"):
            return safe.removesuffix(own)
        return safe if ending(safe) in ENDINGS["frames"] else safe.removesuffix(own) + DEFAULT_ENDINGS["frames"]
    return safe if ending(safe) in ENDINGS[kind] else safe + DEFAULT_ENDINGS[kind]


def split_part(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """`folder#uid` and `file.seg.nrrd#Liver` to path and part; a file whose own name has a # stays whole."""
    text = os.fspath(path)
    if os.path.exists(text):
        return Path(text), None
    for mark in (match.start() for match in re.finditer("#", text)):
        if mark and os.path.exists(text[:mark]):
            return Path(text[:mark]), text[mark + 1 :]
    head = text.split("#")[0] if "#" in text else text
    raise FileError(f"{head}: there is no such file or folder.", path=head)


def check_name(path: Path) -> None:
    """Raise `FileError` when the system takes no file or folder of this name: it is too long, or lies below a file."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(f"{path} cannot be made: {error.strerror or error}.", path=path) from None


def is_native(path: Path) -> bool:
    """Whether native libraries can open a file of this name; they get a copy under another one where not.

    Bytes that are no UTF-8 are a name like any other to Linux, but no text that can be handed to a C++ library:
    SimpleITK ends the process.
    """
    name = os.fspath(path.absolute())
    if STAGE_NON_ASCII:
        return name.isascii()
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def readable(path: Path) -> Iterator[str]:
    """A name of the file that native libraries can open."""
    if is_native(path):
        yield os.fspath(path.absolute())
        return
    with _ascii_folder() as folder:
        copy = folder / _ascii_name(path)
        shutil.copyfile(path, copy)
        yield os.fspath(copy)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A path to write to; what was written there, with its companions, gets the name `path` when all went well.

    The file is written in a new folder beside its final place and renamed, so nobody ever sees half
    a file, and an error leaves neither a new file nor a changed old one.
    """
    path = path.absolute()
    if path.is_dir():
        raise FileError(f"{path}: this is a folder; a file name is needed.", path=path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".medimg-", dir=path.parent))
        if not is_native(path):
            with _ascii_folder() as folder:
                staged = folder / _ascii_name(path)
                yield staged
                for written in folder.iterdir():
                    # A companion keeps its name, which is written into the header that refers to it.
                    shutil.move(os.fspath(written), beside / (path.name if written == staged else written.name))
        else:
            # Native writers know an ending in lower case alone.
            staged = beside / (stem(path) + ending(path))
            yield staged
            if staged.name != path.name and staged.exists():
                os.replace(staged, beside / path.name)
        _rename(beside, path)
    except OSError as error:
        raise FileError(f"{path}: the file cannot be written: {error.strerror or error}.", path=path) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _rename(beside: Path, path: Path) -> None:
    """Companions first, so that the named file is complete when it appears."""
    written = sorted(beside.iterdir(), key=lambda item: item.name == path.name)
    if not written or written[-1].name != path.name:
        raise FileError(f"{path}: nothing was written.", path=path)
    for item in written:
        os.replace(item, path.parent / item.name)


@contextmanager
def _ascii_folder() -> Iterator[Path]:
    places = [tempfile.gettempdir(), os.environ.get("PROGRAMDATA", ""), os.environ.get("PUBLIC", "")]
    place = next((p for p in places if p and p.isascii() and os.path.isdir(p)), None)
    if place is None:
        raise FileError("There is no folder with an ASCII name for temporary files; set TEMP to one.")
    with tempfile.TemporaryDirectory(prefix="medimg-", dir=place) as folder:
        yield Path(folder)


def _ascii_name(path: Path) -> str:
    """A name like that of `path` in ASCII, told apart from similar ones by a checksum."""
    word = re.sub(r"[^A-Za-z0-9_-]", "_", stem(path))[:60]
    tail = ending(path) if ending(path).isascii() else ""
    return f"{word}-{zlib.crc32(path.name.encode('utf-8', 'replace')):08x}{tail}"

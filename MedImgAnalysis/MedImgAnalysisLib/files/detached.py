"""Headers whose voxels lie in other files (.nhdr, .mhd): which files these are, and that they lie beside the header."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import FileError

HEADER_BYTES = 1 << 20
DATA_FILE = re.compile(r"^\s*(?:ElementDataFile\s*=|data ?file:)\s*(.*?)\s*$", re.IGNORECASE | re.MULTILINE)


def data_files(header: Path) -> list[Path]:
    """The files with the voxels that a header names, whether they are there or not; none when they follow in it.

    Raises `FileError` for one outside the folder of the header and its subfolders, see `check_inside`.
    """
    with open(header, "rb") as stream:
        text = stream.read(HEADER_BYTES).decode("latin-1")
    found = DATA_FILE.search(text)
    if found is None or found.group(1).lower() in ("local", ""):
        return []
    word = found.group(1)
    if word.upper().startswith("LIST"):
        names = [line.strip() for line in text[found.end() :].splitlines() if line.strip()]
        if len(text) == HEADER_BYTES:
            raise FileError(f"{header}: the list of files with the voxels is longer than 1 MB.", path=header)
    elif "%" in word:
        check_inside(header, word)
        pattern = re.sub(r"%0?\d*[du]", "*", word.split()[0])
        names = sorted(file.relative_to(header.parent).as_posix() for file in header.parent.glob(pattern))
        return [header.parent / name for name in names]
    else:
        names = [word]
    for name in names:
        check_inside(header, name)
    # Headers are read as latin-1 so that any bytes pass; names in them are bytes of the file system.
    return [header.parent / os.fsdecode(name.encode("latin-1")) for name in names]


def check_inside(header: Path, name: str) -> None:
    """Raise `FileError` unless `name` stays in the folder of the header, on any system.

    A header from somebody else must not make a program read other files. Links are followed, as everywhere.
    """
    for parts in (PurePosixPath(name), PureWindowsPath(name)):
        if parts.is_absolute() or parts.drive or parts.root or ".." in parts.parts:
            raise FileError(
                f"{header}: the voxels are said to be in {name[:200]}, outside the folder of the header; put that file "
                "beside the header and name it without a path.",
                path=header,
            )

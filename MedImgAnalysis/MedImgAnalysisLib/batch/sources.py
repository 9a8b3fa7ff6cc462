"""The files that an input consists of, and a hash of what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files.detached import data_files
from ..files.paths import split_part
from ..progress import SILENT, Progress


def content(path: str | Path, progress: Progress = SILENT) -> dict[str, Any]:
    """`{"sha256": ..., "bytes": ...}` of a file, of a header with its data files, or of a folder.

    For several files names and contents enter, names relative to the first one's folder. Of `file#part` the whole
    file is read and `part` is named.
    """
    main, part = split_part(path)
    try:
        files = list(_files(main))
        total = sum(file.stat().st_size for file in files)
        digest, done = hashlib.sha256(), 0
        for file in files:
            if len(files) > 1:
                digest.update(
                    f"{os.path.relpath(file, main if main.is_dir() else main.parent)}\0".encode(errors="replace")
                )
            with open(file, "rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
                    done += len(block)
                    progress.report(done / max(total, 1), "Checking inputs")
    except OSError as error:
        what = (
            "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
        )
        raise FileError(f"{error.filename or main} {what}.", path=main) from None
    return {"sha256": digest.hexdigest(), "bytes": total, **({} if part is None else {"part": part})}


def size_of(path: str | Path) -> int:
    """The bytes that `content` gives, without reading them; -1 where something is missing."""
    try:
        return sum(file.stat().st_size for file in _files(split_part(path)[0]))
    except (OSError, FileError):
        return -1


def _files(main: Path) -> Iterator[Path]:
    if main.is_dir():
        yield from sorted(file for file in main.rglob("*") if file.is_file())
        return
    yield main
    suffix = main.suffix.lower()
    if suffix in (".mhd", ".nhdr"):
        # A data file that is missing is the reader's to report: it knows the format.
        yield from (file for file in data_files(main) if file.is_file())
    elif suffix in (".hdr", ".img"):
        other = main.with_suffix(".img" if suffix == ".hdr" else ".hdr")
        if other.is_file():
            yield other

"""A case folder appears whole or not at all, and never takes anybody's other files with it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files.paths import check_name
from .ids import is_id
from .plain import STAGING, read_json, staging_name

RECORD = "provenance.json"
CASE_FORMAT = 1
ATTEMPTS = 5
PARTS: dict[str, type | tuple[type, ...]] = {
    "inputs": dict,
    "outputs": dict,
    "measurements": dict,
    "files": list,
    "warnings": list,
    "extra_warnings": list,
    "options": dict,
    "snapshots": list,
    "pages": list,
    "software": dict,
    "seconds": (int, float),
}
"""Parts of a record and their types."""
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}


def record_of(folder: Path) -> dict[str, Any] | None:
    """The record of a finished case, None when the folder holds none that could have been written by us."""
    data = read_json(folder / RECORD)
    return data if data is not None and data.get("medimg_case") == CASE_FORMAT and _shaped(data) else None


def _shaped(record: Mapping[str, Any]) -> bool:
    """Whether the parts that are relied on have the types that we write."""
    for name, kind in PARTS.items():
        if name in record and not isinstance(record[name], kind):
            return False
    entries = [*record.get("inputs", {}).values(), *record.get("outputs", {}).values()]
    tables = record.get("measurements", {}).values()
    return (
        all(isinstance(entry, dict) for entry in [*entries, *tables])
        and all(isinstance(entry.get("file"), str) for entry in record.get("outputs", {}).values())
        and all(isinstance(t.get("columns"), dict) and isinstance(t.get("rows"), list) for t in tables)
        and all(isinstance(row, dict) for t in tables for row in t["rows"])
        and all(isinstance(column, dict) for t in tables for column in t["columns"].values())
        and all(isinstance(word, str) for name in ("files", "warnings") for word in record.get(name, []))
    )


def check_free(folder: Path, sources: Iterable[Path] = ()) -> None:
    """Raise `FileError` unless a result may be put there: new, empty, or the earlier result of a case.

    `sources` are the inputs, which must not lie in the folder that is replaced.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise FileError(f"{folder} is not a folder of results; choose another name.", path=folder)
    inside = [file for file in folder.rglob("*") if not file.is_dir() or file.is_symlink()]
    record = record_of(folder)
    own = {RECORD, *map(str, (record or {}).get("files", []))}
    for file in inside:
        relative = file.relative_to(folder)
        if relative.parts[0].startswith(STAGING) or file.name in LITTER:
            continue
        if record is None or relative.as_posix() not in own:
            raise FileError(
                f"{folder} holds {relative}, which is not part of the result of a case; "
                "choose another folder or move it away.",
                path=folder,
            )
    for source in sources:
        if folder.resolve() in source.resolve().parents:
            raise FileError(
                f"The input {source} lies in {folder}, which would be replaced; choose another folder.", path=source
            )


def check_makeable(folder: Path) -> None:
    """Raise `FileError` when a result cannot get this name, so that it is known before the work."""
    check_name(folder)
    place = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    if not any(os.access(it, os.W_OK) for it in ((place, place.parent) if place == folder else (place,))):
        raise FileError(f"{folder} cannot be made: {os.strerror(errno.EACCES)}.", path=folder)


@contextmanager
def named_after(temporary: Path, final: Path) -> Iterator[None]:
    """Errors about a file in `temporary` name the place that it was meant for."""
    try:
        yield
    except FileError as error:
        raise FileError(str(error).replace(str(temporary), str(final)), path=final) from error


@contextmanager
def staged(final: Path) -> Iterator[Path]:
    """A hidden folder to fill, which becomes `final` at the end; on an error nothing stays behind."""
    made = [folder for folder in (final.parent, *final.parent.parents) if not folder.exists()]
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = (final.parent if _can_swap(final) else final) / staging_name()
        temporary.mkdir()
    except OSError as error:
        raise FileError(f"{final} cannot be made: {error.strerror or error}.", path=final) from None
    complete = False
    try:
        with named_after(temporary, final):
            yield temporary
        _put_in_place(temporary, final)
        complete = True
    finally:
        remove(temporary)
        if not complete:
            with suppress(OSError):
                for folder in made:
                    folder.rmdir()


def _can_swap(final: Path) -> bool:
    """Whether `final` can be renamed: not when it is mounted, the working folder, or its parent is read-only."""
    if not final.exists():
        return True
    here = Path.cwd().resolve()
    return not (os.path.ismount(final) or final.resolve() in (here, *here.parents)) and os.access(final.parent, os.W_OK)


def _put_in_place(temporary: Path, final: Path) -> None:
    if temporary.parent == final:
        try:
            _fill(temporary, final)
        except OSError as error:
            raise FileError(f"{final} cannot be replaced: {error.strerror or error}.", path=final) from None
        return
    former: list[Path] = []
    try:
        for attempt in range(ATTEMPTS):
            with suppress(FileNotFoundError):
                old = final.with_name(staging_name())
                os.rename(final, old)
                former.append(old)
            try:
                os.rename(temporary, final)
                break
            except OSError:
                # The same case, run by a worker that was taken for lost, has come in between.
                if attempt == ATTEMPTS - 1 or not final.is_dir():
                    raise
    except OSError as error:
        if former and not os.path.lexists(final):
            with suppress(OSError):
                os.rename(former.pop(), final)
        raise FileError(f"{final} cannot be replaced: {error.strerror or error}.", path=final) from None
    finally:
        for old in former:
            remove(old)


def retire(final: Path) -> None:
    """Take a folder away from its name in one step and delete it, so that nobody sees half of it under that name."""
    old = final.with_name(staging_name())
    with suppress(OSError):
        os.rename(final, old)
    remove(old)


def _fill(temporary: Path, final: Path) -> None:
    """Move the contents into a folder that cannot be renamed; the record comes last, it marks a complete case."""
    (final / RECORD).unlink(missing_ok=True)
    for entry in final.iterdir():
        if entry != temporary:
            remove(entry)
    for entry in sorted(temporary.iterdir(), key=lambda entry: entry.name == RECORD):
        os.replace(entry, final / entry.name)


def remove(path: Path) -> None:
    """Delete a file or a folder of ours, if it is there."""
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):  # first of all, since it says that the others are there
            (path / RECORD).unlink()
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def clean(folder: Path) -> list[str]:
    """Delete what killed runs left half written directly in `folder`. Only while nobody else writes there.

    A case that was complete, but had not got its name yet, gets it; the names of these cases are returned. Where the
    result that it replaced is there too, the newer one counts.
    """
    entries = list(folder.glob(f"{STAGING}*"))
    complete = [(entry, record) for entry in entries if (record := whole_record(entry)) is not None]
    complete.sort(key=lambda item: (item[0] / RECORD).stat().st_mtime_ns, reverse=True)
    adopted = []
    for entry, record in complete:
        case = record.get("case")
        if isinstance(case, str) and is_id(case) and not os.path.lexists(folder / case):
            with suppress(OSError):
                os.rename(entry, folder / case)
                adopted.append(case)
    for entry in entries:
        remove(entry)
    return adopted


def whole_record(folder: Path) -> dict[str, Any] | None:
    """The record of a finished case all of whose files are there."""
    if folder.is_symlink():
        return None
    record = record_of(folder)
    names = (record or {}).get("files")
    if not isinstance(names, list) or not all(isinstance(n, str) and (folder / n).is_file() for n in names):
        return None
    return record

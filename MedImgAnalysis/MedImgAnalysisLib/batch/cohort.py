"""The cohort: its cases, and how a CSV file with a row per case becomes one."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import FileError, InputError
from ..recipe import Recipe
from .ids import check_id, folded

MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Case:
    """The id, the files by recipe input, and the other columns as they are.

    `problem` is a sentence when it is known beforehand why the case cannot run.
    """

    id: str
    inputs: Mapping[str, str]
    carried: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Cohort:
    """The cases in their order. `carried` names the columns that are no inputs."""

    cases: tuple[Case, ...]
    carried: tuple[str, ...] = ()


def without_names(cohort: Cohort) -> Cohort:
    """The same cases without carried columns and sentences about their files, either of which may name somebody."""
    said = "The files of this case do not fit; medimg batch --plan says why."
    cases = tuple(replace(case, carried={}, problem=said if case.problem else "") for case in cohort.cases)
    return Cohort(cases)


def load(path: str | Path, recipe: Recipe) -> Cohort:
    """Read a cohort for `recipe`.

    The file is UTF-8 (a byte order mark is fine), separated by commas, semicolons or tabs. The column
    `id`, else the first one, names the cases; columns named like inputs of the recipe hold files,
    relative to the folder of the cohort file; all other columns are carried into the results. Whether the
    files exist is asked when their case runs, so that one missing file fails one case.

    Raises
    ------
    FileError
        When the file cannot be read.
    InputError
        When a needed column is missing, or an id is empty, used twice or no folder name. It names the line.
    """
    path = Path(path)
    rows = _rows(path)
    header = [title.strip() for title in rows[0][1]]
    _check_header(path, header, recipe)
    key = header.index("id") if "id" in header else 0
    cases: list[tuple[str, Case]] = []
    for line, cells in rows[1:]:
        if len(cells) > len(header):
            raise InputError(f"{path} line {line} has {len(cells)} cells, the header has {len(header)}.", path=path)
        cells = cells + [""] * (len(header) - len(cells))
        values = {title: cell for number, (title, cell) in enumerate(zip(header, cells)) if number != key}
        inputs = {name: _absolute(path, values[name].strip()) for name in recipe.inputs if values.get(name, "").strip()}
        carried = {t: v for t, v in values.items() if t not in recipe.inputs}
        cases.append((f"{path} line {line}", Case(cells[key], inputs, carried)))
    if not cases:
        raise InputError(f"{path} has no cases: there is no row below the header.", path=path)
    return Cohort(checked_ids(cases), tuple(t for n, t in enumerate(header) if n != key and t not in recipe.inputs))


def check_inputs(given: Collection[str], recipe: Recipe, what: str) -> None:
    """Raise `InputError` unless the inputs that have a `what` (a pattern, a rule) are the recipe's, none missing."""
    unknown = [name for name in given if name not in recipe.inputs]
    if unknown:
        raise InputError(f"The recipe has no input {unknown[0]!r}; it has {', '.join(recipe.inputs)}.")
    missing = [name for name in recipe.needed() if name not in given]
    if missing:
        raise InputError(f"A {what} is missing for the recipe input {', '.join(missing)}.", missing=missing)


def checked_ids(cases: Iterable[tuple[str, Case]]) -> tuple[Case, ...]:
    """The cases of pairs (where it comes from, case) with ids that can be folder names everywhere, each used once.

    Raises `InputError` that names the place.
    """
    seen: dict[str, str] = {}
    found = []
    for where, case in cases:
        name = check_id(case.id, where)
        if folded(name) in seen:
            raise InputError(
                f"{where}: the case id {name!r} is used already in {seen[folded(name)]} "
                "(ids must differ by more than upper and lower case).",
                case=name,
            )
        seen[folded(name)] = where
        found.append(replace(case, id=name))
    return tuple(found)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileError(f"{path} is larger than {MAX_BYTES >> 20} MB; this is not a cohort.", path=path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileError(f"The cohort {path} cannot be read: {error.strerror or error}.", path=path) from None
    except UnicodeDecodeError:
        raise FileError(f"The cohort {path} is not UTF-8 text; save it as CSV UTF-8.", path=path) from None
    if "\0" in text:
        raise FileError(f"The cohort {path} holds NUL characters; save it as CSV UTF-8.", path=path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=lambda mark: (first.count(mark), mark == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FileError(f"The cohort {path} line {reader.line_num}: {error}.", path=path) from None
    if not rows:
        raise InputError(f"The cohort {path} is empty.", path=path)
    return rows


def _check_header(path: Path, header: list[str], recipe: Recipe) -> None:
    for number, title in enumerate(header, 1):
        if not title:
            raise InputError(f"{path}: column {number} has no title.", path=path)
        if header.index(title) != number - 1:
            raise InputError(f"{path}: two columns are named {title!r}.", path=path)
    key = "id" if "id" in header else header[0]
    if key in recipe.inputs:
        raise InputError(
            f"{path}: the column {key!r} is the case id and an input of the recipe; add a column 'id'.", path=path
        )
    for title in header:
        meant = [name for name in recipe.inputs if name not in header and name.casefold() == title.casefold()]
        if meant:
            raise InputError(
                f"{path}: the column {title!r} must be written {meant[0]!r}, like the recipe input.", path=path
            )
    missing = [name for name in recipe.needed() if name not in header]
    if missing:
        raise InputError(
            f"{path} has no column for the recipe input {', '.join(missing)}; its columns are {', '.join(header)}.",
            path=path,
            missing=missing,
        )


def _absolute(cohort: Path, cell: str) -> str:
    return str(cohort.parent.absolute() / cell)

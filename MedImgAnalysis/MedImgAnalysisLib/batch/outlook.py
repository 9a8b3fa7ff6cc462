"""What a batch would do before it is started: which cases run, what is missing, and time, memory and disk."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files.extents import unreadable
from ..files.paths import split_part
from ..machine import free_memory, memory_text
from ..plan import time_text
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .case import recipe_key
from .case_memory import need_of
from .cohort import Case, Cohort
from .folder import check_free, record_of
from .sources import size_of


@dataclass(frozen=True)
class CaseOutlook:
    """What would become of a case.

    Attributes
    ----------
    state
        `run`, `kept` (there is a result of this recipe from files of the same size) or `problem`.
    text
        The problem, or why it runs again; empty otherwise.
    seconds, memory_bytes, disk_bytes
        Planned from the headers of its files; None where nothing is known. Disk is without compression.
    """

    id: str
    state: str
    text: str = ""
    seconds: float | None = None
    memory_bytes: float | None = None
    disk_bytes: float | None = None


@dataclass(frozen=True)
class Outlook:
    """All cases, and what the batch needs as a whole.

    `seconds` is for `workers` cases at a time, `unknown_time` counts the cases that it leaves out. `memory_bytes` are
    of the largest cases that could run at a time. `free_memory` and `free_disk` are None where they are not told.
    """

    cases: tuple[CaseOutlook, ...]
    workers: int
    seconds: float
    unknown_time: int
    memory_bytes: float
    disk_bytes: float
    free_memory: int | None
    free_disk: int | None

    @property
    def problems(self) -> list[CaseOutlook]:
        """The cases that cannot run."""
        return [case for case in self.cases if case.state == "problem"]

    def counts(self) -> dict[str, int]:
        """Cases by state."""
        found = Counter(case.state for case in self.cases)
        return {state: found[state] for state in ("run", "kept", "problem")}

    def text(self) -> str:
        """Some lines for people."""
        count = self.counts()
        lines = [f"{count['run']} of {len(self.cases)} cases would run, {count['kept']} are done, "
                 f"{count['problem']} cannot run."]  # fmt: skip
        if count["run"]:
            beyond = f", without {self.unknown_time} cases of unknown time" if self.unknown_time else ""
            lines.append(f"Time: about {time_text(self.seconds)} with {self.workers} at a time{beyond}.")
            free = "" if self.free_memory is None else f" of {memory_text(self.free_memory)} that are free"
            lines.append(f"Memory: about {memory_text(self.memory_bytes)}{free}.")
            room = "" if self.free_disk is None else f" of {memory_text(self.free_disk)} that are free"
            lines.append(f"Disk: at most about {memory_text(self.disk_bytes)}{room}.")
            if self.free_disk is not None and self.disk_bytes > self.free_disk:
                lines.append("The disk may become full: compressed files are smaller, but see that there is room.")
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"counts": self.counts()}


def outlook(
    recipe: Recipe, cohort: Cohort, out: str | Path, workers: int, *, restart: bool = False, progress: Progress = SILENT
) -> Outlook:
    """What `run_batch` would do with the same arguments. Reads headers and sizes, no voxels, and writes nothing."""
    out = Path(out).absolute()
    key = recipe_key(recipe)
    cases = []
    for number, case in enumerate(cohort.cases):
        progress.report(number / len(cohort.cases), f"Looking at {case.id}")
        cases.append(_case(recipe, key, case, out / case.id, restart))
    running = [case for case in cases if case.state == "run"]
    known = [case.seconds for case in running if case.seconds is not None]
    at_once = max(1, workers)
    largest = sorted((case.memory_bytes or 0.0 for case in running), reverse=True)[:at_once]
    return Outlook(
        tuple(cases),
        at_once,
        max([sum(known) / at_once, *known], default=0.0),
        len(running) - len(known),
        sum(largest),
        sum(case.disk_bytes or 0.0 for case in running),
        free_memory(),
        _free_disk(out),
    )


def _case(recipe: Recipe, key: str, case: Case, folder: Path, restart: bool) -> CaseOutlook:
    problem = case.problem or _missing(recipe, case) or _occupied(folder)
    if problem:
        return CaseOutlook(case.id, "problem", problem)
    record, why = record_of(folder), ""
    if record is not None:
        why = _changed(record, key, case) or ("asked for" if restart else "")
        if not why:
            return CaseOutlook(case.id, "kept")
    again = f"Again: {why}." if why else ""
    need = need_of(recipe, case.inputs)
    if need is None:
        return CaseOutlook(case.id, "run", again, disk_bytes=0.0)
    state, text = ("problem", need.refusal) if need.refusal else ("run", again)
    return CaseOutlook(case.id, state, text, need.seconds, need.bytes, need.kept_bytes)


def _missing(recipe: Recipe, case: Case) -> str:
    absent = [name for name in recipe.needed() if name not in case.inputs]
    if absent:
        return f"There is no file for the input {', '.join(absent)}."
    for name, path in case.inputs.items():
        try:
            place, _ = split_part(path)
        except FileError as error:
            return f"Input {name!r}: {error}"
        if not os.access(place, os.R_OK):
            return f"Input {name!r}: {place} cannot be read."
        problem = unreadable(path, recipe.inputs.get(name, ""))
        if problem:
            return f"Input {name!r}: {problem}"
    return ""


def _occupied(folder: Path) -> str:
    try:
        check_free(folder)
    except FileError as error:
        return str(error)
    return ""


def _changed(record: dict[str, Any], key: str, case: Case) -> str:
    """Why a result from before does not count, as far as sizes tell; empty when it does."""
    if record.get("recipe_sha256") != key:
        return "the recipe has changed"
    before = {name: entry.get("bytes") for name, entry in record.get("inputs", {}).items()}
    now = {name: size_of(path) for name, path in case.inputs.items()}
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return f"the input {', '.join(changed)} has changed" if changed else ""


def _free_disk(out: Path) -> int | None:
    place = next((folder for folder in (out, *out.parents) if folder.is_dir()), None)
    try:
        return None if place is None else shutil.disk_usage(place).free
    except OSError:
        return None


def table_of(cases: Sequence[CaseOutlook]) -> list[list[str]]:
    """Rows of texts for people: id, state, time, memory, and what there is to say."""
    return [
        [
            case.id,
            case.state,
            "-" if case.seconds is None else time_text(case.seconds),
            "-" if case.memory_bytes is None else memory_text(case.memory_bytes),
            case.text,
        ]
        for case in cases
    ]

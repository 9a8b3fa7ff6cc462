"""The finished cases of a batch computed again, one after the other or in worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError, MedImgError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .executors import choose
from .folder import RECORD, record_of
from .verify import verify


@dataclass(frozen=True)
class CaseVerdict:
    """What became of a case: `state` is equal, different, or unknown when it could not be computed again.

    `result` is what `verify.Verified.as_data` gives, empty when `error` (a `MedImgError` as JSON) says why not.
    """

    case: str
    folder: Path
    result: Mapping[str, Any]
    error: Mapping[str, Any] | None = None

    @property
    def state(self) -> str:
        """The verdict in a word."""
        return "unknown" if self.error else "equal" if self.result["equal"] else "different"

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        found = {"case": self.case, "state": self.state, **self.result}
        return {**found, "equal": False, "error": dict(self.error)} if self.error else found


def case_folders(folder: Path) -> list[Path]:
    """The folder itself when it is a case, else the cases in it, by name; `FileError` when there are none."""
    if (folder / RECORD).exists():
        return [folder]
    found = sorted(file.parent for file in folder.glob(f"*/{RECORD}") if not file.parent.name.startswith("."))
    if not found:
        raise FileError(f"{folder} holds no finished case: there is no {RECORD}.", path=folder)
    return found


def verify_many(
    folders: Sequence[Path],
    *,
    workers: int = 0,
    threads: int | None = None,
    on_verdict: Callable[[CaseVerdict], None] | None = None,
    progress: Progress = SILENT,
) -> list[CaseVerdict]:
    """Verify cases; one that cannot be verified does not stop the others.

    `workers` are processes, 0 for this one; `threads` as in `verify`. The verdicts come in the order of `folders`,
    `on_verdict` gets each when it is there.
    """
    folders = [folder.absolute() for folder in folders]  # workers have a working folder of their own
    verdicts: dict[str, CaseVerdict] = {}
    fractions = dict.fromkeys(map(str, folders), 0.0)

    def answered(task: dict[str, Any], answer: dict[str, Any]) -> None:
        folder = task["folder"]
        ((kind, content),) = answer.items()
        if kind == "progress":
            fractions[folder] = content[0]
        elif kind in ("done", "failed"):
            fractions[folder] = 1.0
            error, result = (content, {}) if kind == "failed" else (None, content["verified"])
            verdict = verdicts[folder] = CaseVerdict(task["case"], Path(folder), result, error)
            if on_verdict is not None:
                on_verdict(verdict)
        else:
            return
        if not progress.cancelled:
            progress.report(sum(fractions.values()) / len(fractions), f"{len(verdicts)} of {len(folders)} cases")

    tasks = []
    recipes: dict[str, Any] = {}
    for folder in folders:
        task: dict[str, Any] = {"case": folder.name, "folder": str(folder), "verify": threads or 0}
        try:
            record = record_of(folder) or {}
            recipe = recipes.setdefault(str(record.get("recipe")), record.get("recipe"))
            Recipe.from_data(recipe)
            task |= {"recipe": recipe, "inputs": {name: at.get("path", "") for name, at in record["inputs"].items()}}
        except (MedImgError, KeyError, TypeError, AttributeError) as error:
            answered(task, {"failed": _why(folder, error)})
            continue
        tasks.append(task)
    choose(len(tasks), workers, threads, None).run(tasks, answered, progress)
    return [verdicts[str(folder)] for folder in folders]


def _why(folder: Path, error: Exception) -> dict[str, Any]:
    if isinstance(error, MedImgError):
        return error.as_json()
    return FileError(f"{folder / RECORD} is damaged: {type(error).__name__} {error}.", path=folder / RECORD).as_json()


def serve(task: Mapping[str, Any], tell: Callable[[dict[str, Any]], None], progress: Progress) -> None:
    """Verify one case as a task of an executor; the result is in its last answer."""
    tell({"started": os.getpid()})
    result = verify(task["folder"], progress, threads=task["verify"] or None)
    tell({"done": {"verified": result.as_data()}})

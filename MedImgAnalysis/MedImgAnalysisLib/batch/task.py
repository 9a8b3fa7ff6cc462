"""A task: one case of a batch as JSON values, and what runs it wherever it is run.

A task holds `case`, `folder`, `inputs` (paths by name), `recipe`, `restart` and `extras`; of a batch also `lock` and
`token` of its lock, `problem`, a sentence, when the cohort knows why it cannot run, and `refused` when its planned
memory cannot be had. Voxels are never part of it.

What happens is told in answers of one key: `started` (process), `progress` ([fraction, message]), `warning`, `note`,
and at the end `done` ({"seconds", "reason"}), `kept`, or `failed` (an error as JSON).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import Cancelled, FileError, InputError, MedImgError
from ..progress import Progress
from ..recipe import Recipe
from . import private
from .case import Extras, describe_inputs, finished, recipe_key, run_case
from .folder import check_free, record_of, retire
from .lock import check_shared, still_wanted

Answer = dict[str, Any]
LAST = {"done", "kept", "failed"}
"""Keys of the answer that ends a task."""


def run_task(task: Mapping[str, Any], tell: Callable[[Answer], None], progress: Progress) -> None:
    """Run a task and tell what happens; raises `Cancelled` alone, every other error is a `failed` answer."""
    tell = private.telling(task, tell)
    try:
        (verifying if "verify" in task else _serve)(task, tell, progress)
    except Cancelled:
        raise
    except MedImgError as error:
        tell({"failed": error.as_json()})
    except MemoryError:
        tell({"failed": {"kind": "MemoryError", "message": "There is not enough memory; use fewer workers."}})
    except Exception as error:  # noqa: BLE001 - one failed case must not stop the others, whatever it is
        text = " ".join(str(error).split())
        tell({"failed": {"kind": type(error).__name__, "message": text or type(error).__name__}})


def verifying(task: Mapping[str, Any], tell: Callable[[Answer], None], progress: Progress) -> None:
    """Compute a finished case again, see `verify_many`."""
    from .verify_many import serve

    serve(task, tell, progress)


def _serve(task: Mapping[str, Any], tell: Callable[[Answer], None], progress: Progress) -> None:
    """Run one case, unless its result is there already. A failed case leaves no outdated result behind."""
    lock, token = task.get("lock", ""), task.get("token", "")
    if lock:
        check_shared(lock, token)
    recipe = Recipe.from_data(task["recipe"])
    folder, extras, key = Path(task["folder"]), Extras(**task["extras"]), recipe_key(recipe)
    current = _of_same_files(folder, key, task["inputs"])
    tell({"started": os.getpid()})
    try:
        if task.get("problem"):
            raise InputError(task["problem"])
        inputs = describe_inputs(recipe, task["inputs"], folder, progress.part(0.0, 0.05))
        current = finished(folder, key, inputs, Extras())[0] is not None
        record, reason = finished(folder, key, inputs, extras)
        if record is not None and token and record.get("batch") == token:
            # A worker that was taken for lost has done it in the meantime.
            tell({"done": {"seconds": record["seconds"], "reason": ""}})
            return
        if record is not None and not task["restart"]:
            tell({"kept": True})
            return
        if task.get("refused"):
            raise InputError(task["refused"])
        record = run_case(
            recipe,
            task["inputs"],
            folder,
            case=task["case"],
            extras=extras,
            described=inputs,
            batch=token,
            check=(lambda: still_wanted(lock, token)) if lock else None,
            progress=progress.part(0.05, 1.0),
        )
    except Cancelled:
        raise
    except Exception:
        if not current:
            _remove_stale(folder, lock, token)
        raise
    tell({"done": {"seconds": record["seconds"], "reason": "" if task["restart"] else reason}})


def _of_same_files(folder: Path, key: str, inputs: Mapping[str, str]) -> bool:
    """Whether a result is there, of this recipe and from files with these names, whatever is in the files now."""
    record = record_of(folder)
    if record is None or record.get("recipe_sha256") != key:
        return False
    return {name: entry.get("path") for name, entry in record.get("inputs", {}).items()} == {
        name: str(Path(path).absolute()) for name, path in inputs.items()
    }


def _remove_stale(folder: Path, lock: str, token: str) -> None:
    """A result of another recipe or of other files would be taken for that of the run that has just failed."""
    try:
        if lock:
            still_wanted(lock, token)
        check_free(folder)
        if record_of(folder) is not None:
            retire(folder)
    except FileError:
        return

"""A recipe over a cohort on this machine: starts, goes on where it stopped, and sums up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .case import Extras, check_names, recipe_key, require
from .cohort import Case, Cohort, without_names
from .executors import choose
from .folder import clean, record_of
from .journal import Journal
from .lock import Lock
from .plain import read_json, write_text
from .results import NOT_CHECKED, NOT_RUN, CaseResult, write

RESULTS = ("results.csv", "results.json", "report.html")
LEFT_OUT = {"recipe", "steps", "files"}
"""Parts of a record that the summary does not show: with them a thousand cases would take much memory."""
LOOKS, LOOK_SECONDS = 10, 0.5


@dataclass(frozen=True)
class BatchResult:
    """The cases in the order of the cohort, which of them were kept from before, and the files of the summary."""

    cases: tuple[CaseResult, ...]
    kept: tuple[str, ...]
    recomputed: dict[str, str]
    files: dict[str, Path]

    @property
    def failed(self) -> list[CaseResult]:
        """The cases that gave an error."""
        return [case for case in self.cases if case.state == "failed"]


def run_batch(
    recipe: Recipe,
    cohort: Cohort,
    out: str | Path,
    *,
    workers: int | None = None,
    threads: int | None = None,
    dask: str | None = None,
    restart: bool = False,
    scene: bool = False,
    snapshots: bool = False,
    pages: bool = False,
    dicom: bool = False,
    private: bool = False,
    on_event: Callable[[str, str, dict[str, Any]], None] | None = None,
    progress: Progress = SILENT,
) -> BatchResult:
    """Run `recipe` on every case of `cohort` and put the results into `out`.

    Finished cases whose recipe and input files are the same as before are kept. A failed case leaves its error in
    the results and nothing else; the others go on. Only paths go to the workers.

    Parameters
    ----------
    recipe
        What to do with each case.
    cohort
        The cases, see `cohort.load`.
    out
        Gets a folder per case, `results.csv`, `results.json`, `report.html`, `recipe.json` and `events.jsonl`.
    workers
        Processes, 0 for this one. Default: half the cores, four at the most.
    threads
        Threads of each case. Default: the cores shared among the workers, 1 on a cluster.
    dask
        Address or file of the scheduler of a Dask cluster, or `local` for one in this process.
    restart
        Run every case again.
    scene, snapshots, pages, dicom
        Add a scene file `<id>.mrb`, pictures of slices, a page per step, and segments and tables as DICOM objects to
        each case.
    private
        Keep paths, names of files and the carried columns out of the results; only the id tells cases apart.
    on_event
        Called with (event, case id, data) for started, done, kept and failed cases, and for warnings.
    progress
        Reports over the whole cohort and stops it.

    Raises
    ------
    MissingPackageError
        When an optional package is not installed; nothing was done.
    FileError
        When another batch is writing to `out` or it cannot be made.
    Cancelled
        When stopped; what was finished is complete and in the tables.
    """
    out = Path(out).absolute()
    check_names(recipe)
    if private:
        cohort = without_names(cohort)
    executor = choose(len(cohort.cases), workers, threads, dask)
    if dask is None or dask == "local":  # the computers of a cluster say for themselves what they have
        require(scene or snapshots, dicom)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{out} cannot be made: {error.strerror or error}.", path=out) from None
    with Lock(out) as lock, closing(Journal(out)) as journal:
        if lock.taken_over:
            journal.write("note", note=lock.taken_over)
            progress.warn(lock.taken_over)
        adopted = clean(out)
        if adopted:
            journal.write("note", note="complete, but not in place", cases=adopted)
        _forget_other_results(out, recipe_key(recipe))
        write_text(out / "recipe.json", recipe.as_json())
        journal.write(
            "batch started",
            recipe=recipe.name,
            recipe_sha256=recipe_key(recipe),
            cases=len(cohort.cases),
            restart=restart,
            **executor.describe(),
        )
        common = {"recipe": recipe.as_data(), "restart": restart, "lock": str(lock.path), "token": lock.token}
        tasks = [
            common | _task(case, out, Extras(f"{case.id}.mrb" if scene else None, snapshots, pages, dicom, private))
            for case in cohort.cases
        ]
        run = _Run(cohort.cases, journal, out, progress, on_event)
        try:
            executor.run(tasks, run.on_answer, progress)
        finally:
            run.look_at_others(recipe_key(recipe))
            journal.write("batch ended", **run.counts())
            try:
                written = write(out, recipe, run.cases, cohort.carried)
            except FileError as error:
                raise SummaryError(
                    f"{error} The folders of finished cases are complete; run the same command again.", path=error.path
                ) from None
    return BatchResult(tuple(run.cases), tuple(c.id for c in run.cases if c.id in run.kept), run.recomputed, written)


def _task(case: Case, out: Path, extras: Extras) -> dict[str, Any]:
    return {
        "case": case.id,
        "folder": str(out / case.id),
        "inputs": dict(case.inputs),
        "extras": asdict(extras),
        **({"problem": case.problem} if case.problem else {}),
    }


def _forget_other_results(out: Path, key: str) -> None:
    """Tables of another recipe would not fit the folders beside them while this batch runs."""
    summary = read_json(out / "results.json")
    if summary is not None and summary.get("recipe_sha256") != key:
        for name in RESULTS:
            (out / name).unlink(missing_ok=True)


class SummaryError(FileError):
    """The tables of a batch could not be written; the folders of finished cases are complete."""


class _Run:
    """Keeps what became of each case while the answers arrive."""

    def __init__(
        self,
        cases: Sequence[Case],
        journal: Journal,
        out: Path,
        progress: Progress,
        on_event: Callable[[str, str, dict[str, Any]], None] | None,
    ) -> None:
        self.cases = [CaseResult(case.id, case.carried) for case in cases]
        self.kept: set[str] = set()
        self.recomputed: dict[str, str] = {}
        self._by_id = {case.id: case for case in self.cases}
        self._fractions: dict[str, float] = {}
        self._sum = 0.0
        self._ended: Counter[str] = Counter()
        self._journal, self._out, self._progress, self._on_event = journal, out, progress, on_event

    def on_answer(self, task: dict[str, Any], answer: dict[str, Any]) -> None:
        """Note what a worker says about a case."""
        case = self._by_id[task["case"]]
        ((kind, content),) = answer.items()
        if kind == "progress":
            self._report(case.id, content[0])
            return
        if kind in ("done", "kept"):
            record = self._record(case.id)
            if record is None:
                kind, content = "failed", _gone(self._out / case.id).as_json()
            else:
                case.state, case.record = "done", record
                if kind == "kept":
                    self.kept.add(case.id)
                elif content.get("reason"):
                    self.recomputed[case.id] = content["reason"]
        if kind == "failed":
            case.state, case.error = "failed", content
        name = {"warning": "text", "started": "process"}.get(kind, kind)
        data = content if isinstance(content, dict) else {name: content}
        self._journal.write(kind, case=case.id, **({"error": data} if kind == "failed" else data))
        if self._on_event is not None:
            self._on_event(kind, case.id, data)
        if kind in ("failed", "done", "kept"):
            self._ended[case.state] += 1
            self._report(case.id, 1.0)

    def look_at_others(self, key: str) -> None:
        """Cases that were not reached may have a result from before; it is shown, but its inputs were not looked at."""
        for case in self.cases:
            if case.state == NOT_RUN:
                record = self._record(case.id, wait=False)
                if record is not None and record.get("recipe_sha256") == key:
                    case.state, case.record = NOT_CHECKED, record

    def counts(self) -> dict[str, int]:
        """Cases by what became of them."""
        done, failed = self._ended["done"], self._ended["failed"]
        return {"done": done, "kept": len(self.kept), "failed": failed, "not_run": len(self.cases) - done - failed}

    def _record(self, case: str, wait: bool = True) -> dict[str, Any] | None:
        """The record of a case without what the summary does not show; a shared folder may show it a moment later."""
        for attempt in range(LOOKS if wait else 1):
            record = record_of(self._out / case)
            if record is not None:
                return {key: value for key, value in record.items() if key not in LEFT_OUT}
            if attempt < LOOKS - 1 and wait:
                time.sleep(LOOK_SECONDS)
        return None

    def _report(self, case: str, fraction: float) -> None:
        self._sum += fraction - self._fractions.get(case, 0.0)
        self._fractions[case] = fraction
        done, failed = self._ended["done"], self._ended["failed"]
        if not self._progress.cancelled:
            self._progress.report(
                self._sum / len(self.cases),
                f"{done + failed} of {len(self.cases)} cases{f', {failed} failed' if failed else ''}",
            )


def _gone(folder: Path) -> FileError:
    return FileError(
        f"{folder} is not there although the case was done; do all computers share the output folder?", path=folder
    )

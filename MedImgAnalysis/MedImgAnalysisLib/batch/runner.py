"""A recipe over a cohort on this machine: starts, goes on where it stopped, and sums up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError, ParameterError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .case import Extras, recipe_key
from .cohort import Case, Cohort
from .folder import clean, record_of
from .journal import Journal, Lock
from .plain import read_json, write_text
from .results import NOT_CHECKED, NOT_RUN, CaseResult, write
from .workers import core_count, run_tasks

RESULTS = ("results.csv", "results.json", "report.html")


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


def default_workers() -> int:
    """Half the cores, four at the most: every worker holds the images of one case in memory."""
    return max(1, min(4, core_count() // 2))


def run_batch(
    recipe: Recipe,
    cohort: Cohort,
    out: str | Path,
    *,
    workers: int | None = None,
    restart: bool = False,
    scene: bool = False,
    snapshots: bool = False,
    pages: bool = False,
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
        Processes; the cores are shared among them. Default: half the cores, four at the most.
    restart
        Run every case again.
    scene, snapshots, pages
        Add a scene file `<id>.mrb`, pictures of slices, and a page per step to each case.
    on_event
        Called with (event, case id, data) for started, done, kept and failed cases, and for warnings.
    progress
        Reports over the whole cohort and stops it.

    Raises
    ------
    FileError
        When another batch is writing to `out` or it cannot be made.
    Cancelled
        When stopped; what was finished is complete and in the tables.
    """
    out = Path(out).absolute()
    if workers is not None and workers < 1:
        raise ParameterError(f"workers is {workers}; it must be at least 1.", field="workers", value=workers)
    count = min(workers or default_workers(), len(cohort.cases))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{out} cannot be made: {error.strerror or error}.", path=out) from None
    with Lock(out), closing(Journal(out)) as journal:
        clean(out)
        _forget_other_results(out, recipe_key(recipe))
        write_text(out / "recipe.json", recipe.as_json())
        journal.write(
            "batch started",
            recipe=recipe.name,
            recipe_sha256=recipe_key(recipe),
            cases=len(cohort.cases),
            workers=count,
            restart=restart,
        )
        tasks = [
            _task(recipe, case, out, restart, Extras(f"{case.id}.mrb" if scene else None, snapshots, pages))
            for case in cohort.cases
        ]
        run = _Run(cohort.cases, journal, out, progress, on_event)
        try:
            run_tasks(tasks, count, max(1, core_count() // count), run.on_answer, progress)
        finally:
            run.look_at_others(recipe_key(recipe))
            written = write(out, recipe, run.cases, cohort.carried)
            journal.write("batch ended", **run.counts())
    return BatchResult(tuple(run.cases), tuple(c.id for c in run.cases if c.id in run.kept), run.recomputed, written)


def _task(recipe: Recipe, case: Case, out: Path, restart: bool, extras: Extras) -> dict[str, Any]:
    return {
        "case": case.id,
        "folder": str(out / case.id),
        "inputs": dict(case.inputs),
        "recipe": recipe.as_data(),
        "restart": restart,
        "extras": asdict(extras),
    }


def _forget_other_results(out: Path, key: str) -> None:
    """Tables of another recipe would not fit the folders beside them while this batch runs."""
    summary = read_json(out / "results.json")
    if summary is not None and summary.get("recipe_sha256") != key:
        for name in RESULTS:
            (out / name).unlink(missing_ok=True)


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
        self._journal, self._out, self._progress, self._on_event = journal, out, progress, on_event

    def on_answer(self, task: dict[str, Any], answer: dict[str, Any]) -> None:
        """Note what a worker says about a case."""
        case = self._by_id[task["case"]]
        ((kind, content),) = answer.items()
        if kind == "progress":
            self._fractions[case.id] = content[0]
            self._report()
            return
        if kind == "failed":
            case.state, case.error = "failed", content
        elif kind in ("done", "kept"):
            case.state, case.record = "done", record_of(self._out / case.id)
            if kind == "kept":
                self.kept.add(case.id)
            elif content.get("reason"):
                self.recomputed[case.id] = content["reason"]
        name = {"warning": "text", "started": "process"}.get(kind, kind)
        data = content if isinstance(content, dict) else {name: content}
        self._journal.write(kind, case=case.id, **({"error": data} if kind == "failed" else data))
        if self._on_event is not None:
            self._on_event(kind, case.id, data)
        if kind in ("failed", "done", "kept"):
            self._fractions[case.id] = 1.0
            self._report()

    def look_at_others(self, key: str) -> None:
        """Cases that were not reached may have a result from before; it is shown, but its inputs were not looked at."""
        for case in self.cases:
            if case.state == NOT_RUN:
                record = record_of(self._out / case.id)
                if record is not None and record.get("recipe_sha256") == key:
                    case.state, case.record = NOT_CHECKED, record

    def counts(self) -> dict[str, int]:
        """Cases by what became of them."""
        states = [case.state for case in self.cases]
        return {
            "done": states.count("done"),
            "kept": len(self.kept),
            "failed": states.count("failed"),
            "not_run": states.count(NOT_RUN) + states.count(NOT_CHECKED),
        }

    def _report(self) -> None:
        counts = self.counts()
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        if not self._progress.cancelled:
            self._progress.report(
                sum(self._fractions.values()) / len(self.cases),
                f"{counts['done'] + counts['failed']} of {len(self.cases)} cases{failed}",
            )

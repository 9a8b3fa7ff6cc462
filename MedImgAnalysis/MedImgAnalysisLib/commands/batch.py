"""`medimg batch`: a recipe on a cohort."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import Cancelled
from ..recipe import Recipe
from .arguments import common, count, whole
from .cohorts import HELP, add_cohort, cohort_of
from .terminal import Terminal, aligned

if TYPE_CHECKING:
    from ..batch.cohort import Cohort

WARNINGS_SHOWN = 5
CASES_SHOWN = 40


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "batch",
        parents=[common()],
        help="run a recipe on many cases",
        description="Run a recipe on every case of a cohort.\n\n" + HELP + "\n"
        "A batch that was stopped goes on where it stopped; finished cases are kept while their recipe and\n"
        "files are the same. Exit status: 0 all cases done, 1 some failed, 2 wrong request, 130 cancelled.",
    )
    parser.add_argument("recipe", metavar="RECIPE.json")
    add_cohort(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument(
        "--workers", type=whole, metavar="N", help="processes, 0 for none; default: half the cores, four at the most"
    )
    parser.add_argument("--threads", type=count, metavar="N", help="threads of each case; default: the cores shared")
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="run on a Dask cluster: tcp://host:8786, a scheduler file, or local"
    )
    parser.add_argument(
        "--plan", action="store_true", help="only say what would run, what is missing and what it needs"
    )
    parser.add_argument("--restart", action="store_true", help="run finished cases again")
    parser.add_argument("--scene", action="store_true", help="save each case as a Slicer scene, too")
    parser.add_argument("--snapshots", action="store_true", help="take pictures of the slice views, too")
    parser.add_argument("--pages", action="store_true", help="write a page of tables and pictures per step, too")
    parser.add_argument("--dicom", action="store_true", help="write segments and tables as DICOM SEG and SR, too")
    parser.add_argument(
        "--private", action="store_true", help="keep paths, names of files and carried columns out of the results"
    )
    parser.set_defaults(call=batch)


def batch(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the batch; 1 when some cases failed."""
    from ..batch.runner import SummaryError, run_batch

    recipe = Recipe.load(options.recipe)
    with terminal.working("Cohort") as progress:
        cohort = cohort_of(options, recipe, progress)
    if options.plan:
        return _plan(options, recipe, cohort, terminal)
    events = _Events(terminal)
    try:
        with terminal.working(recipe.name or "Batch") as progress, _cancelled_says_how_to_go_on():
            result = run_batch(
                recipe,
                cohort,
                options.out,
                workers=options.workers,
                threads=options.threads,
                dask=options.dask,
                restart=options.restart,
                scene=options.scene,
                snapshots=options.snapshots,
                pages=options.pages,
                dicom=options.dicom,
                private=options.private,
                on_event=events,
                progress=progress,
            )
    except SummaryError as error:
        terminal.fail(error)
        return 1
    done = [case.id for case in result.cases if case.state == "done"]
    terminal.give(
        {
            "recipe": recipe.name,
            "version": __version__,
            "out": str(options.out),
            "cases": len(result.cases),
            "done": done,
            "kept": list(result.kept),
            "recomputed": result.recomputed,
            "failed": [{"case": case.id, "error": dict(case.error or {})} for case in result.failed],
            "warnings": {case.id: case.warnings for case in result.cases if case.warnings},
            "files": {name: str(path) for name, path in result.files.items()},
        }
    )
    events.sum_up()
    kept = f", {len(result.kept)} of them kept from before" if result.kept else ""
    failed = f", {len(result.failed)} failed" if result.failed else ""
    terminal.note(f"{len(done)} of {len(result.cases)} cases done{kept}{failed}. {result.files['report']}")
    return 1 if result.failed else 0


def _plan(options: argparse.Namespace, recipe: Recipe, cohort: Cohort, terminal: Terminal) -> int:
    """Say what would happen; 1 when some cases cannot run."""
    from ..batch.executors import default_workers
    from ..batch.outlook import outlook, table_of

    workers = default_workers() if options.workers is None else options.workers
    with terminal.working("Plan") as progress:
        found = outlook(recipe, cohort, options.out, workers, restart=options.restart, progress=progress)
    terminal.give(found.as_data())
    shown = [*found.problems, *(case for case in found.cases if case.state != "problem")][:CASES_SHOWN]
    terminal.say(aligned([["case", "state", "time", "memory", ""], *table_of(shown)]) + "\n")
    if len(found.cases) > len(shown):
        terminal.say(f"... and {len(found.cases) - len(shown)} more (--json lists all).\n")
    terminal.say(found.text() + "\n")
    return 1 if found.problems else 0


@contextmanager
def _cancelled_says_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except Cancelled:
        raise Cancelled("Cancelled; finished cases are kept and the same command goes on with the others.") from None


class _Events:
    """Says what happens to cases: every failure, every recomputed case, each warning once."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._cases: dict[str, set[str]] = {}

    def __call__(self, event: str, case: str, data: dict[str, Any]) -> None:
        if event == "failed":
            self._terminal.note(f"{case} failed: {data.get('message', '')}")
        elif event == "note":
            self._terminal.note(f"{case}: {data['note']}")
        elif event == "done" and data.get("reason"):
            self._terminal.note(f"{case} was run again: {data['reason']}")
        elif event == "warning":
            self._cases.setdefault(data["text"], set()).add(case)
            if len(self._cases) <= WARNINGS_SHOWN and len(self._cases[data["text"]]) == 1:
                self._terminal.warn(f"{case}: {data['text']}")

    def sum_up(self) -> None:
        """Say what was not shown one by one."""
        more = sum(len(cases) > 1 for cases in self._cases.values())
        hidden = max(0, len(self._cases) - WARNINGS_SHOWN)
        if more or hidden:
            cases = len(set().union(*self._cases.values()))
            self._terminal.note(f"There are warnings in {cases} cases; the report has all of them.")

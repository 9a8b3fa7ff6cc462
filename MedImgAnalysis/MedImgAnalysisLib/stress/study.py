"""The study: a recipe on a cohort as it is, then on the same cohort disturbed in every way, each as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import files
from ..batch.cohort import Cohort
from ..batch.results import CaseResult
from ..batch.runner import run_batch
from ..errors import InputError, ParameterError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from ..values import Measurements
from .movement import movements
from .page import write_page
from .perturbation import CERTAIN, Perturbation

UNDISTURBED = "undisturbed"


@dataclass(frozen=True)
class Run:
    """The cases of one repetition of a perturbation."""

    perturbation: Perturbation
    repetition: int
    cases: tuple[CaseResult, ...]


@dataclass(frozen=True)
class Study:
    """What came out: a row per result and perturbation, the files, and the cases that failed undisturbed."""

    table: Measurements
    files: dict[str, Path]
    left_out: tuple[str, ...]
    runs: tuple[Run, ...]


def run_stress(
    recipe: Recipe,
    cohort: Cohort,
    out: str | Path,
    perturbations: Sequence[Perturbation],
    *,
    repeat: int = 3,
    seed: int = 1,
    progress: Progress = SILENT,
    **options: Any,
) -> Study:
    """Disturb the inputs of every case, run the recipe, and say how much its results move.

    Parameters
    ----------
    recipe
        With at least one image among its inputs and a table or labels among its outputs.
    cohort
        The cases; intraclass correlation needs at least two.
    out
        Gets a batch folder `undisturbed`, one for each perturbation and repetition, and `stress.csv`, `stress.json` and
        `stress.html`. A study that was stopped goes on where it stopped.
    perturbations
        What to do to the inputs, one by one.
    repeat
        Repetitions with other random numbers, of what is drawn by chance.
    seed
        From which all random numbers come.
    options
        Of `batch.runner.run_batch`, such as `workers`.

    Raises
    ------
    InputError
        When no case runs undisturbed.
    ParameterError, RecipeError
        For a study that cannot be.
    FileError
        When another batch is writing there.
    """
    if not perturbations:
        raise ParameterError("No perturbation was given; there is nothing to study.", field="perturbations")
    if repeat < 1:
        raise ParameterError(f"repeat is {repeat}; it must be at least 1.", field="repeat", value=repeat)
    plan = [
        (perturbation, number, perturbation(recipe, seed + number))
        for perturbation in dict.fromkeys(perturbations)
        for number in range(1 if perturbation.kind in CERTAIN else repeat)
    ]
    out = Path(out).absolute()
    whole = len(plan) + 1
    first = run_batch(recipe, cohort, out / UNDISTURBED, progress=progress.part(0.0, 1 / whole), **options)
    known = {case.id: case for case in first.cases if case.state == "done"}
    if not known:
        error = (first.cases[0].error or {}).get("message", "")
        raise InputError(f"No case ran undisturbed, so nothing can be compared. {error}")
    kinds = recipe.kinds()
    compared = [name for name in recipe.outputs if kinds[name] in ("labels", "mask")]
    runs = []
    for done, (perturbation, number, disturbed) in enumerate(plan, 1):
        cases = []
        for case in cohort.cases:
            if case.id not in known:
                continue
            outputs = (known[case.id].record or {})["outputs"]
            former = {
                f"undisturbed.{name}": str(out / UNDISTURBED / case.id / outputs[name]["file"])
                for name in compared
                if name in outputs
            }
            cases.append(replace(case, inputs={**case.inputs, **former}))
        folder = out / f"{perturbation.name}-{number + 1}"
        part = progress.part(done / whole, (done + 1) / whole)
        found = run_batch(disturbed, Cohort(tuple(cases), cohort.carried), folder, progress=part, **options)
        runs.append(Run(perturbation, number, found.cases))
    table = movements(known, runs)
    left_out = tuple(case.id for case in first.cases if case.id not in known)
    written = {
        "csv": files.write(table, out / "stress.csv", "table"),
        "json": files.write(table, out / "stress.json", "table"),
        "report": write_page(out / "stress.html", recipe, table, left_out),
    }
    return Study(table, written, left_out, tuple(runs))

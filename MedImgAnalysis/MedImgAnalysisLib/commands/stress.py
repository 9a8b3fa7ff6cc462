"""`medimg stress`: how much the results of a recipe move when its inputs are disturbed."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from ..recipe import Recipe
from .arguments import UsageError, common, count, whole
from .cohorts import HELP, add_cohort, cohort_of
from .terminal import Terminal, table_text

KINDS = {
    "noise": ("SD[%%]", "Gaussian noise; with %% of what lies between the 1st and the 99th percentile"),
    "rotate": ("DEG", "turn all inputs by up to this about each patient axis"),
    "shift": ("MM", "shift all inputs by up to this along each patient axis"),
    "deform": ("MM", "bend all inputs smoothly, by up to about this"),
    "spacing": ("MM", "resample images to cubes of this size"),
    "blur": ("MM", "smooth images with a Gaussian of this sigma"),
    "gamma": ("PERCENT", "change the power of the values by up to this"),
}
SHOWN = ("result", "perturbation", "level", "bias", "rms_percent", "icc_2_1", "lost")


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "stress",
        parents=[common()],
        help="disturb the inputs of a recipe and see how much its results move",
        description="Run a recipe on a cohort as it is and with disturbed inputs, each as a batch, and say how far\n"
        "numbers and segments move: bias, root mean square, largest change, intraclass correlation.\n"
        "Levels are numbers with commas between them. A study that was stopped goes on where it stopped.\n\n" + HELP,
    )
    parser.add_argument("recipe", metavar="RECIPE.json")
    add_cohort(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the results")
    for kind, (unit, text) in KINDS.items():
        parser.add_argument(f"--{kind}", metavar=f"{unit.replace('%%', '%')},...", help=text)
    parser.add_argument(
        "--repeat", type=count, default=3, metavar="N", help="repetitions of what is random; default: 3"
    )
    parser.add_argument("--seed", type=whole, default=1, metavar="N", help="from which random numbers come; default: 1")
    parser.add_argument("--workers", type=whole, metavar="N", help="processes, 0 for none")
    parser.set_defaults(call=stress)


def stress(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the study; 1 when cases failed undisturbed."""
    from ..stress import Perturbation, run_stress

    recipe = Recipe.load(options.recipe)
    chosen = [
        one for kind in KINDS if getattr(options, kind) for one in Perturbation.read(kind, getattr(options, kind))
    ]
    if not chosen:
        raise UsageError(f"Say what to disturb: {', '.join(f'--{kind}' for kind in KINDS)}.")
    with terminal.working(recipe.name or "Stress") as progress:
        cohort = cohort_of(options, recipe, progress.part(0.0, 0.02))
        study = run_stress(
            recipe,
            cohort,
            options.out,
            chosen,
            repeat=options.repeat,
            seed=options.seed,
            workers=options.workers,
            progress=progress.part(0.02, 1.0),
        )
    rows = list(study.table.rows)
    terminal.give(
        {
            "recipe": recipe.name,
            "version": __version__,
            "out": str(options.out),
            "left_out": list(study.left_out),
            "rows": rows,
            "files": {name: str(path) for name, path in study.files.items()},
        }
    )
    columns = {c.key: {"title": c.title, "unit": c.unit} for c in study.table.columns if c.key in SHOWN}
    terminal.say(table_text(columns, [{key: row[key] for key in SHOWN} for row in rows]) + "\n")
    if study.left_out:
        terminal.note(f"Left out, since they failed undisturbed: {', '.join(study.left_out)}.")
    terminal.note(str(study.files["report"]))
    return 1 if study.left_out else 0

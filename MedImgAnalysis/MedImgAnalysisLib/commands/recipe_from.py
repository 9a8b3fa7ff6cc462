"""`medimg recipe-from`: a recipe from how results came about."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import FileError
from .arguments import common
from .terminal import Terminal


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "recipe-from",
        parents=[common()],
        help="make a recipe from how results came about",
        description="Make a recipe from the provenance.json beside results. It goes back through all files that were\n"
        "results of other cases to those that were not. Without --out the recipe is printed.",
    )
    parser.add_argument("paths", metavar="RESULT", nargs="+", help="a result file of a case, or the folder of a case")
    parser.add_argument("--out", metavar="RECIPE.json", help="write the recipe to this file")
    parser.set_defaults(call=recipe_from)


def recipe_from(options: argparse.Namespace, terminal: Terminal) -> int:
    """Make the recipe, and say what its inputs were."""
    from ..batch.case_history import history_of_files
    from ..batch.plain import write_text

    found = history_of_files(options.paths)
    for sentence in found.notes:
        terminal.warn(sentence)
    if options.out:
        if any(Path(options.out).absolute() == Path(path).absolute() for path in options.paths):
            raise FileError(f"{options.out} is a result; choose another file.", path=options.out)
        write_text(Path(options.out), found.recipe.as_json())
        terminal.note(f"{len(found.recipe.steps)} steps are in {options.out}.")
    else:
        terminal.say(found.recipe.as_json().rstrip())
    for name, path in found.inputs.items():
        terminal.note(f"The input {name} was {path or 'not recorded'}.")
    terminal.give(
        {
            "version": __version__,
            "recipe": found.recipe.as_data(),
            "inputs": found.inputs,
            "warnings": list(found.notes),
            "out": options.out,
        }
    )
    return 0

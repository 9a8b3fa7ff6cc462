"""`medimg run`: a recipe on the files of one case."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..batch.ids import check_id
from ..blockwise import set_thread_count
from ..errors import FileError
from ..files.paths import split_part
from ..recipe import Recipe
from .arguments import bound, common, count, single
from .terminal import Terminal, table_text


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "run",
        parents=[common()],
        help="run a recipe on one case",
        description="Run a recipe on files. The folder of results appears when it is complete.",
    )
    parser.add_argument("recipe", metavar="RECIPE.json")
    parser.add_argument(
        "--in",
        dest="inputs",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="an input of the recipe; repeat for more",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("--case", metavar="ID", help="put the results into FOLDER/ID")
    parser.add_argument("--scene", metavar="FILE.mrb", help="save inputs and results as a Slicer scene, too")
    parser.add_argument("--snapshots", action="store_true", help="take pictures of the slice views, too")
    parser.add_argument("--pages", action="store_true", help="write a page of tables and pictures per step, too")
    parser.add_argument("--dicom", action="store_true", help="write segments and tables as DICOM SEG and SR, too")
    parser.add_argument("--private", action="store_true", help="keep paths and names of files out of the results")
    parser.add_argument("--threads", type=count, metavar="N", help="threads to use")
    parser.set_defaults(call=run)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the recipe and report what it gave."""
    from ..batch.case import Extras, run_case

    recipe = Recipe.load(options.recipe)
    names = list(recipe.inputs)
    inputs = single(bound(options.inputs, names, "--in", names[0] if len(names) == 1 else None), "--in")
    folder = Path(os.path.abspath(options.out))
    if options.case is not None:
        folder = folder / check_id(options.case, "--case")
    if options.threads:
        set_thread_count(options.threads)
    scene = None if options.scene is None else scene_place(options.scene, folder, inputs)
    extras = Extras(scene, options.snapshots, options.pages, options.dicom, options.private)
    with terminal.working(recipe.name or "Recipe") as progress:
        record = run_case(recipe, inputs, folder, case=options.case or "", extras=extras, progress=progress)
    terminal.give(
        {
            "case": record["case"],
            "recipe": recipe.name,
            "version": __version__,
            "folder": str(folder),
            "seconds": record["seconds"],
            "warnings": record["warnings"],
            "outputs": {name: str(folder / entry["file"]) for name, entry in record["outputs"].items()},
            "measurements": {name: table["rows"] for name, table in record["measurements"].items()},
            "columns": {name: table["columns"] for name, table in record["measurements"].items()},
            "scene": options.scene,
            "snapshots": [str(folder / name) for name in record["snapshots"]],
            "pages": [str(folder / name) for name in record["pages"]],
            "dicom": {name: str(folder / file) for name, file in record["dicom"].items()},
            "provenance": str(folder / "provenance.json"),
        }
    )
    for name, table in record["measurements"].items():
        terminal.say(f"{name}\n{table_text(table['columns'], table['rows'])}\n")
    terminal.note(f"{len(record['outputs'])} results in {folder} ({record['seconds']:.1f} s)")
    return 0


def scene_place(scene: str, folder: Path, inputs: Mapping[str, str]) -> str:
    """The scene file: relative when it becomes part of the results, else absolute, checked before the work."""
    path = Path(os.path.abspath(scene))
    if folder in path.parents:
        return path.relative_to(folder).as_posix()
    if not path.parent.is_dir():
        raise FileError(f"{scene}: the folder {path.parent} does not exist.", path=path)
    if any(path.exists() and os.path.samefile(path, split_part(source)[0]) for source in inputs.values()):
        raise FileError(f"{scene} is an input; the scene must have another name.", path=path)
    return str(path)

"""`medimg verify`: compute a finished case again and compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import FileError
from .arguments import common
from .terminal import Terminal, aligned


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "verify",
        parents=[common()],
        help="recompute a case and compare it with what is recorded",
        description="Recompute a finished case, or every case of a batch, from its provenance.json and compare\n"
        "voxels and numbers. Exit status: 0 equal, 1 different, 2 it cannot be verified.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="folder of a case, or of a batch")
    parser.set_defaults(call=verify)


def verify(options: argparse.Namespace, terminal: Terminal) -> int:
    """Verify and print the differences."""
    from ..batch import verify as verifying
    from ..batch.folder import RECORD

    folder = Path(options.folder)
    cases = [folder] if (folder / RECORD).exists() else sorted(file.parent for file in folder.glob(f"*/{RECORD}"))
    cases = [case for case in cases if case == folder or not case.name.startswith(".")]
    if not cases:
        raise FileError(f"{folder} holds no finished case: there is no {RECORD}.", path=folder)
    with terminal.working("Verify") as progress:
        found = [
            verifying.verify(case, progress.part(number / len(cases), (number + 1) / len(cases)))
            for number, case in enumerate(cases)
        ]
    equal = all(result.equal for result in found)
    terminal.give({"version": __version__, "equal": equal, "cases": [result.as_data() for result in found]})
    for result in found:
        for note in result.notes:
            terminal.note(f"{result.case}: {note}")
        if result.equal:
            terminal.say(f"{result.case}: equal ({', '.join(result.compared)})")
            continue
        count = len(result.differences)
        terminal.say(f"{result.case}: {count} difference{'' if count == 1 else 's'}")
        terminal.say(
            aligned(
                [
                    ["  where", "recorded", "recomputed", "allowed"],
                    *([f"  {d.where}", d.recorded, d.recomputed, d.allowed] for d in result.differences),
                ]
            )
        )
    return 0 if equal else 1

"""`medimg deidentify`: DICOM files without their patients."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..batch.folder import staged
from .arguments import common
from .terminal import Terminal


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "deidentify",
        parents=[common()],
        help="write DICOM files without their patients",
        description="Write the DICOM images of a folder without their patients: the basic profile of DICOM PS3.15\n"
        "annex E, at every level of nesting, with UIDs replaced consistently and the dates of a patient moved by one\n"
        "number of days. Pixels are not looked at: burned-in text and faces are warned of, never promised to be gone.\n"
        "OUT gets <patient>/<study>/<series>/<instance>.dcm and deidentification.json, which holds no old value.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="DICOM files, in subfolders too")
    parser.add_argument("out", metavar="OUT", help="a new folder")
    parser.add_argument(
        "--salt-file",
        metavar="FILE",
        help="a secret of 16 bytes or more; with the same one another run gives the same ids, UIDs and dates",
    )
    parser.add_argument(
        "--keep",
        metavar="WORD",
        action="append",
        default=[],
        help="patient (sex, age, size, weight), annotated (images with text in them), or the keyword of an attribute "
        "such as SeriesDescription; repeat for more",
    )
    parser.add_argument("--dates", choices=("shift", "remove"), default="shift", help="default: shift")
    parser.add_argument("--crosswalk", metavar="FILE.csv", help="write which patient became which id to a private file")
    parser.set_defaults(call=deidentify)


def deidentify(options: argparse.Namespace, terminal: Terminal) -> int:
    """De-identify the folder; the new one appears when it is complete."""
    from ..deidentify import Choices, Secret, deidentify_folder
    from ..deidentify.folder import check_places

    choices = Choices.parse(options.keep, options.dates)
    secret = Secret.new() if options.salt_file is None else Secret.load(options.salt_file)
    if options.salt_file is not None and os.name == "posix" and os.stat(options.salt_file).st_mode & 0o077:
        terminal.warn(f"{options.salt_file} can be read by others: chmod 600 keeps the secret a secret.")
    source, out = Path(options.folder), Path(os.path.abspath(options.out))
    check_places(source, out, options.crosswalk)
    with terminal.working("De-identification") as progress, staged(out) as place:
        report = deidentify_folder(source, place, secret, choices, crosswalk=options.crosswalk, progress=progress)
    data = report.as_data()
    terminal.give({"out": str(out), **data})
    changes: dict[str, int] = {}
    for (_, what), count in report.changes.items():
        changes[what] = changes.get(what, 0) + count
    for what, count in sorted(changes.items()):
        terminal.say(f"{count:8d}  {what}")
    for reason, count in report.left_out.items():
        terminal.note(f"Left out: {count} {reason}.")
    terminal.note(
        f"{_count(report.written, 'file')} of {_count(len(report.patients), 'patient')}, "
        f"{_count(len(report.studies), 'study', 'studies')} in {out}. {data['not_done']}"
    )
    return 0


def _count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"

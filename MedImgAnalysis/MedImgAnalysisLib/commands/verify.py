"""`medimg verify`: compute finished cases or the nodes of a saved scene again and compare."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import FileError
from ..files.paths import split_part
from .arguments import UsageError, bound, common, count, single, whole
from .terminal import Terminal, aligned, number

if TYPE_CHECKING:
    from ..batch.verify_many import CaseVerdict

SCENES = (".mrb", ".mrml")
TABLE_ROWS = 20
"""Most differences of tables that are printed."""


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "verify",
        parents=[common()],
        help="recompute results and compare them with what is recorded",
        description="Recompute a finished case, every case of a batch, or the nodes of a saved scene from their\n"
        "records and compare voxels and numbers. Of a file of a case only that one is compared. Exit\n"
        "status: 0 equal, 1 something is different, 2 something cannot be verified.",
    )
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="folder of a case or of a batch, a file of a case, or a scene (.mrb, .mrml; scene.mrb#Node for one node)",
    )
    parser.add_argument("--workers", type=whole, default=0, metavar="N", help="processes for a batch; 0 is this one")
    parser.add_argument("--in", dest="inputs", action="append", default=[], metavar="NAME=FILE",
                        help="where an input of the case is now")  # fmt: skip
    parser.add_argument("--threads", type=count, metavar="N", help="threads of a case; default: as many as then")
    parser.set_defaults(call=verify)


def verify(options: argparse.Namespace, terminal: Terminal) -> int:
    """Verify and print the differences."""
    place = Path(options.place)
    main, node = split_part(place)
    if main.suffix.lower() in SCENES and not main.is_dir():
        return _scene(main, node, terminal)
    from ..batch.folder import RECORD
    from ..batch.verify import verify as verify_case
    from ..batch.verify_many import CaseVerdict, case_folders, verify_many
    from ..batch.verify_tables import altered

    if place.is_file():
        case = next((folder for folder in place.absolute().parents if (folder / RECORD).exists()), None)
        if case is None:
            raise FileError(f"{place} does not lie in the folder of a case: there is no {RECORD}.", path=place)
        folders, only = [case], place.absolute().relative_to(case).as_posix()
    else:
        folders, only = case_folders(place), None
    inputs = _inputs(options.inputs, folders)
    with terminal.working("Verify") as progress:
        if len(folders) == 1:
            result = verify_case(folders[0], progress, threads=options.threads, only=only, inputs=inputs)
            verdicts = [CaseVerdict(result.case, folders[0], result.as_data())]
        else:
            verdicts = verify_many(folders, workers=options.workers, threads=options.threads, progress=progress)
    states = Counter(verdict.state for verdict in verdicts)
    tables = altered(place, folders) if place.is_dir() and folders != [place] else []
    terminal.give(
        {
            "version": __version__,
            "equal": states["equal"] == len(verdicts) and not tables,
            "summary": {state: states[state] for state in ("equal", "different", "unknown")},
            "cases": [verdict.as_data() for verdict in verdicts],
            "tables": tables,
        }
    )
    for verdict in verdicts:
        _say(verdict, terminal)
    if len(verdicts) > 1:
        terminal.say(_summary(states, "case"))
    if tables:
        _say_tables(tables, terminal)
        return 1
    return _status(states)


def _say_tables(found: Sequence[Mapping[str, Any]], terminal: Terminal) -> None:
    """The first differences between the tables of a batch and the records of its cases."""
    files = " and ".join(dict.fromkeys(entry["file"] for entry in found))
    terminal.say(
        f"{files}: {len(found)} difference{'' if len(found) == 1 else 's'} from the records of the cases; "
        "the same medimg batch writes the tables anew"
    )
    rows = (
        [f"  {e['file']}", e["case"], e["what"], "-" if e["there"] is None else e["there"], e["recorded"]]
        for e in found[:TABLE_ROWS]
    )
    terminal.say(aligned([["  file", "case", "what", "there", "recorded"], *rows]))
    if len(found) > TABLE_ROWS:
        terminal.say(f"  ... and {len(found) - TABLE_ROWS} more (--json lists all)")


def _inputs(specs: Sequence[str], folders: Sequence[Path]) -> dict[str, str]:
    """The files given with `--in` by name."""
    if specs and len(folders) > 1:
        raise UsageError(f"--in says where the inputs of one case are; there are {len(folders)}.")
    from ..batch.folder import record_of

    names = (record_of(folders[0]) or {}).get("inputs", {}) if specs else {}
    return single(bound(specs, list(names), "--in", next(iter(names)) if len(names) == 1 else None), "--in")


def _status(states: Mapping[str, int]) -> int:
    return 1 if states.get("different") else 2 if states.get("unknown") else 0


def _summary(states: Mapping[str, int], word: str) -> str:
    total = sum(states.values())
    parts = [f"{states.get('equal', 0)} equal", f"{states.get('different', 0)} different"]
    parts += [f"{states['unknown']} could not be verified"] if states.get("unknown") else []
    return f"{total} {word}{'' if total == 1 else 's'}: {', '.join(parts)}"


def _say(verdict: CaseVerdict, terminal: Terminal) -> None:
    if verdict.error:
        terminal.say(f"{verdict.case}: cannot be verified: {verdict.error['message']}")
        return
    _say_result(verdict.case, verdict.result, terminal)


def _say_result(name: str, result: Mapping[str, Any], terminal: Terminal) -> None:
    """The verdict on a case or node, and a table of what differs."""
    for note in result["notes"]:
        terminal.note(f"{name}: {note}")
    found = result["differences"]
    if not found:
        terminal.say(f"{name}: equal ({', '.join(map(_equal, result['outputs']))})")
        return
    terminal.say(f"{name}: {len(found)} difference{'' if len(found) == 1 else 's'}")
    rows = (
        [f"  {d['where']}", d["recorded"], d["recomputed"], _number(d["largest"]), d["allowed"], d["place"]]
        for d in found
    )
    terminal.say(aligned([["  what", "recorded", "recomputed", "largest", "allowed", "where"], *rows]))


def _equal(line: Mapping[str, Any]) -> str:
    """An output that came out again; how far off it is where that is allowed."""
    return f"{line['output']} within {_number(line['largest'])}" if line["largest"] else str(line["output"])


def _number(value: Any) -> str:
    return number(float(f"{value:.4g}")) if isinstance(value, (int, float)) else ""


def _scene(path: Path, wanted: str | None, terminal: Terminal) -> int:
    """Verify the nodes of a scene file that have a record, or the one of a name."""
    if not path.is_file():
        raise FileError(f"{path} does not exist.", path=path)
    from ..scene import standalone
    from ..scene.verify import verify_scene

    with terminal.working("Verify") as progress:
        standalone.start()
        standalone.load(path)
        verdicts = verify_scene(wanted, progress)
    if not verdicts:
        raise FileError(
            f"{path} holds no {f'node {wanted!r}' if wanted else 'node'} with a record of a run.", path=path
        )
    states = Counter(verdict["state"] for verdict in verdicts)
    terminal.give(
        {
            "version": __version__,
            "equal": states["equal"] == len(verdicts),
            "summary": {state: states[state] for state in ("equal", "different", "unknown")},
            "nodes": verdicts,
        }
    )
    for verdict in verdicts:
        if "error" in verdict:
            terminal.say(f"{verdict['node']}: cannot be verified: {verdict['error']['message']}")
        else:
            _say_result(verdict["node"], verdict, terminal)
    terminal.say(_summary(states, "node"))
    return _status(states)

"""The command line: `medimg`, the same as `python -m MedImgAnalysisLib`.

Exit status: 0 all done; 1 some cases failed or differ, the others are complete; 2 the request is wrong,
nothing was done; 130 cancelled. Errors are one line; the traceback comes with `--debug`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from . import __version__

DONE, FAILED, WRONG, CANCELLED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(words)
    except KeyboardInterrupt:
        if "--json" in words:
            print('{"error": {"kind": "Cancelled", "message": "Cancelled; nothing was changed."}}')
        else:
            print("medimg: Cancelled; nothing was changed.", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE


def _run(words: list[str]) -> int:
    from .commands.terminal import Terminal
    from .errors import Cancelled

    terminal = Terminal(json="--json" in words, quiet="--quiet" in words, debug="--debug" in words)
    try:
        options = parser().parse_args(_joined(words))
        terminal = Terminal(options.json, options.quiet, options.debug)
        status = int(options.call(options, terminal))
        sys.stdout.flush()
        return status
    except Cancelled as error:
        terminal.fail(error)
        return CANCELLED
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong is one line and an exit status
        terminal.fail(error)
        return WRONG


def _joined(words: list[str]) -> list[str]:
    from .commands.arguments import joined

    return joined(words)


def parser() -> Any:
    """The parser with all commands."""
    from .commands import apply, batch, deidentify, demo, listing, recipe_from, run, stress, verify
    from .commands.arguments import Parser

    top = Parser(
        prog="medimg",
        description="Filtering, registration, segmentation and quality metrics for medical images.",
        epilog="medimg COMMAND --help tells about a command; medimg operations lists what there is.",
    )
    top.add_argument("--version", action="version", version=f"MedImgAnalysis {__version__}")
    parsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for group in (listing, apply, run, batch, verify, recipe_from, stress, deidentify, demo):
        group.add(parsers)
    return top


if __name__ == "__main__":
    sys.exit(main())

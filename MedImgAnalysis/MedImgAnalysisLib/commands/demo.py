"""`medimg demo`: the whole path on a phantom with known truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .arguments import Parser
from .terminal import Terminal


def add(parsers: Any) -> None:
    """Add the command."""
    parser: Parser = parsers.add_parser(
        "demo",
        help="a phantom with known truth, the whole path, report and pictures",
        description="Make a head phantom with known lesions and motion, run all steps on it, and print\n"
        "how close the results are to the truth.",
    )
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder of the results (default: demo)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no notes")
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error")
    parser.set_defaults(call=demo, json=False)


def demo(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the demo."""
    from ..demo import run_demo

    with terminal.working("Demo") as progress:
        return run_demo(Path(options.out), progress=progress, quiet=terminal.quiet)

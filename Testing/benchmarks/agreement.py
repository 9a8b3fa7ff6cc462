"""Speed and memory of comparing segmentations, against the peers that are installed, in one run.

    python Testing/benchmarks/agreement.py                       # organ and lesions, all tools; then 100 labels
    python Testing/benchmarks/agreement.py --case organ --tool DeepMind --tool "medimg surfel"

Every figure is from a process of its own. Memory is beyond the loaded images. The ratio compares a peer with
this library at the same definition of surface (both conventions at once for peers of another definition).
On a busy machine the ratio of CPU seconds is the fair one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from agreement_cases import CASES
from agreement_tools import TOOLS
from measuring import measured

OWN = {"surfel": "medimg surfel", "voxel": "medimg voxel"}
ENOUGH_SECONDS = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--tool", action="append", choices=TOOLS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(*options.one, options.repeats)
    for case in options.case or CASES:
        with tempfile.TemporaryDirectory() as folder:
            for name, array in zip(("reference", "test"), CASES[case]()):
                np.save(Path(folder) / f"{name}.npy", array)
            chosen = options.tool or [t for t in TOOLS if case != "labels" or t.startswith("medimg")]
            show(case, {tool: child(tool, folder, options.repeats) for tool in chosen})
    return 0


def one(tool: str, folder: str, repeats: int) -> int:
    """What the child process does: load, prepare, measure, print JSON."""
    reference, test = (np.load(Path(folder) / f"{name}.npy") for name in ("reference", "test"))
    try:
        call = TOOLS[tool][1](reference, test)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
        return 0
    del reference, test
    print(json.dumps(measured(call, repeats, ENOUGH_SECONDS).as_data()))
    return 0


def child(tool: str, folder: str, repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", tool, folder, "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"missing": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it crashed"}
    return json.loads(done.stdout.splitlines()[-1])


def show(case: str, results: dict[str, dict[str, Any]]) -> None:
    print(
        f"\n{case}\n| tool | surfaces | s | CPU s | + MB | Dice | HD95 | ASSD | NSD 2 mm "
        "| slower | more CPU | more memory |"
    )
    print("|" + " --- |" * 12)
    for tool, found in results.items():
        convention = TOOLS[tool][0]
        if "missing" in found:
            print(f"| {tool} | {convention} | not run: {found['missing'][:80]} ||||||||||")
            continue
        own = results.get(OWN.get(convention, "medimg both"), {})
        peer = not tool.startswith("medimg") and "seconds" in own
        ratio = f"{found['seconds'] / own['seconds']:.1f} x" if peer else ""
        cpu = f"{found['cpu_seconds'] / own['cpu_seconds']:.1f} x" if peer else ""
        memory = f"{found['extra_mb'] / max(own['extra_mb'], 1):.1f} x" if peer else ""
        answer = [found["answer"].get(key) for key in ("dice", "hd95", "assd", "nsd")]
        numbers = " | ".join("" if value is None else f"{value:.4f}" for value in answer)
        print(
            f"| {tool} | {convention} | {found['seconds']:.2f} | {found['cpu_seconds']:.2f} "
            f"| {found['extra_mb']:.0f} | "
            f"{numbers} | {ratio} | {cpu} | {memory} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())

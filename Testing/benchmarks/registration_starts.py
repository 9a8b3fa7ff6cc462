"""How often a registration from a random start comes to the accepted alignment, and how long it takes.

    python Testing/benchmarks/registration_starts.py                  # 50 starts of each pair in the test data
    python Testing/benchmarks/registration_starts.py --pairs mr --starts 10
    python Testing/benchmarks/registration_starts.py --peers --peer-starts 5   # elastix, ANTs and greedy as well

Every start turns the moving image by up to 30 degrees about each axis and shifts it by up to 40 mm along each. A
success has a mean error below 2 mm over points of the fixed image.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.registration import Register
from registration_pairs import PAIRS, Pair, middle, posed, random_pose
from registration_peers import Aligner, peers

SUCCESS_MM = 2.0
Align = Callable[[Pair, sitk.Image], Callable[[Any], Any]]
"""(pair, moving image) -> function that maps a fixed point to a moving one."""


def ours(**settings: Any) -> Align:
    def align(pair: Pair, moving: sitk.Image) -> Callable[[Any], Any]:
        return Register(**{**pair.settings, **settings}).run(pair.fixed, moving).transform.TransformPoint

    return align


def theirs(aligner: Aligner) -> Align:
    return lambda pair, moving: aligner(pair.fixed, moving, pair.settings["model"])


def trials(pair: Pair, align: Align, starts: int, seed: int) -> tuple[list[float], list[float]]:
    """Errors in mm (infinite when the tool gave up) and seconds of every start."""
    rng = np.random.default_rng(seed)
    errors, seconds = [], []
    for number in range(starts):
        pose = random_pose(rng, middle(pair.moving))
        moving = posed(pair.moving, pose)
        began = time.perf_counter()
        try:
            found = align(pair, moving)
            error = pair.error_mm(found, pose)
        except (RuntimeError, ValueError) as failure:
            print(f"  start {number}: {failure}", file=sys.stderr)
            error = float("inf")
        errors.append(error)
        seconds.append(time.perf_counter() - began)
        print(f"  start {number}: {error:.3f} mm, {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    return errors, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--moments", action="store_true", help="run the start from the centres of mass as well")
    parser.add_argument("--peers", action="store_true", help="run elastix, ANTs and greedy where they are installed")
    parser.add_argument("--peer-starts", type=int, default=50, help="the first so many of the starts for the peers")
    arguments = parser.parse_args()
    data = find_data()
    if data is None:
        sys.exit("The test data folder is not here; set MEDIMG_TEST_DATA.")
    set_thread_count(arguments.threads)
    tools: dict[str, Align] = {"ours": ours()}
    if arguments.moments:
        tools["ours, moments"] = ours(start="moments")
    if arguments.peers:
        tools |= {name: theirs(aligner) for name, aligner in peers(arguments.threads).items()}
    print("| pair | tool | success | median error mm | largest of them mm | median s |")
    print("| --- | --- | --: | --: | --: | --: |")
    for name in arguments.pairs:
        pair = PAIRS[name](data)
        print(f"{pair.name}: the accepted alignment is {pair.floor_mm:.2f} mm from the known one", file=sys.stderr)
        for tool, align in tools.items():
            starts = arguments.starts if tool.startswith("ours") else min(arguments.starts, arguments.peer_starts)
            errors, seconds = trials(pair, align, starts, arguments.seed)
            good = [error for error in errors if error < SUCCESS_MM] or [float("nan")]
            print(
                f"| {pair.name} | {tool} | {sum(e < SUCCESS_MM for e in errors)} of {len(errors)} | "
                f"{statistics.median(good):.3f} | {max(good):.3f} | {statistics.median(seconds):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

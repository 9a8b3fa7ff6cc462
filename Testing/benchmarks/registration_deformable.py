"""Deformable registration against the peers that are installed, in one run.

    python Testing/benchmarks/registration_deformable.py                          # all pairs, all tools
    python Testing/benchmarks/registration_deformable.py --pair lung --tool "medimg demons" --tool "greedy NCC 2x2x2"

Target registration error in mm at known points, the part of the fixed voxels where the Jacobian is not positive, time,
and memory beyond the loaded images, each in a process of its own with two threads. All tools begin at the same affine
transform, which is not in the time. On a busy machine the CPU seconds are the fair comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deformable_pairs import PAIRS, Pair
from deformable_tools import OWN, THREADS, TOOLS
from measuring import PeakMemory
from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration.jacobian import jacobian_determinant


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", action="append", choices=PAIRS)
    parser.add_argument("--tool", action="append", choices=TOOLS)
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_thread_count(THREADS)
    if options.one:
        print(json.dumps(one(*options.one)))
        return 0
    data = find_data()
    if data is None:
        parser.error("the test data folder is not here; set MEDIMG_TEST_DATA")
    for name in options.pair or PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            pair = PAIRS[name](data)
            save(pair, Path(folder))
            show(name, pair, {tool: child(tool, folder) for tool in options.tool or TOOLS})
    return 0


def save(pair: Pair, folder: Path) -> None:
    for name, image in (("fixed", pair.fixed), ("moving", pair.moving)):
        sitk.WriteImage(image_like(sitk.GetArrayViewFromImage(image), image), str(folder / f"{name}.mha"))
    sitk.WriteTransform(pair.linear, str(folder / "linear.tfm"))
    np.save(folder / "points.npy", [pair.fixed_points, pair.moving_points])


def one(tool: str, folder: str) -> dict[str, Any]:
    """What the child process does: load, register, measure."""
    place = Path(folder)
    fixed, moving = (sitk.ReadImage(str(place / f"{name}.mha")) for name in ("fixed", "moving"))
    pair = Pair(fixed, moving, sitk.ReadTransform(str(place / "linear.tfm")), *np.load(place / "points.npy"))
    if tool.startswith("medimg"):
        # What is loaded at the first call is not memory of the method.
        corner = tuple(slice(0, min(n, 32)) for n in fixed.GetSize())
        TOOLS[tool](pair._replace(fixed=fixed[corner], moving=moving[corner], linear=sitk.AffineTransform(3)))
    with PeakMemory() as peak:
        start, used = time.perf_counter(), _cpu()
        try:
            transform = TOOLS[tool](pair)
        except ImportError as error:
            return {"missing": str(error)}
        wall, cpu = time.perf_counter() - start, _cpu() - used
    # Of a tool in a process of its own all memory counts, ru_maxrss in KiB.
    extra = max(peak.extra_mb, 1.024e-3 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    found = jacobian_determinant(transform, Grid.of(fixed), SILENT)
    inside = found.values if found.valid is None else found.values[found.valid]
    images = 4e-6 * (fixed.GetNumberOfPixels() + moving.GetNumberOfPixels())
    return {
        **errors(transform, pair),
        "folded": 100 * float(np.mean(inside <= 0)),
        "seconds": wall,
        "cpu": cpu,
        "extra_mb": extra,
        "times_images": extra / images,
    }


def _cpu() -> float:
    """Seconds of this process and of its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def errors(transform: sitk.Transform, pair: Pair) -> dict[str, float]:
    mapped = [transform.TransformPoint(p) for p in pair.fixed_points.tolist()]
    distances = np.linalg.norm(np.subtract(mapped, pair.moving_points), axis=1)
    return {"mean": distances.mean(), "median": np.median(distances), "p95": np.percentile(distances, 95)}


def child(tool: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", tool, folder]
    threads = {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        return {"missing": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it crashed"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def show(name: str, pair: Pair, results: dict[str, dict[str, Any]]) -> None:
    before = errors(pair.linear, pair)
    print(
        f"\n{name}: {Grid.of(pair.fixed).describe()}, {len(pair.fixed_points)} points, affine {before['mean']:.2f} mm"
    )
    print("| tool | mean mm | median | P95 | folded % | s | CPU s | + MB | times the images | CPU of ours |")
    print("|" + " --- |" * 10)
    own = results.get(OWN, {}).get("cpu", float("nan"))
    for tool, found in results.items():
        if "missing" in found:
            print(f"| {tool} | not run: {found['missing'][:80]} |||||||||")
            continue
        print(
            f"| {tool} | {found['mean']:.3f} | {found['median']:.3f} | {found['p95']:.3f} | {found['folded']:.4f} "
            f"| {found['seconds']:.1f} | {found['cpu']:.1f} | {found['extra_mb']:.0f} | {found['times_images']:.1f} "
            f"| {found['cpu'] / own:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())

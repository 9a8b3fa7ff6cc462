"""Linear registration against the peers that are installed, in one run.

    python Testing/benchmarks/registration_linear.py                        # all pairs, all tools
    python Testing/benchmarks/registration_linear.py --pair "T2 to T1" --tool ours

Mean and largest error in mm at points whose place in both images is known, the correlation of the images after
alignment where nothing is known, time, and memory beyond the loaded images, each in a process of its own with two
threads and all of it from the images as they are in their files. On a busy machine the CPU seconds are the fair
comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import PeakMemory
from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.registration import Register
from registration_pairs import posed
from registration_peers import Aligner, Point, peers
from registration_presets import PAIRS as PUBLISHED

THREADS = 2
OWN = "ours"


class Known(NamedTuple):
    """Images, the model, and points (N, 3) in either; the moving ones are NaN where they are not known."""

    fixed: sitk.Image
    moving: sitk.Image
    model: str
    points: np.ndarray
    there: np.ndarray


def ours(**settings: Any) -> Aligner:
    def align(fixed: sitk.Image, moving: sitk.Image, model: str) -> Point:
        return Register(model=model, **settings).run(fixed, moving).transform.TransformPoint

    return align


def tools() -> dict[str, Aligner]:
    own = {
        OWN: ours(),
        "ours, local correlation": ours(metric="neighbourhood_correlation"),
        "ours, fast (2 mm)": ours(finest_mm=2.0, samples=40_000, reproducible=False),
    }
    return {**own, **peers(THREADS)}


def turned(name: str) -> Callable[[Path], Known]:
    """An image aligned with T1 by its source, turned and shifted by a known motion (its geometry alone changes)."""

    def pair(data: Path) -> Known:
        folder = data / "mr_brain_mni_p19"
        fixed, moving, brain = (sitk.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("T1", name, "brainmask"))
        motion = sitk.Euler3DTransform()
        motion.SetRotation(*np.deg2rad((8.0, -6.0, 10.0)).tolist())
        motion.SetTranslation((7.0, -9.0, 5.0))
        points = _points(brain)
        there = np.array([motion.TransformPoint(p) for p in points.tolist()])
        return Known(fixed, posed(moving, motion), "rigid", points, there)

    return pair


def exact(data: Path) -> Known:
    """T1 and the same with other contrast and noise, turned and shifted: the one pair whose truth is exact."""
    known = turned("T1")(data)
    values = sitk.GetArrayFromImage(known.moving).astype(np.float32)
    top, brain = float(np.percentile(values, 99.5)), values > 0
    other = np.where(brain, 200 * np.clip(1 - values / top, 0, 1) ** 0.7 + 40, 0)
    one, two = np.random.default_rng(5).normal(0, 8, (2, *values.shape))
    return known._replace(moving=image_like(np.hypot(other + one, two).astype(np.float32), known.moving))


def visit(name: str) -> Callable[[Path], Known]:
    """T1 or T2 and FLAIR of one visit with thick oblique slices; the alignment published with them."""

    def pair(data: Path) -> Known:
        fixed, moving, points, there = PUBLISHED["MR to MR, other contrast"](data)
        if name != "T1W":
            folder = data / "mr_brain_ms_p01"
            moving = sitk.ReadImage(str(folder / f"study1_{name}.nii.gz"))
            truth = sitk.ReadTransform(str(folder / f"study1_{name}_intrastudy_to_FLAIR.txt"))
            there = np.array([truth.TransformPoint(p) for p in points.tolist()])
        return Known(fixed, moving, "rigid", points, there)

    return pair


def visits(data: Path) -> Known:
    """FLAIR of two visits; the alignments published with them."""
    fixed, moving, points, there = PUBLISHED["MR to MR, same contrast"](data)
    return Known(fixed, moving, "rigid", points, there)


def atlas(data: Path) -> Known:
    """A whole head to a template of the brain alone. Nothing is known but how alike they become."""
    names = ("icbm152_sym09a_t1", "colin27_t1")
    fixed, moving = (sitk.ReadImage(str(data / "atlas" / f"{name}.nii.gz")) for name in names)
    points = _points(fixed > 0, 997)
    return Known(fixed, moving, "affine", points, np.full(points.shape, np.nan))


def _points(mask: sitk.Image, step: int = 2003) -> np.ndarray:
    return Grid.of(mask).to_physical(np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[::step, ::-1])


PAIRS: dict[str, Callable[[Path], Known]] = {
    "T1 to T1 of other contrast": exact,
    "T2 to T1": turned("T2"),
    "FLAIR to T1": turned("FLAIR"),
    "T1 to FLAIR, slices of 3 and 4 mm": visit("T1W"),
    "T2 to FLAIR, slices of 4 mm": visit("T2W"),
    "FLAIR of two visits": visits,
    "T1 to atlas, affine": atlas,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", action="append", choices=PAIRS)
    parser.add_argument("--tool", action="append")
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_thread_count(THREADS)
    if options.one:
        print(json.dumps(one(*options.one)))
        return 0
    data = find_data()
    if data is None:
        parser.error("the test data folder is not here; set MEDIMG_TEST_DATA")
    print("| pair | tool | mean mm | largest mm | correlation | s | CPU s | + MB |")
    print("| --- | --- |" + " --: |" * 6)
    for name in options.pair or PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            save(PAIRS[name](data), Path(folder))
            for tool in options.tool or tools():
                print(f"| {name} | {tool} | {told(child(tool, folder))} |", flush=True)
    return 0


def save(pair: Known, folder: Path) -> None:
    for name, image in (("fixed", pair.fixed), ("moving", pair.moving)):
        sitk.WriteImage(image_like(sitk.GetArrayViewFromImage(image), image), str(folder / f"{name}.mha"))
    (folder / "model").write_text(pair.model, encoding="ascii")
    np.save(folder / "points.npy", [pair.points, pair.there])


def one(tool: str, folder: str) -> dict[str, Any]:
    """What the child process does: load, register, measure."""
    place = Path(folder)
    fixed, moving = (sitk.ReadImage(str(place / f"{name}.mha")) for name in ("fixed", "moving"))
    points, there = np.load(place / "points.npy")
    with PeakMemory() as peak:
        start, used = time.perf_counter(), time.process_time()
        align = tools()[tool](fixed, moving, (place / "model").read_text(encoding="ascii"))
        wall, cpu = time.perf_counter() - start, time.process_time() - used
    found = np.array([align(p) for p in points.tolist()])
    errors = np.linalg.norm(found - there, axis=1)
    return {
        "mean": errors.mean(),
        "largest": errors.max(),
        "correlation": alike(fixed, moving, points, found),
        "seconds": wall,
        "cpu": cpu,
        "extra_mb": peak.extra_mb,
    }


def alike(fixed: sitk.Image, moving: sitk.Image, points: np.ndarray, there: np.ndarray) -> float:
    """Correlation of the values at fixed points and at those that they are taken to."""
    from scipy.ndimage import map_coordinates

    values = []
    for image, at in ((fixed, points), (moving, there)):
        index = Grid.of(image).to_index(at)
        values.append(map_coordinates(sitk.GetArrayFromImage(image).astype(np.float32), index[:, ::-1].T, order=1))
    return float(np.corrcoef(values)[0, 1])


def child(tool: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", tool, folder]
    threads = {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        return {"missing": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it crashed"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def told(found: dict[str, Any]) -> str:
    if "missing" in found:
        return f"not run: {found['missing'][:80]} |||||"
    figures = f"{found['mean']:.3f} | {found['largest']:.3f}" if np.isfinite(found["mean"]) else "| "
    return (
        f"{figures} | {found['correlation']:.3f} | {found['seconds']:.1f} | {found['cpu']:.1f} | "
        f"{found['extra_mb']:.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())

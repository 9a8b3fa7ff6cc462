"""Seconds and peak memory of the way from a CT to lungs, and of measuring many segments.

    python Testing/benchmarks/segmentation.py                        # 512 x 512 x 300, int16, two threads
    python Testing/benchmarks/segmentation.py --slices 100 --labels 50

The chest is made from ellipsoids with noise. Each step runs in a process of its own; memory is the largest beyond
what the process held before, the result included, in multiples of the image in the type that filters work in
(float32). The goals are 20 s for threshold, growing and clean-up together, 10 s for measuring, six times the image.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import SimpleITK as sitk

STEPS = ("threshold", "grow_connected", "clean_segments", "measure_segments")
LUNGS_GOAL = 20.0
SPACING_MM = (0.75, 0.75, 1.0)
ORGANS = (
    ((0, 0, 0), (170, 120, 1000), 40),
    ((-75, 0, 0), (60, 85, 125), -860),
    ((75, 0, 0), (60, 85, 125), -860),
    ((0, -20, 60), (9, 9, 200), -990),
    ((0, 80, 0), (20, 20, 1000), 400),
    ((20, -10, -40), (45, 45, 55), 50),
)
"""Centre and radii in millimetres, x, y, z, and HU, each painted over those before."""


def chest(slices: int, seed: int = 1) -> sitk.Image:
    """A chest, int16 HU, 512 x 512 voxels in each slice, with vessels in the lungs and noise of 25 HU."""
    rng = np.random.default_rng(seed)
    array = np.empty((slices, 512, 512), np.int16)
    j, i = np.indices((512, 512), np.float32)
    x, y = (i - 255.5) * SPACING_MM[0], (j - 255.5) * SPACING_MM[1]
    for k in range(slices):
        z = (k - (slices - 1) / 2) * SPACING_MM[2] * 300 / slices
        plane = np.full(x.shape, -1000.0, np.float32)
        for (cx, cy, cz), (rx, ry, rz), value in ORGANS:
            inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 < 1
            plane[inside] = value
            if value == -860:
                plane[inside & (np.hypot(x % 24 - 12, y % 24 - 12) < 1.5)] = 20
        plane += rng.normal(0, 25, plane.shape).astype(np.float32)
        array[k] = np.rint(plane)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM)
    return image


def cells(image: sitk.Image, count: int) -> sitk.Image:
    """A label image of `count` balls of many sizes on the grid of the image."""
    rng = np.random.default_rng(2)
    size = np.array(image.GetSize()[::-1])
    array = np.zeros(size, np.uint8 if count < 256 else np.uint16)
    for number in range(1, count + 1):
        radius = int(rng.integers(8, 30))
        centre = [int(rng.integers(0, n)) for n in size]
        box = tuple(slice(max(0, c - radius), min(n, c + radius + 1)) for c, n in zip(centre, size))
        grid = np.ogrid[box]
        array[box][sum((g - c) ** 2 for g, c in zip(grid, centre)) <= radius**2] = number
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def task(name: str, slices: int, count: int) -> Callable[[], dict[str, float]]:
    """The step with its inputs ready."""
    from MedImgAnalysisLib.progress import Progress
    from MedImgAnalysisLib.segmentation import CleanSegments, GrowConnected, MeasureSegments, Threshold
    from MedImgAnalysisLib.values import Labels, Landmarks

    quiet = Progress(on_warning=lambda sentence: None)
    image = chest(slices)
    if name == "threshold":
        return lambda: {"ml": Threshold(None, -400.0).run(image, progress=quiet).table.rows[0]["volume_ml"]}
    centre = (np.array(image.GetSize()) - 1) / 2 * SPACING_MM
    points = Landmarks(("left", "right"), np.add(centre, [[-75, 0, 0], [75, 0, 0]]))
    grow = GrowConnected(lower=-1024.0, upper=-400.0)
    if name == "grow_connected":
        return lambda: {"ml": grow.run(image, seed_points=points, progress=quiet).table.rows[0]["volume_ml"]}
    if name == "clean_segments":
        lungs = grow.run(image, seed_points=points, progress=quiet).labels
        clean = CleanSegments(closing_mm=3.0, keep_largest=2)
        return lambda: {"ml": clean.run(lungs, progress=quiet).table.rows[0]["volume_ml"]}
    labels = Labels.from_labelmap(cells(image, count))
    return lambda: {"segments": len(MeasureSegments().run(labels, image, progress=quiet).rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", default=list(STEPS))
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", action="store_true", help="measure here and print JSON")
    options = parser.parse_args()
    if options.one:
        from measuring import measured
        from MedImgAnalysisLib import blockwise

        blockwise.set_thread_count(options.threads)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
        call = task(options.steps[0], options.slices, options.labels)
        print(json.dumps(measured(call, repeats=1, enough_seconds=0).as_data()))
        return
    unit = 512 * 512 * options.slices * 4 / 1e6
    print("| step | seconds | CPU seconds | MB | times the image | found |")
    print("| --- | --: | --: | --: | --: | --- |")
    lungs = 0.0
    for name in options.steps:
        command = [sys.executable, __file__, name, "--one", "--slices", str(options.slices)]
        command += ["--labels", str(options.labels), "--threads", str(options.threads)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        lungs += 0.0 if name == "measure_segments" else found["seconds"]
        answer = ", ".join(f"{value:.6g} {key}" for key, value in found["answer"].items())
        print(
            f"| {name} | {found['seconds']:.1f} | {found['cpu_seconds']:.1f} | {found['extra_mb']:.0f} | "
            f"{found['extra_mb'] / unit:.2f} | {answer} |",
            flush=True,
        )
    print(f"\nthreshold, growing and clean-up together: {lungs:.1f} s (goal {LUNGS_GOAL:g} s)")


if __name__ == "__main__":
    main()

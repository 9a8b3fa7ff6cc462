"""Milliseconds from a changed parameter to the slice of its preview, for every operation that has one.

    python Testing/benchmarks/preview.py              # filters, 256 x 256 x 256, int16, two threads
    python Testing/benchmarks/preview.py median --size 128
    python Testing/benchmarks/preview.py --package segmentation

The first preview takes the numbers of the whole image, once for an image; the others are medians over planes. The time
of the processor, of all threads together and the slowest plane, says what other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import SimpleITK as sitk

GOAL_MS = 300
OFTEN = 5


def circle(size: int) -> Any:
    """A closed curve of 12 points on the middle slice."""
    from MedImgAnalysisLib.values import Landmarks

    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * size / 5 + size // 2
    return Landmarks(tuple(str(n) for n in range(12)), points, closed=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--package", default="filtering")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    import contract_inputs
    from MedImgAnalysisLib import blockwise
    from MedImgAnalysisLib.catalog import PACKAGES
    from MedImgAnalysisLib.geometry import Grid
    from MedImgAnalysisLib.preview import Previews, obstacle
    from MedImgAnalysisLib.progress import Progress

    blockwise.set_thread_count(options.threads)
    quiet = Progress(on_warning=lambda sentence: None)
    shape = (options.size,) * 3
    image = sitk.GetImageFromArray((10 * contract_inputs.structure(shape)).astype(np.int16))
    mask = sitk.GetImageFromArray(np.ones(shape, np.uint8))
    print("| operation | first, ms | axial | coronal | sagittal | processor | slices read | within 300 ms |")
    print("| --- | --: | --: | --: | --: | --: | --: | --- |")
    refused = []
    for kind in PACKAGES[options.package]:
        if options.names and kind.name not in options.names:
            continue
        images = [role for role in kind.inputs() if role.kind == "image"]
        if not images or images[0].many or not any(role.kind in ("image", "mask", "labels") for role in kind.outputs()):
            continue
        reason = obstacle(kind(), Grid.of(image))
        if reason:
            refused.append(reason)
            continue
        inputs: dict = {role.name: image for role in images if role.required}
        for role in kind.inputs():
            if role.required and role.kind == "mask":
                inputs[role.name] = mask
            elif role.required and role.kind == "landmarks":
                inputs[role.name] = circle(options.size)
            elif role.required and role.kind == "table":
                inputs[role.name] = contract_inputs.TABLES[kind.name]()
        previews = Previews(inputs)
        middle = options.size // 2
        first = previews.slices(kind(), 2, middle, middle + 1, quiet)
        times, busy, read = [], [], []
        for axis in (2, 1, 0):
            started = time.process_time()
            found = [previews.slices(kind(), axis, middle + n, middle + n + 1, quiet) for n in range(OFTEN)]
            busy.append(1000 * (time.process_time() - started) / OFTEN)
            times.append(statistics.median(1000 * one.seconds for one in found))
            read.append(found[0].slab.high - found[0].slab.low)
        good = "yes" if max(times) <= GOAL_MS else "no"
        cells = " | ".join(f"{t:.0f}" for t in times)
        spread = " ".join(str(n) for n in read) if len(set(read)) > 1 else str(read[0])
        print(
            f"| {kind.name} | {1000 * first.seconds:.0f} | {cells} | {max(busy):.0f} | {spread} | {good} |", flush=True
        )
    print()
    for reason in refused:
        print(f"- {reason}")


if __name__ == "__main__":
    main()

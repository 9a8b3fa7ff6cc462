"""Peak memory of the whole of `register` with demons, in multiples of the two images as float32.

    python Testing/benchmarks/registration_memory.py                           # 10 million voxels of 1 mm
    python Testing/benchmarks/registration_memory.py --size 216 --slice 2.5    # thick slices

The images are 16-bit blobs with noise, one of them shifted. What is counted is the resident memory during the call
beyond that before it: results are in it, the images are not. What the first call loads is loaded before.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import PeakMemory
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.registration import Register

BLOBS = 48


def image(size: int, seed: int, shift: float, slice_mm: float) -> sitk.Image:
    small = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(BLOBS,) * 3), 2)
    values = ndimage.zoom(small, size / BLOBS, order=1).astype(np.float32)
    values *= 100 / values.std()
    if shift:
        values = ndimage.shift(values, (shift,) * 3, order=1, mode="nearest")
    values += np.random.default_rng(seed).normal(0, 5, values.shape).astype(np.float32)
    made = sitk.GetImageFromArray(np.rint(values).astype(np.int16))
    made.SetSpacing((1.0, 1.0, slice_mm))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=216, help="voxels along each axis")
    parser.add_argument("--slice", type=float, default=1.0, help="distance of the slices in mm")
    parser.add_argument("--model", default="demons")
    options = parser.parse_args()
    set_thread_count(2)
    settings = Register(model=options.model, metric="correlation")
    settings.run(*(image(32, seed, 0.5 * seed, options.slice) for seed in (1, 2)))
    fixed, moving = image(options.size, 1, 0.0, options.slice), image(options.size, 2, 1.5, options.slice)
    unit = 4e-6 * (fixed.GetNumberOfPixels() + moving.GetNumberOfPixels())
    began = time.process_time()
    with PeakMemory() as peak:
        settings.run(fixed, moving)
    print("| model | voxels of each | slices mm | + MB | times the images | processor s |\n| --- |" + " --: |" * 5)
    print(
        f"| {options.model} | {fixed.GetNumberOfPixels() / 1e6:.1f} million | {options.slice:g} | {peak.extra_mb:.0f} "
        f"| {peak.extra_mb / unit:.1f} | {time.process_time() - began:.0f} |"
    )


if __name__ == "__main__":
    main()

"""How far each preset of `register` is from what is known of a pair of the test data folder.

    python Testing/benchmarks/registration_presets.py
    python Testing/benchmarks/registration_presets.py --only "Lung CT" "CT to CT"

The error is the mean distance, before and after, at landmarks or at points whose place is known from the transform that
was published with the images. PET and MR beside CT come in one frame, which
need not be right to the millimetre.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.registration import Register

Known = tuple[sitk.Image, sitk.Image, np.ndarray, np.ndarray]
"""Fixed, moving, and points (N, 3) in either."""


def _images(folder: Path, *names: str) -> tuple[sitk.Image, sitk.Image]:
    fixed, moving = (sitk.ReadImage(str(folder / name)) for name in names)
    return fixed, moving


def _inside(mask: sitk.Image, step: int) -> list[list[float]]:
    index = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[::step, ::-1]
    return Grid.of(mask).to_physical(index).tolist()


def _elastix_points(path: Path) -> np.ndarray:
    return np.loadtxt(path, skiprows=2)


def lung(data: Path) -> Known:
    folder = data / "reg_lung"
    points = (_elastix_points(folder / f"{name}_landmarks51.txt") for name in ("fixed", "moving"))
    return *_images(folder, "fixed.mha", "moving.mha"), *points  # type: ignore[return-value]


def bent_ct(data: Path) -> Known:
    folder = data / "reg_ct_synth"
    marks = np.loadtxt(folder / "landmarks.csv", delimiter=",", skiprows=2)
    return *_images(folder, "fixed.nii.gz", "moving.nii.gz"), marks[:, 1:4], marks[:, 4:7]


def other_contrast(data: Path) -> Known:
    folder = data / "mr_brain_ms_p01"
    brain = sitk.ReadImage(str(folder / "brainmask_common.nii.gz"))
    to_fixed = sitk.ReadTransform(str(folder / "study1_FLAIR_to_common_space.txt"))
    truth = sitk.ReadTransform(str(folder / "study1_T1W_intrastudy_to_FLAIR.txt"))
    fixed = [to_fixed.TransformPoint(p) for p in _inside(brain, 5003)]
    moving = [truth.TransformPoint(p) for p in fixed]
    return *_images(folder, "study1_FLAIR.nii.gz", "study1_T1W.nii.gz"), np.array(fixed), np.array(moving)


def same_contrast(data: Path) -> Known:
    folder = data / "mr_brain_ms_p01"
    brain = sitk.ReadImage(str(folder / "brainmask_common.nii.gz"))
    ways = [sitk.ReadTransform(str(folder / f"study{n}_FLAIR_to_common_space.txt")) for n in (1, 2)]
    points = [np.array([way.TransformPoint(p) for p in _inside(brain, 5003)]) for way in ways]
    return *_images(folder, "study1_FLAIR.nii.gz", "study2_FLAIR.nii.gz"), points[0], points[1]


def one_frame(moving: str) -> Callable[[Path], Known]:
    def pair(data: Path) -> Known:
        folder = data / "petctmr_sts003"
        points = np.array(_inside(sitk.ReadImage(str(folder / "CT_mask.nii.gz")), 211))
        return *_images(folder, "CT_image.nii.gz", moving), points, points

    return pair


PAIRS: dict[str, Callable[[Path], Known]] = {
    "MR to MR, other contrast": other_contrast,
    "MR to MR, same contrast": same_contrast,
    "CT to MR": one_frame("MR_T1_image.nii.gz"),
    "PET to CT": one_frame("PET_image.nii.gz"),
    "Lung CT": lung,
    "CT to CT": bent_ct,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    data = find_data()
    if data is None:
        sys.exit("The test data folder is not here; set MEDIMG_TEST_DATA.")
    set_thread_count(arguments.threads)
    print("| preset | before mm | after mm | folded % | processor s |\n| --- | --: | --: | --: | --: |")
    for title in arguments.only:
        fixed, moving, points, there = PAIRS[title](data)
        began = time.process_time()
        result = Register.preset(title).run(fixed=fixed, moving=moving)  # type: ignore[attr-defined]
        seconds = time.process_time() - began
        found = np.array([result.transform.TransformPoint(p) for p in points.tolist()])
        before, after = (np.linalg.norm(at - there, axis=1).mean() for at in (points, found))
        folded = result.table.rows[0]["folded_percent"]
        print(f"| {title} | {before:.2f} | {after:.2f} | {folded:.3f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()

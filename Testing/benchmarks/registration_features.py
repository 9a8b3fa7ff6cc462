"""Whether `register_features` in 3-D is ever wrong without saying so: images turned, shifted, cut and made noisy.

    python Testing/benchmarks/registration_features.py                       # 18 cases a seed, seeds 0 to 3
    python Testing/benchmarks/registration_features.py --seeds 7 --only T1 ellipsoid0

Turns of up to 10, 25 or 40 degrees about each axis, shifts of up to 5, 20 or 35 mm along each, noise of 2 to 20 % of
the SD of the image. Smooth bodies are images of the test data after Gaussian smoothing, and ellipsoids of one value.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.registration import RegisterFeatures

FILES = {
    "T1": "mr_brain_mni_p19/T1.nii.gz",
    "T2": "mr_brain_mni_p19/T2.nii.gz",
    "FLAIR, thick": "mr_brain_ms_p01/study1_FLAIR.nii.gz",
    "T1, thick": "mr_brain_ms_p01/study1_T1W.nii.gz",
    "head": "atlas/colin27_t1.nii.gz",
    "thigh CT": "petctmr_sts003/CT_image.nii.gz",
    "thigh PET": "petctmr_sts003/PET_image.nii.gz",
    "thigh MR": "petctmr_sts003/MR_T1_image.nii.gz",
    "lung": "reg_lung/fixed.mha",
    "abdomen": "reg_ct_synth/fixed.nii.gz",
}
SMOOTHED = {"thigh MR": 6.0, "T1": 6.0, "thigh CT": 8.0}
"""SD in mm."""
OTHER = (("T1", "T2"), ("thigh CT", "thigh MR"))
"""Two images in one frame with other contrast."""


def images(data: Path) -> dict[str, sitk.Image]:
    found = {name: sitk.ReadImage(str(data / path), sitk.sitkFloat32) for name, path in FILES.items()}
    for name, sigma in SMOOTHED.items():
        image = found[name]
        sigmas = [sigma / s for s in image.GetSpacing()[::-1]]
        found[f"{name}, smooth"] = image_like(ndimage.gaussian_filter(sitk.GetArrayFromImage(image), sigmas), image)
    found.update({f"ellipsoid{n}": ellipsoid(n) for n in range(3)})
    return found


def ellipsoid(seed: int) -> sitk.Image:
    grid = Grid((90, 80, 60), (2.0, 2.0, 2.5), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    at = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.size[::-1]), indexing="ij")
    halves = np.random.default_rng(seed).uniform(0.45, 0.8, 3)
    inside = sum((a / half) ** 2 for a, half in zip(at, halves, strict=True)) < 1
    return image_like((100 * ndimage.gaussian_filter(inside.astype(float), 2)).astype(np.float32), grid)


def cases(known: dict[str, sitk.Image], seed: int) -> Iterator[tuple[str, sitk.Image, sitk.Image, sitk.Transform, str]]:
    """Name, fixed image, moving image, the true transform and the contrast."""
    for one, other in (*((name, name) for name in known), *OTHER):
        random = np.random.default_rng([seed, sum(map(ord, one + other))])
        fixed, source = known[one], known[other]
        truth = sitk.Euler3DTransform()
        truth.SetCenter(Grid.of(fixed).corners.mean(axis=0).tolist())
        truth.SetRotation(*np.deg2rad(random.uniform(-1, 1, 3) * random.choice([10, 25, 40])).tolist())
        truth.SetTranslation((random.uniform(-1, 1, 3) * random.choice([5, 20, 35])).tolist())
        grid = Grid.of(source)
        origin = grid.to_physical(random.integers(-6, 7, (1, 3)).astype(float))[0]
        low = float(sitk.GetArrayViewFromImage(source).min())
        moved = sitk.Resample(
            source, grid.size, truth.GetInverse(), sitk.sitkLinear, origin.tolist(), grid.spacing, grid.direction, low
        )
        values = sitk.GetArrayFromImage(moved)
        values += random.normal(0, values.std() * random.choice([0.02, 0.1, 0.2]), values.shape).astype(np.float32)
        yield f"{one} to {other}", fixed, image_like(values, moved), truth, "same" if one == other else "other"


def error_mm(fixed: sitk.Image, found: sitk.Transform, truth: sitk.Transform) -> float:
    """Mean over 300 points of what is bright in the fixed image."""
    values = sitk.GetArrayViewFromImage(fixed)
    low = float(values.min())
    index = np.argwhere(values > low + 0.2 * (np.percentile(values, 99) - low))[:, ::-1]
    index = index[np.random.default_rng(0).choice(len(index), 300)].astype(float)
    points = Grid.of(fixed).to_physical(index).tolist()
    apart = [np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    return float(np.linalg.norm(apart, axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--only", nargs="+", help="names of fixed images")
    options = parser.parse_args()
    data = find_data()
    if data is None:
        sys.exit("The test data folder is not here; set MEDIMG_TEST_DATA.")
    set_thread_count(2)
    known = images(data)
    silent: list[float] = []
    print("| case | seed | error mm | slide mm | verdict |\n| --- | --: | --: | --: | --- |")
    for seed in options.seeds:
        for name, fixed, moving, truth, contrast in cases(known, seed):
            if options.only and name.split(" to ")[0] not in options.only:
                continue
            settings = RegisterFeatures(contrast=contrast)
            try:
                result = settings.run(fixed, moving, progress=Progress(on_warning=lambda sentence: None))
            except InputError:
                print(f"| {name} | {seed} | | | refused |", flush=True)
                continue
            row, error = result.table.rows[0], error_mm(fixed, result.transform, truth)
            print(f"| {name} | {seed} | {error:.2f} | {row['slide_mm']:.2f} | {row['verdict']} |", flush=True)
            if row["verdict"] == "sure":
                silent.append(error / row["tolerance_mm"])
    if silent:
        print(f"\n{len(silent)} sure answers; the worst was wrong by {max(silent):.2f} of its tolerance.")


if __name__ == "__main__":
    main()

"""Time and memory of normalising, resampling and bias correction beside their peers, in one run on the same image.

    python Testing/benchmarks/preparation.py                                  # a small image, all cases
    python Testing/benchmarks/preparation.py --size 512x512x300 --only percentile

Every figure is from a process of its own, the median of the repeats after one run that is not counted; memory is
beyond image and program. Tools that are not installed are left out. Other work on the machine makes all of it slower.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import measured

ENOUGH_SECONDS = 20.0
SPACING = (0.8, 0.8, 2.0)
Tool = Callable[[Any], Any]
"""SimpleITK image -> a result."""


def phantom(size: tuple[int, ...], dtype: str) -> np.ndarray:
    """Tissues with noise and shading, 0 to 1500; `size` is (i, j, k)."""
    rng = np.random.default_rng(1)
    k, j, i = np.meshgrid(
        *(np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(size)), indexing="ij", sparse=True
    )
    tissue = np.where(k**2 + j**2 + i**2 < 0.8, 600 + 250 * np.sign(np.sin(9 * i) * np.sin(8 * j) * np.sin(7 * k)), 20)
    shaded = tissue * np.exp(0.25 * i - 0.2 * j * k)
    return np.clip(shaded + rng.normal(0, 15, shaded.shape), 0, 4000).astype(dtype)


def cases() -> dict[str, dict[str, Tool]]:
    """Tools by case; ours comes first."""
    import scipy.ndimage as ndi
    import SimpleITK as sitk
    from MedImgAnalysisLib import filtering
    from MedImgAnalysisLib.geometry import Grid

    def by_itk(interpolator: int, turn: float = 0.0) -> Tool:
        def run(image: Any) -> Any:
            grid = isotropic(image, turn)
            return sitk.Resample(image, list(grid.size), sitk.Transform(3, sitk.sitkIdentity), interpolator,
                                 grid.origin, grid.spacing, grid.direction, 0.0, sitk.sitkFloat32)  # fmt: skip

        return run

    def isotropic(image: Any, turn: float) -> Grid:
        own = Grid.of(image)
        grid = filtering.Resample(spacing_mm=(1.0,))._grid(own, None)
        matrix = sitk.Euler3DTransform((0, 0, 0), 0, 0, turn).GetMatrix()
        return Grid(grid.size, grid.spacing, grid.origin, matrix)

    def by_scipy(order: int) -> Tool:
        return lambda image: ndi.zoom(sitk.GetArrayFromImage(image).astype(np.float32), (2.0, 0.8, 0.8), order=order)

    def turned(image: Any) -> Any:
        reference = isotropic(image, 0.2).blank()
        return filtering.Resample(anti_alias=False).run(image, reference)

    def by_numpy(image: Any) -> Any:
        array = sitk.GetArrayFromImage(image)
        low, high = np.percentile(array, [0.5, 99.5])
        return np.clip((array.astype(np.float32) - low) / (high - low), 0, 1)

    def by_itk_n4(image: Any) -> Any:
        small = sitk.Cast(sitk.Shrink(image, [4, 4, 2]), sitk.sitkFloat32)
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.Execute(small, sitk.OtsuThreshold(small, 0, 1))
        return sitk.Cast(image, sitk.sitkFloat32) / sitk.Exp(n4.GetLogBiasFieldAsImage(image))

    plain = {"anti_alias": False, "spacing_mm": (1.0,)}
    cubic = filtering.Resample(interpolation="bspline", **plain)
    return {
        "percentile normalise": {"ours": filtering.NormalisePercentile().run, "numpy": by_numpy},
        "z-score": {
            "ours": filtering.NormaliseZscore().run,
            "SimpleITK": lambda image: sitk.Normalize(sitk.Cast(image, sitk.sitkFloat32)),
        },
        "match histogram": {
            "ours": lambda image: filtering.MatchHistogram().run(image, image + 7),
            "SimpleITK": lambda image: sitk.HistogramMatching(image, image + 7, 1024, 256, False),
        },
        "resample linear": {
            "ours": filtering.Resample(**plain).run, "SimpleITK": by_itk(sitk.sitkLinear), "scipy": by_scipy(1),
        },
        "resample cubic": {"ours": cubic.run, "SimpleITK": by_itk(sitk.sitkBSpline), "scipy": by_scipy(3)},
        "resample oblique": {"ours": turned, "SimpleITK": by_itk(sitk.sitkLinear, 0.2)},
        "bias field (N4)": {"ours": filtering.CorrectBias().run, "SimpleITK": by_itk_n4},
        "evidence": {"ours": lambda image: filtering.FilterEvidence().run(image, image + 1)},
    }  # fmt: skip


def one(case: str, tool: str, size: tuple[int, ...], dtype: str, repeats: int) -> dict[str, Any]:
    """Figures of one tool, in this process."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(phantom(size, dtype))
    image.SetSpacing(SPACING)
    run = cases()[case][tool]

    def call() -> dict[str, float]:
        run(image)
        return {}

    call()
    return measured(call, repeats, ENOUGH_SECONDS).as_data()


def main(arguments: list[str]) -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="128x128x64", help="voxels along i, j, k")
    parser.add_argument("--type", default="int16", help="numpy type of the image")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="words; cases that contain one of them")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "TOOL"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    size = tuple(int(n) for n in chosen.size.split("x"))
    if chosen.one:
        print(json.dumps(one(*chosen.one, size, chosen.type, chosen.repeats)))
        return 0
    print(f"{chosen.size} {chosen.type}, {np.prod(size) * np.dtype(chosen.type).itemsize / 1e6:.0f} MB\n")
    print("| case | tool | s | ratio | MB beyond input |\n| --- | --- | --: | --: | --: |")
    for case, tools in cases().items():
        if chosen.only and not any(word in case for word in chosen.only):
            continue
        own = float("nan")
        for tool in tools:
            command = [sys.executable, __file__, *arguments, "--one", case, tool]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| {case} | {tool} | failed: {done.stderr.strip().splitlines()[-1]} | | |")
                continue
            found = json.loads(done.stdout.strip().splitlines()[-1])
            own = found["seconds"] if tool == "ours" else own
            ratio = found["seconds"] / own
            print(f"| {case} | {tool} | {found['seconds']:.3f} | {ratio:.1f} | {found['extra_mb']:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

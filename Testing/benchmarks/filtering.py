"""Time and memory of the filters beside their peers, in one run on the same image.

    python Testing/benchmarks/filtering.py                            # a small image, all cases
    python Testing/benchmarks/filtering.py --size 512x512x300 --type int16 --only gaussian median
    python Testing/benchmarks/filtering.py --markdown > table.md

Each tool runs in a process of its own: a first run that is not counted, then `--repeat` runs. Shown are the median, its
ratio to ours, the peak of memory beyond image and program, and for denoising the PSNR against the image without noise.
Tools that are not installed are left out. Other work on the machine makes all of it slower, and tools that use many
threads most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NOISE = 20.0
Run = Callable[[Any, np.ndarray], Any]
"""(SimpleITK image, its array) -> a result."""


def phantom(size: tuple[int, ...], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """(clean, noisy): overlapping ellipsoids with shading, from -1000 to 1200; `size` is (i, j, k)."""
    rng = np.random.default_rng(1)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(size)]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    clean = np.full(tuple(reversed(size)), -1000, np.float32)
    clean[(k**2 + j**2 + i**2) < 0.9] = 40
    for _ in range(30):
        centre, radius = rng.uniform(-0.6, 0.6, 3), rng.uniform(0.05, 0.35, 3)
        inside = sum(((a - c) / r) ** 2 for a, c, r in zip((k, j, i), centre, radius, strict=True)) < 1
        clean[inside] = rng.uniform(-100, 1200)
    clean += 20 * np.sin(3 * i) * np.cos(2 * j)
    noisy = clean + rng.normal(0, NOISE, clean.shape).astype(np.float32)
    return clean, np.rint(noisy).astype(dtype) if np.dtype(dtype).kind in "iu" else noisy.astype(dtype)


def cases() -> dict[str, dict[str, Run]]:
    """Tools by case. "ours" is the operation as `execute` would run it, without the record."""
    import scipy.ndimage as ndi
    import SimpleITK as sitk
    from MedImgAnalysisLib import filtering

    def ours(operation: Any) -> Run:
        return lambda image, array: operation.run(image=image)

    def real(function: Callable[..., Any], *arguments: Any, **named: Any) -> Run:
        """A SimpleITK function that needs float32."""
        return lambda image, array: function(sitk.Cast(image, sitk.sitkFloat32), *arguments, **named)

    def arrays(function: Callable[..., Any], *arguments: Any, **named: Any) -> Run:
        return lambda image, array: function(array.astype(np.float32), *arguments, **named)

    def box(r: int) -> list[int]:
        return [r] * 3

    ball = sitk.sitkBall
    found: dict[str, dict[str, Run]] = {
        "gaussian 2": {
            "ours": ours(filtering.Gaussian(sigma_mm=2.0)),
            "SimpleITK recursive": real(sitk.SmoothingRecursiveGaussian, [2.0] * 3),
            "SimpleITK discrete": real(sitk.DiscreteGaussian, [4.0] * 3, 32, 0.01, True),
            "scipy": arrays(ndi.gaussian_filter, 2.0),
        },
        "median 1": {
            "ours": ours(filtering.Median(radius_voxels=1)),
            "SimpleITK": lambda image, array: sitk.Median(image, box(1)),
            "scipy": lambda image, array: ndi.median_filter(array, 3),
        },
        "bilateral 1": {
            "ours": ours(filtering.Bilateral(sigma_mm=1.0, range_sigma=60.0)),
            "SimpleITK": real(sitk.Bilateral, 1.0, 60.0),
        },
        "gradient diffusion 5": {
            "ours": ours(filtering.GradientDiffusion(5, 3.0, 0.0625)),
            "SimpleITK": real(sitk.GradientAnisotropicDiffusion, 0.0625, 3.0, 1, 5),
        },
        "curvature diffusion 5": {
            "ours": ours(filtering.CurvatureDiffusion(5, 3.0, 0.0625)),
            "SimpleITK": real(sitk.CurvatureAnisotropicDiffusion, 0.0625, 3.0, 1, 5),
        },
        "curvature flow 5": {
            "ours": ours(filtering.CurvatureFlow(5, 0.05)),
            "SimpleITK": real(sitk.CurvatureFlow, 0.05, 5),
        },
        "wavelet": {"ours": ours(filtering.Wavelet(noise=NOISE))},
        "non-local means 1/3": {"ours": ours(filtering.NonlocalMeans(noise=NOISE))},
        "total variation": {"ours": ours(filtering.TotalVariation(noise=NOISE))},
        "gradient magnitude": {
            "ours": ours(filtering.GradientMagnitude()),
            "SimpleITK": real(sitk.GradientMagnitude),
        },
        "sobel": {"ours": ours(filtering.Sobel()), "SimpleITK": real(sitk.SobelEdgeDetection)},
        "canny": {
            "ours": ours(filtering.Canny(1.0, 50.0, 150.0, "values")),
            "SimpleITK": real(sitk.CannyEdgeDetection, 50.0, 150.0, [1.0] * 3),
        },
        "laplacian of gaussian 2": {
            "ours": ours(filtering.LaplacianOfGaussian(2.0)),
            "SimpleITK recursive": real(sitk.LaplacianRecursiveGaussian, 2.0),
            "scipy": arrays(ndi.gaussian_laplace, 2.0),
        },
        "unsharp mask": {
            "ours": ours(filtering.UnsharpMask(1.5, 0.5)),
            "SimpleITK": real(sitk.UnsharpMask, [1.5] * 3, 0.5, 0.0, False),
        },
        "vesselness 1 to 3": {"ours": ours(filtering.Vesselness())},
        "adaptive histogram": {"ours": ours(filtering.AdaptiveHistogram(32.0))},
        "window": {"ours": ours(filtering.Window()), "SimpleITK": real(sitk.IntensityWindowing, -150, 250, 0, 1)},
        "sigmoid": {"ours": ours(filtering.Sigmoid(0.0, 50.0)), "SimpleITK": real(sitk.Sigmoid, 50.0, 0.0, 1.0, 0.0)},
        "close ball 3": {
            "ours": ours(filtering.GreyMorphology("close", 3.0)),
            "SimpleITK": lambda image, array: sitk.GrayscaleMorphologicalClosing(image, box(3), ball),
        },
        "dilate box 2": {
            "ours": ours(filtering.GreyMorphology("dilate", 2.0, "box")),
            "SimpleITK": lambda image, array: sitk.GrayscaleDilate(image, box(2), sitk.sitkBox),
            "scipy": lambda image, array: ndi.grey_dilation(array, 5),
        },
        "richardson-lucy 5": {"ours": ours(filtering.Deconvolve("richardson_lucy", 1.0, iterations=5))},
    }
    add_scikit_image(found)
    add_others(found)
    return found


def add_scikit_image(found: dict[str, dict[str, Run]]) -> None:
    """Peers of scikit-image."""
    try:
        from skimage import exposure, filters, restoration
    except ImportError:
        return

    def unit(array: np.ndarray) -> np.ndarray:
        return ((array + 1200.0) / 2600.0).clip(0, 1).astype(np.float32)

    found["non-local means 1/3"]["scikit-image fast"] = lambda image, array: restoration.denoise_nl_means(
        array.astype(np.float32), 3, 3, 0.8 * NOISE, True, NOISE
    )
    found["total variation"]["scikit-image"] = lambda image, array: restoration.denoise_tv_chambolle(
        array.astype(np.float32), NOISE
    )
    found["sobel"]["scikit-image"] = lambda image, array: filters.sobel(array.astype(np.float32))
    found["vesselness 1 to 3"]["scikit-image"] = lambda image, array: filters.frangi(
        array.astype(np.float32), [1.0, 3.0**0.5, 3.0], black_ridges=False
    )
    found["adaptive histogram"]["scikit-image"] = lambda image, array: exposure.equalize_adapthist(unit(array), 32)
    try:
        import pywt  # noqa: F401
    except ImportError:
        return
    found["wavelet"]["scikit-image"] = lambda image, array: restoration.denoise_wavelet(
        array.astype(np.float32), NOISE, wavelet="db2", wavelet_levels=3, rescale_sigma=False
    )


def add_others(found: dict[str, dict[str, Run]]) -> None:
    """Peers that are rarely installed."""
    try:
        import torch
        from monai.networks.layers import GaussianFilter

        def monai(image: Any, array: np.ndarray) -> Any:
            with torch.no_grad():
                return GaussianFilter(3, 2.0)(torch.from_numpy(array.astype(np.float32))[None, None])[0, 0].numpy()

        found["gaussian 2"]["MONAI"] = monai
    except ImportError:
        pass
    try:
        from dipy.denoise.nlmeans import nlmeans

        found["non-local means 1/3"]["dipy"] = lambda image, array: nlmeans(
            array.astype(np.float32), NOISE, patch_radius=1, block_radius=3, rician=False
        )
    except ImportError:
        pass


def memory(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak) in MB; NaN where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024
    except (OSError, StopIteration):
        return float("nan")


def as_array(result: Any) -> np.ndarray:
    """The voxels of what a tool gave."""
    import SimpleITK as sitk

    if isinstance(result, tuple):
        result = result[0]
    return sitk.GetArrayFromImage(result) if isinstance(result, sitk.Image) else np.asarray(result)


def measure(case: str, tool: str, size: tuple[int, ...], dtype: str, repeat: int, threads: int) -> dict[str, float]:
    """Median seconds, peak MB and PSNR of one tool, in this process."""
    import SimpleITK as sitk
    from MedImgAnalysisLib.blockwise import set_thread_count

    if threads:
        set_thread_count(threads)
    clean, noisy = phantom(size, dtype)
    image = sitk.GetImageFromArray(noisy)
    run = cases()[case][tool]
    before = memory("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts from here
    except OSError:
        before = float("nan")
    output = run(image, noisy)
    peak = memory("VmHWM") - before
    result = as_array(output)
    del output
    error = float(np.square(result - clean, dtype=np.float64).mean()) if result.shape == clean.shape else float("nan")
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        run(image, noisy)
        seconds.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(seconds),
        "peak": peak,
        "psnr": 10 * float(np.log10(2200.0**2 / error)) if error > 0 else float("nan"),
    }


DENOISING = ("gaussian", "median", "bilateral", "gradient d", "curvature", "wavelet", "non-local", "total")


def main(arguments: list[str]) -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", default="128x128x64", help="voxels along i, j, k")
    parser.add_argument("--type", default="int16", help="numpy type of the image")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are")
    parser.add_argument("--only", nargs="*", default=[], help="words; cases that contain one of them")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "TOOL"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    size = tuple(int(n) for n in chosen.size.split("x"))
    if chosen.one:
        print(json.dumps(measure(*chosen.one, size, chosen.type, chosen.repeat, chosen.threads)))
        return 0
    form = (
        "| {:24} | {:20} | {:>8} | {:>6} | {:>8} | {:>6} |"
        if chosen.markdown
        else "{:24} {:20} {:>9} {:>7} {:>8} {:>6}"
    )
    size_mb = np.prod(size) * np.dtype(chosen.type).itemsize / 2**20
    print(f"{chosen.size} {chosen.type}, {size_mb:.0f} MB, median of {chosen.repeat}\n")
    print(form.format("case", "tool", "s", "ratio", "peak MB", "PSNR"))
    if chosen.markdown:
        print("| --- | --- | --: | --: | --: | --: |")
    for case, tools in cases().items():
        if chosen.only and not any(word in case for word in chosen.only):
            continue
        own = float("nan")
        for tool in tools:
            command = [sys.executable, __file__, *arguments, "--one", case, tool]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(form.format(case, tool, "failed", "", "", ""), done.stderr.strip().split("\n")[-1:])
                continue
            found = json.loads(done.stdout.strip().split("\n")[-1])
            own = found["seconds"] if tool == "ours" else own
            ratio = "" if tool == "ours" else f"{found['seconds'] / own:.1f}"
            psnr = f"{found['psnr']:.1f}" if case.startswith(DENOISING) else ""
            print(form.format(case, tool, f"{found['seconds']:.3f}", ratio, f"{found['peak']:.0f}", psnr), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

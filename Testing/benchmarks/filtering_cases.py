"""What the filters are timed beside: for each case our operation and the peers that do the same.

Slow cases have a limit of voxels: they are timed on the middle slices of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from preparation_cases import SPACING, preparation, shaded

NOISE = 20.0
Run = Callable[[Any, np.ndarray], Any]
"""(SimpleITK image, its array) -> a result."""
LIMITS = {
    "gaussian": 1000,
    "median 1 again": 10,
    "median": 1000,
    "gradient diffusion": 1000,
    "wavelet": 1000,
    "total": 1000,
    "window": 1000,
    "close": 1000,
    "percentile": 1000,
    "z-score": 1000,
    "resample": 1000,
    "non-local": 2,
    "bilateral": 2,
    "vesselness": 2,
    "": 10,
}
"""Most megavoxels by the start of the name of a case."""


def phantom(size: tuple[int, ...], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """(clean, noisy): overlapping ellipsoids with shading, from -1000 to 1200; `size` is (i, j, k)."""
    rng = np.random.default_rng(1)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(size)]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    clean = np.full(tuple(reversed(size)), -1000, np.float32)
    clean[(k**2 + j**2 + i**2) < 0.9] = 40
    for _ in range(30):
        centre, radius = rng.uniform(-0.6, 0.6, 3), rng.uniform(0.05, 0.35, 3)
        value = rng.uniform(-100, 1200)
        near = [np.flatnonzero(np.abs(a - c) < r) for a, c, r in zip(axes, centre, radius, strict=True)]
        if not all(len(places) for places in near):
            continue
        box = tuple(slice(places[0], places[-1] + 1) for places in near)
        parts = [((a[b] - c) / r) ** 2 for a, b, c, r in zip(axes, box, centre, radius, strict=True)]
        inside = parts[0][:, None, None] + parts[1][:, None] + parts[2] < 1
        clean[box][inside] = value
    clean += 20 * np.sin(3 * i) * np.cos(2 * j)
    noisy = rng.standard_normal(clean.shape, np.float32)
    noisy *= NOISE
    noisy += clean
    return clean, np.rint(noisy).astype(dtype) if np.dtype(dtype).kind in "iu" else noisy.astype(dtype)


def shaded_pair(size: tuple[int, ...], dtype: str) -> tuple[None, np.ndarray]:
    """The image of the cases of preparation, of which nobody asks how much noise is left."""
    return None, shaded(size, dtype)


class Case(NamedTuple):
    """Tools by name, ours first; spacing of the image; how the image is made."""

    tools: dict[str, Run]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    make: Callable[..., tuple[np.ndarray | None, np.ndarray]] = phantom


def cases() -> dict[str, Case]:
    """All cases by name."""
    found = {name: Case(tools) for name, tools in filters().items()}
    for name, tools in preparation().items():
        found[name] = Case({tool: _of_image(run) for tool, run in tools.items()}, SPACING, shaded_pair)
    return found


def _of_image(run: Callable[[Any], Any]) -> Run:
    return lambda image, array: run(image)


def filters() -> dict[str, dict[str, Run]]:
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
        import pywt
    except ImportError:
        return

    def by_pywavelets(array: np.ndarray) -> np.ndarray:
        low, *levels = pywt.wavedecn(array, "db2", level=3)
        for level in levels:
            for name, band in level.items():
                limit = NOISE**2 / np.sqrt(max(float(np.square(band).mean()) - NOISE**2, 1e-6))
                level[name] = pywt.threshold(band, limit, "soft")
        return pywt.waverecn([low, *levels], "db2")

    found["wavelet"]["PyWavelets"] = lambda image, array: by_pywavelets(array.astype(np.float32))
    found["wavelet"]["scikit-image"] = lambda image, array: restoration.denoise_wavelet(
        array.astype(np.float32), NOISE, wavelet="db2", wavelet_levels=3, rescale_sigma=False
    )


def add_others(found: dict[str, dict[str, Run]]) -> None:
    """Peers that are rarely installed."""
    try:
        import torch
        from monai.networks.layers import GaussianFilter, MedianFilter
        from monai.transforms import ScaleIntensityRange, SobelGradients

        def monai(layer: Any, axes: int = 2) -> Run:
            def run(image: Any, array: np.ndarray) -> Any:
                with torch.no_grad():
                    given = torch.from_numpy(array.astype(np.float32))
                    return layer(given[(None,) * axes]).numpy()[(0,) * axes]

            return run

        found["gaussian 2"]["MONAI"] = monai(GaussianFilter(3, 2.0))
        # It holds 27 images.
        found["median 1 again"] = {"ours": found["median 1"]["ours"], "MONAI": monai(MedianFilter(1))}
        found["sobel"]["MONAI"] = monai(SobelGradients(3), 1)
        found["window"]["MONAI"] = monai(ScaleIntensityRange(-150, 250, 0, 1, clip=True), 1)
    except ImportError:
        pass
    try:
        from dipy.denoise.nlmeans import nlmeans

        def by_dipy(method: str) -> Run:
            # It takes what is below 0 for 0.
            return lambda image, array: (
                nlmeans(
                    array.astype(np.float32) + 1200, NOISE, patch_radius=1, block_radius=3, rician=False, method=method
                )
                - 1200
            )

        for method in ("blockwise", "classic"):
            found["non-local means 1/3"][f"dipy {method}"] = by_dipy(method)
    except ImportError:
        pass

"""Cases of normalising, resampling and bias correction for `filtering.py`: ours and the peers that do the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SPACING = (0.8, 0.8, 2.0)
Tool = Callable[[Any], Any]
"""SimpleITK image -> a result."""


def shaded(size: tuple[int, ...], dtype: str) -> np.ndarray:
    """Tissues with noise and shading, 0 to 1500; `size` is (i, j, k)."""
    rng = np.random.default_rng(1)
    k, j, i = np.meshgrid(
        *(np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(size)), indexing="ij", sparse=True
    )
    tissue = np.where(k**2 + j**2 + i**2 < 0.8, 600 + 250 * np.sign(np.sin(9 * i) * np.sin(8 * j) * np.sin(7 * k)), 20)
    bright = tissue * np.exp(0.25 * i - 0.2 * j * k)
    return np.clip(bright + rng.normal(0, 15, bright.shape), 0, 4000).astype(dtype)


def preparation() -> dict[str, dict[str, Tool]]:
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

    def turned_by_itk(image: Any) -> Any:
        """The same values: ITK itself cuts fractions off whole numbers instead of rounding."""
        real = by_itk(sitk.sitkLinear, 0.2)(image)
        return sitk.Cast(sitk.Round(real), image.GetPixelID())

    def by_numpy(image: Any) -> Any:
        array = sitk.GetArrayFromImage(image)
        low, high = np.percentile(array, [0.5, 99.5])
        return np.clip((array.astype(np.float32) - low) / (high - low), 0, 1)

    def image_by_numpy(image: Any) -> Any:
        """The same as an image, as ours is: its memory is new each time."""
        made = sitk.GetImageFromArray(by_numpy(image))
        made.CopyInformation(image)
        return made

    def by_itk_n4(image: Any) -> Any:
        small = sitk.Cast(sitk.Shrink(image, [4, 4, 2]), sitk.sitkFloat32)
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.Execute(small, sitk.OtsuThreshold(small, 0, 1))
        return sitk.Cast(image, sitk.sitkFloat32) / sitk.Exp(n4.GetLogBiasFieldAsImage(image))

    plain = {"anti_alias": False, "spacing_mm": (1.0,)}
    cubic = filtering.Resample(interpolation="bspline", **plain)
    found: dict[str, dict[str, Tool]] = {
        "percentile normalise": {
            "ours": filtering.NormalisePercentile().run, "numpy": by_numpy, "numpy to an image": image_by_numpy,
        },
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
        "resample oblique": {
            "ours": turned, "SimpleITK": turned_by_itk, "SimpleITK float": by_itk(sitk.sitkLinear, 0.2),
        },
        "bias field (N4)": {"ours": filtering.CorrectBias().run, "SimpleITK": by_itk_n4},
        "evidence": {"ours": lambda image: filtering.FilterEvidence().run(image, image + 1)},
    }  # fmt: skip
    add_monai(found)
    add_dipy(found)
    return found


def add_dipy(found: dict[str, dict[str, Tool]]) -> None:
    """dipy's resampling, where it is installed."""
    try:
        import SimpleITK as sitk
        from dipy.align.reslice import reslice
    except ImportError:
        return

    def run(image: Any) -> Any:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        return reslice(array, np.diag([*reversed(SPACING), 1.0]), SPACING[::-1], (1.0,) * 3, order=1, num_processes=2)[
            0
        ]

    found["resample linear"]["dipy"] = run


def add_monai(found: dict[str, dict[str, Tool]]) -> None:
    """MONAI's transforms, where it is installed."""
    try:
        import SimpleITK as sitk
        import torch
        from monai.data import MetaTensor
        from monai.transforms import NormalizeIntensity, ScaleIntensityRangePercentiles, Spacing
    except ImportError:
        return

    def by_torch(transform: Any) -> Tool:
        def run(image: Any) -> Any:
            return transform(torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32))[None])[0].numpy()

        return run

    def spaced(image: Any) -> Any:
        array = torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32))[None]
        affine = torch.diag(torch.tensor([*reversed(SPACING), 1.0], dtype=torch.float64))
        return Spacing((1.0,) * 3, mode="bilinear")(MetaTensor(array, affine=affine))[0].numpy()

    found["percentile normalise"]["MONAI"] = by_torch(ScaleIntensityRangePercentiles(0.5, 99.5, 0, 1, clip=True))
    found["z-score"]["MONAI"] = by_torch(NormalizeIntensity())
    found["resample linear"]["MONAI"] = spaced

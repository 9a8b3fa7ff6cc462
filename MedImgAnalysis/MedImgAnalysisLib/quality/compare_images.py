"""How alike two images are: errors, PSNR, SSIM, correlation, mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import GeometryError, ParameterError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import resample
from ..values import Column, Image, Mask, Measurements
from .arrays import inside_of, slabs, warn_nonfinite
from .findings import STATUS, WARNINGS, Findings
from .similarity import Domain, put_correlation, put_differences, put_information, sums
from .ssim import structural_similarity

COLUMNS = (
    Column("n", "Voxels", "", "Voxels that are compared", int),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite in either image, left out", int),
    Column("n_outside", "Voxels outside", "", "Voxels of the domain where the test image is not defined", int),
    Column("resampled", "Resampled", "", "1 when the test image was on another grid", int),
    Column("mse", "MSE", "", "Mean squared difference"),
    Column("mae", "MAE", "", "Mean absolute difference"),
    Column("rmse", "RMSE", "", "Square root of MSE"),
    Column("mean_difference", "Mean difference", "", "Mean of test - reference"),
    Column("data_range", "Data range", "", "L of PSNR and SSIM"),
    Column("psnr", "PSNR", "dB", "10 log10(L^2 / MSE); undefined (identical) when MSE is 0"),
    Column("ssim", "SSIM", "", "Gaussian window of 11 voxels, sigma 1.5, mean over whole windows"),
    Column("ssim_mode", "SSIM mode", "", "Whether the window is 3-D or 2-D in each slice", str),
    Column("ncc", "NCC", "", "Pearson correlation, with its sign"),
    Column("bins", "Bins", "", "Histogram bins per image over min...max", int),
    Column("entropy_a", "Entropy of the reference", "nat", "-sum p ln p of the histogram"),
    Column("entropy_b", "Entropy of the test", "nat", "-sum p ln p of the histogram"),
    Column("entropy_joint", "Joint entropy", "nat", "-sum p ln p of the joint histogram"),
    Column("mi", "Mutual information", "nat", "H_a + H_b - H_ab; depends on the bins"),
    Column("nmi", "NMI (Studholme)", "", "(H_a + H_b) / H_ab, 1 to 2"),
    Column("nmi_arithmetic", "NMI (arithmetic)", "", "2 MI / (H_a + H_b), 0 to 1"),
    WARNINGS,
    STATUS,
)


class Compared(NamedTuple):
    """Outputs of `compare_images` by role."""

    table: Measurements
    difference: Image


@dataclass(frozen=True)
class CompareImages(Operation):
    """Compare a test image with a reference, voxel by voxel.

    Use it to judge a filter, a reconstruction, a compression or a registration. MSE, MAE, RMSE;
    `psnr = 10 log10(L^2 / MSE)` with the data range L that is asked for, never taken from the degraded image;
    SSIM (Wang et al. 2004) with a Gaussian window of 11 voxels and sigma 1.5, K1 = 0.01, K2 = 0.03, population
    covariance, mean over whole windows (equals scikit-image with `gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False`, and MONAI); NCC, Pearson's r with its sign; mutual information in nats from a
    joint histogram with hard bins over min...max, and both normalised forms (Studholme et al. 1999). MI depends on
    the bins, and is not the Parzen-smoothed Mattes metric.

    A test image on another grid is interpolated linearly onto the reference; only voxels where it is defined
    count. NaN and infinity are left out and counted; SSIM is refused where one lies in the domain.
    The luminance term of SSIM assumes values that are not negative: for CT choose a window.

    Inputs
    ------
    reference
        What is taken as the truth.
    test
        What is judged.
    mask
        Where to compare; SSIM takes voxels whose whole window is inside.

    Outputs
    -------
    table
        One row.
    difference
        Test minus reference, float32 (float64 for wide types) on the reference grid; 0 where it is not defined.

    Parameters
    ----------
    data_range
        Range L of the values for PSNR and SSIM, such as the width of the display window; if not set, maximum minus
        minimum of the reference in the domain.
    bins
        Histogram bins per image for mutual information.
    ssim
        Window in 3-D, or 2-D in each slice (better for thick slices; for 2-D images the same).
    window_low
        Lower end of a window that is mapped to 0 for SSIM (L is then 1 for it); values below are clipped.
    window_high
        Upper end of the window that is mapped to 1 for SSIM; set both or none.
    """

    name: ClassVar[str] = "compare_images"
    title: ClassVar[str] = "Compare images"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 4.0
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {
        "CT soft tissue, SSIM in a window": {"window_low": -160.0, "window_high": 240.0},
        "CT, 12 bit range": {"data_range": 4095.0},
        "Slice by slice": {"ssim": "slices"},
    }

    data_range: Annotated[float | None, Quantity("", low=1e-12)] = None
    bins: Annotated[int, Quantity("", low=2, high=1024)] = 32
    ssim: Annotated[str, Choice("volume", "slices")] = "volume"
    window_low: Annotated[float | None, Quantity("")] = None
    window_high: Annotated[float | None, Quantity("")] = None

    def check(self) -> None:
        """Refuse half a window, and one whose ends are the wrong way round."""
        low, high = self.window_low, self.window_high
        if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
            raise ParameterError(
                f"{self.name}: window_low is {low} and window_high is {high}; set both with low below high, or none.",
                operation=self.name,
                field="window_low",
            )

    def run(self, reference: Image, test: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Compared:
        progress.report(0.0, "Comparing")
        inside = inside_of(mask)
        a = sitk.GetArrayViewFromImage(reference)
        moved, defined = _on(reference, test, progress)
        b = sitk.GetArrayViewFromImage(moved)
        outside = 0
        if defined is not None:
            asked = defined.size if inside is None else int(np.count_nonzero(inside))
            inside = defined if inside is None else inside & defined
            outside = asked - int(np.count_nonzero(inside))
        domain = Domain(a, b, inside)
        s = sums(domain, progress.part(0.0, 0.2))
        warn_nonfinite(_wrong(a, b, progress), "pair of images", progress, "they were left out, 0 in the difference")
        found = Findings(
            n=s.n,
            n_nonfinite=s.nonfinite,
            n_outside=outside,
            resampled=int(defined is not None),
            bins=self.bins,
            ssim_mode=self.ssim,
        )
        if s.nonfinite:
            found.warn("nonfinite_left_out")
        put_differences(found, s, s.high[0] - s.low[0] if self.data_range is None else self.data_range)
        put_correlation(found, s)
        put_information(found, domain, s, self.bins, progress)
        progress.report(0.3, "Structural similarity")
        self._put_ssim(found, domain, s.nonfinite, progress.part(0.3, 0.9))
        difference = _difference(a, b, defined, progress)
        return Compared(Measurements(COLUMNS, (found.row(progress),)), image_like(difference, reference))

    def _put_ssim(self, found: Findings, domain: Domain, nonfinite: int, progress: Progress) -> None:
        if nonfinite:
            found.missing("nonfinite_input", "ssim")
            return
        a, b, data_range = domain.a, domain.b, found.values["data_range"]
        if self.window_low is not None and self.window_high is not None:
            a, b = (_windowed(x, self.window_low, self.window_high, progress) for x in (a, b))
            data_range = 1.0
            found.warn("ssim_in_window")
        elif min(a.min(), b.min()) < 0:
            found.warn("ssim_of_negative_values")
        value, reason = structural_similarity(a, b, data_range, progress, domain.inside, self.ssim == "slices")
        found.put("ssim", value, reason)


def _on(reference: sitk.Image, test: sitk.Image, progress: Progress) -> tuple[sitk.Image, np.ndarray | None]:
    """The test image on the grid of the reference, and where it is defined (None: everywhere, same grid)."""
    grid, own = Grid.of(reference), Grid.of(test)
    if own.same_as(grid):
        return test, None
    if not own.overlaps(grid):
        raise GeometryError("The test image does not overlap the reference; check that both are of one patient.")
    progress.warn(
        f"The test image was resampled onto the reference grid ({grid.describe()}); only voxels where it "
        "is defined are compared."
    )
    moved = resample(sitk.Cast(test, sitk.sitkFloat64), grid, outside=0.0)
    where = _defined(grid, own, progress)
    if not where.any():
        raise GeometryError("The test image covers no voxel centre of the reference; they do not overlap.")
    return moved, where


def _defined(grid: Grid, own: Grid, progress: Progress) -> np.ndarray:
    """Voxels (k, j, i) of `grid` that lie between voxel centres of `own`.

    Interpolation repeats the border for another half voxel; what is made up there must not be compared.
    """
    where = np.ones(grid.size[::-1], bool)
    start = own.to_index(grid.to_physical(np.zeros((1, grid.dimension))))[0]
    steps = np.linalg.solve(own.axes, grid.axes)
    indices = [np.arange(n) for n in grid.size[::-1]]
    for part in slabs(where.shape, progress):
        ranges = np.meshgrid(indices[0][part], *indices[1:], indexing="ij", sparse=True)
        for axis in range(grid.dimension):
            at = start[axis] + sum(steps[axis, n] * ranges[-1 - n] for n in range(grid.dimension))
            where[part] &= (at >= -1e-6) & (at <= own.size[axis] - 1 + 1e-6)
    return where


def _wrong(a: np.ndarray, b: np.ndarray, progress: Progress) -> int:
    if a.dtype.kind != "f" and b.dtype.kind != "f":
        return 0
    return sum(int(np.count_nonzero(~(np.isfinite(a[p]) & np.isfinite(b[p])))) for p in slabs(a.shape, progress))


def _windowed(array: np.ndarray, low: float, high: float, progress: Progress) -> np.ndarray:
    out = np.empty(array.shape, np.float32)
    for part in slabs(array.shape, progress):
        out[part] = np.clip((array[part].astype(np.float64) - low) / (high - low), 0, 1)
    return out


def _difference(a: np.ndarray, b: np.ndarray, defined: np.ndarray | None, progress: Progress) -> np.ndarray:
    wide = any(x.dtype == np.float64 or (x.dtype.kind in "iu" and x.dtype.itemsize > 2) for x in (a, b))
    out = np.zeros(a.shape, np.float64 if wide else np.float32)
    for part in slabs(a.shape, progress):
        with np.errstate(invalid="ignore", over="ignore"):
            d = b[part].astype(np.float64) - a[part].astype(np.float64)
        good = np.isfinite(d) if defined is None else np.isfinite(d) & defined[part]
        np.copyto(out[part], d, where=good, casting="same_kind")
    return out

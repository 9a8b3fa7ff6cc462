"""Images on other grids: resampling in physical space, with the rounding that ITK leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk

from .blockwise import for_each, ranges
from .errors import GeometryError, ParameterError
from .geometry import Grid, image_like
from .kernels import interpolation as along_axis
from .kernels import separable
from .progress import SILENT, Progress, run_filter

INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline}
MatrixOf = Callable[[np.ndarray, int], np.ndarray]
MATRICES: dict[str, MatrixOf] = {"linear": along_axis.linear, "bspline": along_axis.cubic_spline}
SAME_PLACE = 1e-6
"""Voxels that a position may move across the whole image when two grids are taken for parallel."""


def resample(
    image: sitk.Image,
    grid: Grid,
    transform: sitk.Transform | None = None,
    interpolation: str = "linear",
    outside: float | None = None,
    *,
    anti_alias: bool = False,
    progress: Progress = SILENT,
) -> sitk.Image:
    """`image` on `grid`, same pixel type.

    ITK cuts the fraction off when it interpolates whole numbers, which lowers every value by half a
    step on average; here whole numbers are interpolated as floats, rounded and clipped to their type.
    Grids with parallel axes are interpolated axis by axis (equal to ITK to 1e-6 of the largest value, some
    ten times faster).

    Parameters
    ----------
    transform
        Maps points of `grid` to points of `image`, LPS millimetres; identity if None.
    interpolation
        `linear`, `nearest` (for labels) or `bspline` (cubic).
    outside
        Value where `image` is not defined; its smallest finite value if None.
    anti_alias
        Smooth along axes of `image` where the voxels of `grid` are longer, so that fine detail does not turn
        up as coarse patterns; a transform is taken for one that keeps lengths. Not with `nearest`.
    """
    if image.GetDimension() != grid.dimension:
        raise GeometryError(f"A {image.GetDimension()}-D image cannot be resampled onto a {grid.dimension}-D grid.")
    if outside is None:
        outside = smallest(image)
    whole = np.dtype(sitk.GetArrayViewFromImage(image).dtype)
    if interpolation == "nearest":
        return _by_itk(image, grid, transform, interpolation, outside, image.GetPixelID(), progress)
    own = Grid.of(image)
    sigmas = [along_axis.anti_alias_sigma(step) if anti_alias else 0.0 for step in _steps(own, grid, transform)]
    # NaN times 0 is NaN: in a matrix product it would spread over whole rows.
    parallel = _parallel(own, grid) if transform is None and _is_finite(image) else None
    if parallel is not None:
        values = _along_axes(image, grid, parallel, MATRICES[interpolation], sigmas, outside, progress)
        return image_like(of_type(values, whole), grid)
    if any(sigmas):
        image = _smoothed(image, sigmas, progress.part(0.0, 0.5))
        progress = progress.part(0.5, 1.0)
    working = _working_type(image)
    moved = _by_itk(image, grid, transform, interpolation, outside, working, progress)
    if whole == np.dtype(sitk.GetArrayViewFromImage(moved).dtype):
        return moved
    return image_like(of_type(sitk.GetArrayViewFromImage(moved), whole), grid)


def smallest(image: sitk.Image) -> float:
    """The smallest finite value of an image, 0 when there is none."""
    array = sitk.GetArrayViewFromImage(image)
    if array.dtype.kind in "iu":
        return float(array.min())
    lows = [float(part.min(where=np.isfinite(part), initial=np.inf)) for part in array]
    low = min(lows)
    return low if np.isfinite(low) else 0.0


def checked_value(value: float, image: sitk.Image, field: str) -> float:
    """`value` when the pixel type of the image can hold it, else `ParameterError` with the range of the type."""
    dtype = sitk.GetArrayViewFromImage(image).dtype
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max or value != int(value):
            raise ParameterError(
                f"{field} is {value:g}; voxels of the image are whole numbers from {limits.min} to {limits.max}.",
                field=field,
                value=repr(value),
            )
    elif abs(value) > float(np.finfo(dtype).max):
        raise ParameterError(f"{field} is {value:g}; the voxels of the image cannot hold it.", field=field)
    return value


def _is_finite(image: sitk.Image) -> bool:
    array = sitk.GetArrayViewFromImage(image)
    return array.dtype.kind in "iu" or all(bool(np.isfinite(part).all()) for part in array)


def _working_type(image: sitk.Image) -> int:
    """A float type that holds every value of the image; the image's own where it is one."""
    dtype = sitk.GetArrayViewFromImage(image).dtype
    if dtype.kind == "f":
        return int(image.GetPixelID())
    vector = image.GetNumberOfComponentsPerPixel() > 1
    names = {(False, False): sitk.sitkFloat32, (False, True): sitk.sitkVectorFloat32}
    names |= {(True, False): sitk.sitkFloat64, (True, True): sitk.sitkVectorFloat64}
    return int(names[dtype.itemsize > 2, vector])


def _by_itk(
    image: sitk.Image,
    grid: Grid,
    transform: sitk.Transform | None,
    interpolation: str,
    outside: float,
    kind: int,
    progress: Progress,
) -> sitk.Image:
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(list(grid.size))
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetTransform(transform or sitk.Transform(grid.dimension, sitk.sitkIdentity))
    resampler.SetInterpolator(INTERPOLATORS[interpolation])
    resampler.SetDefaultPixelValue(outside)
    resampler.SetOutputPixelType(kind)
    moved: sitk.Image = run_filter(resampler, image, progress=progress, message="Resampling")
    return moved


def of_type(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in `dtype`: rounded and clipped to its limits when it is a whole number."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    # The largest 64-bit integers are no float64: the next one above would wrap round.
    high = float(limits.max) if dtype.itemsize < 8 else float(np.nextafter(float(limits.max), 0))
    out: np.ndarray = np.empty(values.shape, dtype)

    def work(piece: tuple[int, int]) -> None:
        some = slice(*piece)
        rounded = np.rint(values[some])
        np.clip(rounded, limits.min, high, out=rounded)
        out[some] = rounded

    for_each(work, ranges(len(values), values[:1].size, separable.PIECE))
    return out


def _steps(own: Grid, grid: Grid, transform: sitk.Transform | None) -> list[float]:
    """Length of a voxel of `grid` along each axis (i, j, k) of `own`, in voxels of it."""
    if transform is not None and not transform.IsLinear():
        across = np.asarray(grid.axes)
    else:
        points = np.concatenate([np.zeros((1, grid.dimension)), np.eye(grid.dimension)])
        there = grid.to_physical(points)
        if transform is not None:
            there = np.array([transform.TransformPoint(point) for point in there.tolist()])
        across = (there[1:] - there[0]).T
    return np.linalg.norm(np.linalg.solve(own.axes, across), axis=1).tolist()


def _parallel(own: Grid, grid: Grid) -> tuple[list[float], list[float]] | None:
    """Start and step of `grid` along each axis (i, j, k) in voxels of `own`; None when its axes are not parallel."""
    across = np.linalg.solve(own.axes, grid.axes)
    steps = np.diag(across)
    if (np.abs(across - np.diag(steps)) * grid.size).max() > SAME_PLACE or (steps == 0).any():
        return None
    return own.to_index(np.array([grid.origin]))[0].tolist(), steps.tolist()


def _along_axes(
    image: sitk.Image,
    grid: Grid,
    parallel: tuple[list[float], list[float]],
    matrix_of: MatrixOf,
    sigmas: Sequence[float],
    outside: float,
    progress: Progress,
) -> np.ndarray:
    array = sitk.GetArrayViewFromImage(image)
    matrices: list[np.ndarray] = []
    gaps: list[np.ndarray] = []
    for axis, (start, step, sigma) in enumerate(zip(*parallel, sigmas, strict=True)):
        at, length = along_axis.positions(start, step, grid.size[axis]), image.GetSize()[axis]
        matrices.insert(0, along_axis.smoothed(matrix_of(at, length), sigma))
        gaps.insert(0, ~along_axis.defined(at, length))
    if array.ndim > grid.dimension:
        parts = array.shape[-1]
        values = np.stack([
            separable.apply(array[..., c], matrices, progress.part(c / parts, (c + 1) / parts), "Resampling")
            for c in range(parts)
        ], axis=-1)  # fmt: skip
    else:
        values = separable.apply(array, matrices, progress, "Resampling")
    for axis, gap in enumerate(gaps):
        if gap.any():
            values[(slice(None),) * axis + (gap,)] = outside
    return values


def _smoothed(image: sitk.Image, sigmas: list[float], progress: Progress) -> sitk.Image:
    """The image as float, smoothed along its axes (i, j, k) with these SD in voxels."""
    array = sitk.GetArrayViewFromImage(image)
    sizes = image.GetSize()
    matrices = [along_axis.smoothed(np.eye(n), s) if s > 0 else None for n, s in zip(sizes, sigmas)][::-1]
    if array.ndim > image.GetDimension():
        parts = [separable.apply(array[..., c], matrices, progress, "Smoothing") for c in range(array.shape[-1])]
        return image_like(np.stack(parts, axis=-1), image)
    return image_like(separable.apply(array, matrices, progress, "Smoothing"), image)


def on_grid(
    image: sitk.Image,
    grid: Grid,
    *,
    labels: bool = False,
    outside: float | None = None,
    what: str = "image",
    progress: Progress = SILENT,
) -> sitk.Image:
    """`image` on `grid`: as it is when the grids are the same, else resampled in physical space.

    Labels use the nearest neighbour and 0 outside. Images use linear interpolation and `outside`, by
    default the smallest value of the image. Resampling is reported as a warning. Raises
    `GeometryError` when the two do not overlap.
    """
    own = Grid.of(image)
    if own.same_as(grid):
        return image if own == grid else grid.put_on(sitk.Image(image))
    if not own.overlaps(grid):
        raise GeometryError(f"The {what} does not overlap the reference image; check that both are of one patient.")
    progress.warn(f"The {what} was resampled onto the reference grid ({grid.describe()}).")
    if labels:
        return resample(image, grid, interpolation="nearest", outside=0.0)
    return resample(image, grid, outside=outside)

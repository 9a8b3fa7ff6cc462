"""Images on other grids: resampling in physical space, with the rounding that ITK leaves out."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .errors import GeometryError
from .geometry import Grid, image_like
from .progress import SILENT, Progress

INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline}


def resample(
    image: sitk.Image,
    grid: Grid,
    transform: sitk.Transform | None = None,
    interpolation: str = "linear",
    outside: float | None = None,
) -> sitk.Image:
    """`image` on `grid`, same pixel type.

    ITK cuts the fraction off when it interpolates whole numbers, which lowers every value by half a
    step on average; here whole numbers are interpolated as floats, rounded and clipped to their type.

    Parameters
    ----------
    transform
        Maps points of `grid` to points of `image`, LPS millimetres; identity if None.
    interpolation
        `linear`, `nearest` (for labels) or `bspline` (cubic).
    outside
        Value where `image` is not defined; its smallest finite value if None.
    """
    transform = transform or sitk.Transform(grid.dimension, sitk.sitkIdentity)
    if outside is None:
        array = sitk.GetArrayViewFromImage(image)
        finite = array if array.dtype.kind in "iu" else array[np.isfinite(array)]
        outside = float(finite.min()) if finite.size else 0.0
    own_type = image.GetPixelID()
    working = own_type
    whole = np.dtype(sitk.GetArrayViewFromImage(image).dtype)
    if interpolation != "nearest" and whole.kind in "iu":
        wide = whole.itemsize > 2
        vector = image.GetNumberOfComponentsPerPixel() > 1
        names = {(False, False): sitk.sitkFloat32, (False, True): sitk.sitkVectorFloat32}
        names |= {(True, False): sitk.sitkFloat64, (True, True): sitk.sitkVectorFloat64}
        working = names[wide, vector]
    moved = sitk.Resample(
        image,
        list(grid.size),
        transform,
        INTERPOLATORS[interpolation],
        grid.origin,
        grid.spacing,
        grid.direction,
        outside,
        working,
    )
    if working == own_type:
        return moved
    values = sitk.GetArrayFromImage(moved)
    limits = np.iinfo(whole)
    # The largest 64-bit integers are no float64: the next one above would wrap round.
    high = float(limits.max) if whole.itemsize < 8 else float(np.nextafter(float(limits.max), 0))
    np.clip(np.rint(values, out=values), limits.min, high, out=values)
    return image_like(values.astype(whole), grid)


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

"""Where the voxels are: grids in LPS millimetres, and the one rule for comparing them.

Two images are on the same grid when their corner voxel centres agree within `SAME_GRID_VOXELS` of a
voxel. Images on the same grid are used as they are; other ones are resampled in physical space,
which is said in the log and the record; images that do not overlap at all are refused. Nothing is
ever compared by index.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import GeometryError

SAME_GRID_VOXELS = 1e-3
ORTHONORMAL_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grid:
    """A lattice of voxel centres in 2-D or 3-D.

    Attributes
    ----------
    size
        Number of voxels along (i, j, k), the order of SimpleITK; numpy arrays are (k, j, i).
    spacing
        Distance of neighbouring centres along (i, j, k) in millimetres.
    origin
        LPS position of the centre of voxel (0, 0, 0) in millimetres.
    direction
        Row-major matrix whose columns are the LPS unit vectors of the i, j and k axis.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        """The grid of an image."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def canonical(self) -> Grid:
        """The grid without the last digits: spacing and direction to 12, origin to 9 decimals.

        A way through a file header or a 4 x 4 matrix of the scene changes the last bits, and with them the
        last bits of an optimised result. Files and nodes both give canonical grids, so that the same image
        gives the same result to the bit whichever way it came.
        """
        spacing = tuple(float(f"{s:.12g}") for s in self.spacing)
        origin = tuple(round(o, 9) + 0.0 for o in self.origin)
        return Grid(self.size, spacing, origin, tuple(round(d, 12) + 0.0 for d in self.direction))

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def axes(self) -> np.ndarray:
        """Matrix (d, d) whose columns lead from one voxel centre to the next, in LPS millimetres."""
        return np.reshape(self.direction, (self.dimension,) * 2) * np.asarray(self.spacing)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of a voxel in mm3 (area in mm2 for 2-D)."""
        return float(abs(np.linalg.det(self.axes)))

    @property
    def spacing_kji(self) -> tuple[float, ...]:
        """Spacing in the order of numpy axes."""
        return tuple(reversed(self.spacing))

    @property
    def corners(self) -> np.ndarray:
        """LPS positions of the corner voxel centres, shape (2 ** d, d)."""
        return self.to_physical(np.array(list(product(*[(0, n - 1) for n in self.size])), float))

    def to_physical(self, index: np.ndarray) -> np.ndarray:
        """LPS millimetres of continuous indices (i, j, k), both of shape (N, d)."""
        return np.asarray(index, float) @ self.axes.T + np.asarray(self.origin)

    def to_index(self, points: np.ndarray) -> np.ndarray:
        """Continuous indices (i, j, k) of LPS points, both of shape (N, d)."""
        return np.linalg.solve(self.axes, (np.asarray(points, float) - np.asarray(self.origin)).T).T

    def same_as(self, other: Grid) -> bool:
        """Whether the corners agree within a thousandth of a voxel."""
        if self.size != other.size:
            return False
        return bool(np.abs(self.to_index(other.corners) - self.to_index(self.corners)).max() <= SAME_GRID_VOXELS)

    def overlaps(self, other: Grid) -> bool:
        """Whether the boxes of the two grids share space (separating axis test, borders included)."""
        if self.dimension != other.dimension:
            return False
        a, b = _box_corners(self), _box_corners(other)
        normals = [*np.linalg.inv(self.axes), *np.linalg.inv(other.axes)]
        if self.dimension == 3:
            normals += [np.cross(u, v) for u in self.axes.T for v in other.axes.T]
        for normal in normals:
            length = np.linalg.norm(normal)
            if length < 1e-9:
                continue
            p, q = a @ normal / length, b @ normal / length
            if p.max() < q.min() or q.max() < p.min():
                return False
        return True

    def describe(self) -> str:
        """`48 x 40 x 32 voxels of 1 x 1.5 x 2 mm` for messages."""
        size = " x ".join(str(n) for n in self.size)
        return f"{size} voxels of {' x '.join(f'{s:.4g}' for s in self.spacing)} mm"

    def blank(self, pixel_type: int = sitk.sitkUInt8) -> sitk.Image:
        """An image of zeros on this grid."""
        return self.put_on(sitk.Image(list(self.size), pixel_type))

    def put_on(self, image: sitk.Image) -> sitk.Image:
        """Give `image` (changed in place and returned) the geometry of this grid."""
        image.SetOrigin(self.origin)
        image.SetSpacing(self.spacing)
        image.SetDirection(self.direction)
        return image


def _box_corners(grid: Grid) -> np.ndarray:
    """Outer corners of the voxels, half a voxel beyond the corner centres."""
    return grid.to_physical(np.array(list(product(*[(-0.5, n - 0.5) for n in grid.size]))))


def check_orthonormal(direction: tuple[float, ...], what: str) -> None:
    """Raise `GeometryError` when the axes are sheared: ITK cannot represent such an image."""
    n = round(len(direction) ** 0.5)
    axes = np.reshape(direction, (n, n))
    if not np.isfinite(axes).all() or np.abs(axes.T @ axes - np.eye(n)).max() > ORTHONORMAL_TOLERANCE:
        raise GeometryError(f"{what} has axes that are not at right angles; resample it to an orthogonal grid first.")


def image_like(array: np.ndarray, reference: sitk.Image | Grid) -> sitk.Image:
    """An image with the voxels of `array` (k, j, i[, component]) on the grid of `reference`."""
    grid = reference if isinstance(reference, Grid) else Grid.of(reference)
    image = sitk.GetImageFromArray(array, isVector=array.ndim > grid.dimension)
    return grid.put_on(image)


class _Buffer:
    """The voxels of an image as something that numpy writes into; it keeps the image."""

    def __init__(self, image: sitk.Image) -> None:
        view = sitk.GetArrayViewFromImage(image)
        self.image = image
        self.__array_interface__ = {**view.__array_interface__, "data": (view.ctypes.data, False)}


def new_image(dtype: Any, reference: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    """An image, float32 or float64, on the grid of `reference`, and its voxels (k, j, i), to be written all of them.

    For results that are as large as the image: `image_like` would copy them. The array is to be forgotten before
    anybody else gets the image.
    """
    kind = {np.float32: sitk.sitkFloat32, np.float64: sitk.sitkFloat64}[dtype]
    # The threads of a cast touch new memory in half of the time in which one of them fills it with zeros.
    other = reference.GetPixelID() != kind
    image = sitk.Cast(reference, kind) if other else Grid.of(reference).blank(kind)
    return image, np.asarray(_Buffer(image))


def union_grid(reference: Grid, other: Grid) -> Grid:
    """The lattice of `reference`, extended by whole voxels until it covers both images."""
    index = reference.to_index(other.corners)
    low = np.minimum(np.floor(index.min(axis=0) + 1e-6).astype(int), 0)
    high = np.maximum(np.ceil(index.max(axis=0) - 1e-6).astype(int), np.asarray(reference.size) - 1)
    size = tuple(int(n) for n in high - low + 1)
    return Grid(size, reference.spacing, tuple(reference.to_physical(low[None])[0].tolist()), reference.direction)

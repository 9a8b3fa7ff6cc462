"""Volume nodes and images: one copy each way, geometry from the node, every pixel type by a stated rule.

Pixel types that a volume node cannot hold, or not save, are stored so that no value changes: 64-bit
integers as 32-bit ones, int8 as int16, bool as uint8, float16 as float32. Values that do not fit are refused.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import GeometryError, InputError
from ..geometry import Grid
from ..progress import SILENT, Progress
from . import frames

DIMENSION = "MedImgAnalysis.Dimension"
"""Node attribute `2` of a volume or segmentation that was 2-D, so that it becomes so again."""
FLAT_MM = 1e-6
"""How far a slice may be from the plane of 2-D images."""


def node_grid(node: Any, world: bool = True) -> Grid:
    """The 3-D grid (LPS) of a volume node; raises `GeometryError` when it is sheared."""
    data = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None or 0 in data.GetDimensions():
        raise InputError(
            f"The volume {frames.identifier(node)} has no voxels; load or choose another one.", node=node.GetID()
        )
    return frames.matrix_grid(_matrix(node, world), data.GetDimensions(), f"The volume {frames.identifier(node)}")


def _matrix(node: Any, world: bool) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    own = frames.to_array(matrix)
    if not world or frames.parent_of(node) is None:
        return own
    parent = frames.world_matrix(frames.parent_of(node))
    if parent is None:
        raise GeometryError(f"The volume {frames.identifier(node)} is under a transform that is not linear.")
    return parent @ own


def image_of(node: Any, *, world: bool = True, progress: Progress = SILENT) -> sitk.Image:
    """The voxels of a volume node as an image in LPS millimetres, exactly one copy.

    Parameters
    ----------
    node
        Scalar, label map or vector volume node.
    world
        With the parent transforms applied. A linear one goes into the geometry and changes no
        voxel; a non-linear or shearing one means resampling (linear, label maps nearest), which is
        said through `progress`.

    Raises
    ------
    InputError
        The node is not a volume or has no voxels, or has tensors or bits.
    GeometryError
        The axes of the volume itself are not at right angles.
    """
    frames.expect(node, "vtkMRMLVolumeNode", "a volume")
    grid = node_grid(node, world=False)
    image = _on_grid(array_of(node), grid)
    parent = frames.parent_of(node)
    if world and parent is not None:
        matrix = frames.world_matrix(parent)
        moved = None if matrix is None else matrix @ frames.grid_matrix(grid)
        if moved is None or not frames.orthogonal(moved):
            progress.warn(f"The volume {node.GetName()!r} is under a transform that bends or shears; it was resampled.")
            return hardened(image, parent, labels=is_labelmap(node))
        image = frames.matrix_grid(moved, grid.size, "The volume").put_on(image)
    return flat(image) if node.GetAttribute(DIMENSION) == "2" else image


def is_labelmap(node: Any) -> bool:
    """Whether a volume node holds labels rather than intensities."""
    return bool(node.IsA("vtkMRMLLabelMapVolumeNode"))


def array_of(node: Any) -> np.ndarray:
    """The voxels of a node as a view (k, j, i[, component]); it dies with the image data of the node."""
    scalars = node.GetImageData().GetPointData().GetScalars()
    if scalars.GetDataType() == vtk.VTK_BIT:
        raise InputError(f"The volume {frames.identifier(node)} has packed bits; convert it to unsigned char first.")
    components = scalars.GetNumberOfComponents()
    shape = tuple(reversed(node.GetImageData().GetDimensions()))
    return vtk_to_numpy(scalars).reshape(shape + ((components,) if components > 1 else ()))


def _on_grid(array: np.ndarray, grid: Grid) -> sitk.Image:
    return grid.put_on(sitk.GetImageFromArray(array, isVector=array.ndim > 3))


def flat(image: sitk.Image) -> sitk.Image:
    """A one-slice volume in the plane of z = 0 as the 2-D image it was; else as it is."""
    if image.GetDimension() != 3 or image.GetSize()[2] != 1 or abs(image.GetOrigin()[2]) > FLAT_MM:
        return image
    direction = np.reshape(image.GetDirection(), (3, 3))
    if np.abs(direction[2, :2]).max() > 1e-9 or np.abs(direction[:2, 2]).max() > 1e-9:
        return image
    collapse = sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOSUBMATRIX
    return sitk.Extract(image, [*image.GetSize()[:2], 0], [0, 0, 0], collapse)


def hardened(image: sitk.Image, parent: Any, *, labels: bool) -> sitk.Image:
    """`image` of a node under `parent`, resampled to where it is in the world.

    The grid keeps spacing and (as far as possible) direction and covers the whole moved volume.
    The exact map is evaluated at every voxel centre. Outside is the smallest value, 0 for labels.
    """
    grid = _world_grid(Grid.of(image), parent)
    field = np.empty((*reversed(grid.size), 3))
    index = np.array(list(product(range(grid.size[1]), range(grid.size[0]))))[:, ::-1]
    inverse = frames.from_world(parent)
    for k in range(grid.size[2]):
        points = grid.to_physical(np.column_stack([index, np.full(len(index), k)]))
        moved = frames.map_points(inverse, points * (-1, -1, 1)) * (-1, -1, 1)
        field[k] = (moved - points).reshape(grid.size[1], grid.size[0], 3)
    displacement = sitk.DisplacementFieldTransform(grid.put_on(sitk.GetImageFromArray(field, isVector=True)))
    outside = 0.0 if labels else float(np.min(sitk.GetArrayViewFromImage(image)))
    method = sitk.sitkNearestNeighbor if labels else sitk.sitkLinear
    kind = image.GetPixelID() if labels or "float" in image.GetPixelIDTypeAsString() else _float(image)
    return sitk.Resample(
        image, list(grid.size), displacement, method, grid.origin, grid.spacing, grid.direction, outside, kind
    )


def _float(image: sitk.Image) -> int:
    return sitk.sitkFloat32 if image.GetNumberOfComponentsPerPixel() == 1 else sitk.sitkVectorFloat32


def _world_grid(grid: Grid, parent: Any) -> Grid:
    steps = [np.unique(np.linspace(0, n - 1, 9)) for n in grid.size]
    index = np.array([p for p in product(*steps) if any(v in (0, n - 1) for v, n in zip(p, grid.size))])
    points = grid.to_physical(index)
    moved = frames.map_points(frames.to_world(parent), points * (-1, -1, 1)) * (-1, -1, 1)
    centred, target = points - points.mean(axis=0), moved - moved.mean(axis=0)
    left, _, right = np.linalg.svd(target.T @ centred)  # the rotation nearest to the map
    direction = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right @ np.reshape(grid.direction, (3, 3))
    along = moved @ direction
    low, high = along.min(axis=0), along.max(axis=0)
    spacing = np.asarray(grid.spacing)
    size = np.maximum(np.ceil((high - low) / spacing - 1e-6).astype(int) + 1, 1)
    start = (low + high) / 2 - (size - 1) / 2 * spacing
    return Grid(
        tuple(int(n) for n in size),
        grid.spacing,
        tuple((direction @ start).tolist()),
        tuple(direction.ravel().tolist()),
    )


def storable(array: np.ndarray, what: str = "image") -> np.ndarray:
    """`array` in a type that nodes hold and save, values unchanged; `InputError` when that is not possible."""
    kind = array.dtype
    if kind == np.bool_:
        return array.astype(np.uint8)
    if kind == np.int8:  # no writer of Slicer knows signed char: one such node, and the scene cannot be saved
        return array.astype(np.int16)
    if kind == np.float16:
        return array.astype(np.float32)
    if kind in (np.dtype(np.int64), np.dtype(np.uint64)):
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        for target in (np.int32, np.uint32):
            if np.iinfo(target).min <= low and high <= np.iinfo(target).max:
                return array.astype(target)
        if max(-low, high) <= 1 << 53:
            return array.astype(np.float64)
        raise InputError(f"The {what} has whole numbers beyond 2^53, which no volume node can hold; rescale it first.")
    if kind.kind in "iuf" and kind.itemsize in (1, 2, 4, 8):
        return array
    raise InputError(f"The {what} has voxels of type {kind}, which no volume node can hold; convert it first.")


def stored(image: sitk.Image) -> sitk.Image:
    """`image` as a volume node gives it back: only 64-bit integers and int8 change their type."""
    if sitk.GetArrayViewFromImage(image).dtype not in (np.int8, np.int64, np.uint64):
        return image
    vector = image.GetNumberOfComponentsPerPixel() > 1
    return Grid.of(image).put_on(sitk.GetImageFromArray(storable(sitk.GetArrayFromImage(image)), isVector=vector))


def node_class(image: sitk.Image) -> str:
    """The class of the volume node for an image."""
    return "vtkMRMLVectorVolumeNode" if image.GetNumberOfComponentsPerPixel() > 1 else "vtkMRMLScalarVolumeNode"


def put_image(image: sitk.Image, node: Any) -> None:
    """Give `node` the voxels and geometry of `image` (node-local), exactly one copy.

    VTK adopts the copy, so `image` can be changed or dropped afterwards. Raises `InputError` for
    images that no volume node can hold.
    """
    if image.GetDimension() not in (2, 3):
        raise InputError(f"An image of {image.GetDimension()} dimensions cannot be a volume node; choose one frame.")
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError("Complex voxels cannot be a volume node; take the magnitude first.")
    if 0 in image.GetSize():
        raise InputError("The image has no voxels.")
    components = image.GetNumberOfComponentsPerPixel()
    array = storable(sitk.GetArrayFromImage(image))
    scalars = numpy_to_vtk(array.reshape(-1, components) if components > 1 else array.ravel(), deep=0)
    scalars.SetName("ImageScalars")
    data = vtk.vtkImageData()  # origin 0, spacing 1: the geometry is the node's
    data.SetDimensions((*image.GetSize(), 1)[:3])
    data.GetPointData().SetScalars(scalars)
    before = node.StartModify()
    node.SetIJKToRASMatrix(frames.to_matrix(frames.grid_matrix(Grid.of(image))))
    node.SetAndObserveImageData(data)
    node.SetAttribute(DIMENSION, "2" if image.GetDimension() == 2 else None)
    node.EndModify(before)


def keep_voxel_order(node: Any, image: sitk.Image) -> None:
    """Make a saved scene give back the voxels of left-handed images as they are; `node` is a volume or a sequence.

    By default the k axis is turned round on reading. Every voxel would be in the same place, but they would no longer
    be the voxels that records of runs tell of.
    """
    if np.linalg.det(frames.grid_matrix(Grid.of(image))[:3, :3]) >= 0:
        return
    if node.GetStorageNode() is None:
        node.AddDefaultStorageNode()
    storage = node.GetStorageNode()
    if hasattr(storage, "SetForceRightHandedIJKCoordinateSystem"):
        storage.SetForceRightHandedIJKCoordinateSystem(False)


def keep_display(node: Any, source: Any) -> None:
    """Give `node` the unit, window, level and colours of `source`, which shows the same quantity."""
    node.SetVoxelValueQuantity(source.GetVoxelValueQuantity())
    node.SetVoxelValueUnits(source.GetVoxelValueUnits())
    own, other = node.GetScalarVolumeDisplayNode(), source.GetScalarVolumeDisplayNode()
    if own is None or other is None:
        return
    own.SetAndObserveColorNodeID(other.GetColorNodeID())
    # Also where they were found automatically: else the picture would get another contrast than that beside it.
    own.SetAutoWindowLevel(0)
    own.SetWindowLevel(other.GetWindow(), other.GetLevel())


def new_display(node: Any) -> None:
    """A display node where there is none, else automatic window and level; units are cleared."""
    node.SetVoxelValueQuantity(None)
    node.SetVoxelValueUnits(None)
    display = node.GetDisplayNode()
    if display is None:
        node.CreateDefaultDisplayNodes()
    elif display.IsA("vtkMRMLScalarVolumeDisplayNode"):
        display.SetAutoWindowLevel(1)

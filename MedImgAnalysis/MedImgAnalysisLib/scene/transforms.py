"""Transform nodes and SimpleITK transforms.

A `Transform` maps fixed points to moving points in LPS millimetres. In a node that is the transform
*from parent* (in RAS): a moving volume that is put under the node appears registered.

Linear transforms and displacement grids are built directly, so that both sides compute the same
(grids with linear interpolation, as ITK does it); B-splines and composites go through a file that
both know. Whatever the way, points through both are compared afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import GeometryError, InputError
from ..geometry import Grid
from ..progress import SILENT, Progress
from . import frames
from .volumes import DIMENSION

AGREEMENT_MM = 1e-3
NOTICEABLE_MM = 0.01
FLIP3 = np.diag([-1.0, -1.0, 1.0])


def transform_of(node: Any, *, world: bool = True, progress: Progress = SILENT) -> sitk.Transform:
    """The transform of a node, fixed points to moving points in LPS millimetres.

    Parameters
    ----------
    node
        Transform node of any kind.
    world
        The node maps the space under its parent onto itself; with `world` the same map is given in
        world coordinates, as all other values are.

    progress
        Gets a warning where a displacement grid is shown with cubic interpolation (Slicer's readers choose
        that) and ITK, which interpolates linearly, maps points elsewhere by more than 0.01 mm.

    Raises
    ------
    InputError
        Not a transform node, or one that SimpleITK cannot represent, such as a thin-plate spline or
        the inverse of a B-spline; convert it to a displacement grid first.
    """
    frames.expect(node, "vtkMRMLTransformNode", "a transform")
    result = _own(node, progress)
    parent = frames.parent_of(node)
    if not world or parent is None:
        return result
    matrix = frames.world_matrix(parent)
    if matrix is None:
        raise GeometryError(
            f"The transform {frames.identifier(node)} is under a transform that is not linear; take it out.",
            node=node.GetID(),
        )
    outward = frames.FLIP @ matrix @ frames.FLIP
    own = linear_matrix(result)
    if own is not None:
        return affine(outward @ own @ np.linalg.inv(outward))
    composite = sitk.CompositeTransform(3)  # the last one added is applied first
    for part in (affine(outward), result, affine(np.linalg.inv(outward))):
        composite.AddTransform(part)
    return composite


def _own(node: Any, progress: Progress) -> sitk.Transform:
    if node.GetTransformFromParent() is None or node.IsLinear():
        matrix = vtk.vtkMatrix4x4()
        node.GetMatrixTransformFromParent(matrix)
        return _flat(affine(frames.FLIP @ frames.to_array(matrix) @ frames.FLIP), node)
    grid = node.GetTransformFromParentAs("vtkOrientedGridTransform", False, True)
    if grid is not None and not grid.GetInverseFlag() and grid.GetDisplacementGrid() is not None:
        field = _displacements(grid)
        apart = _apart(field, grid)
        if apart > NOTICEABLE_MM:
            progress.warn(
                f"The grid of the transform {node.GetName()!r} is shown with "
                f"{grid.GetInterpolationModeAsString().lower()} interpolation; computing with linear "
                f"interpolation differs by up to {apart:.2g} mm."
            )
        return field
    result = _through_file(node)
    apart = _apart(result, _map_of(node))
    if apart > AGREEMENT_MM and _apart(result, _map_of(node), _from_file(result, linear=False)) <= AGREEMENT_MM:
        if apart > NOTICEABLE_MM:
            progress.warn(
                f"The grids in the transform {node.GetName()!r} are shown with cubic interpolation; computing with "
                f"linear interpolation differs by up to {apart:.2g} mm."
            )
        return result
    _compare(result, node, "cannot be read", AGREEMENT_MM)
    return result


def affine(matrix: np.ndarray) -> sitk.AffineTransform:
    """A 4x4 LPS matrix as a transform."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def linear_matrix(transform: sitk.Transform) -> np.ndarray | None:
    """The 4x4 LPS matrix of a transform (2-D ones lie in the plane of z = 0); None when it is not linear."""
    if not _linear(transform):
        return None
    dimension = transform.GetDimension()
    matrix = np.eye(4)
    offset = np.array(transform.TransformPoint([0.0] * dimension))
    for axis in range(dimension):
        unit = [0.0] * dimension
        unit[axis] = 1.0
        matrix[:dimension, axis] = np.array(transform.TransformPoint(unit)) - offset
    matrix[:dimension, 3] = offset
    return matrix


def _linear(transform: sitk.Transform) -> bool:
    plain = transform.Downcast() if type(transform) is sitk.Transform else transform
    if isinstance(plain, sitk.CompositeTransform):
        return all(_linear(plain.GetNthTransform(i)) for i in range(plain.GetNumberOfTransforms()))
    return bool(plain.IsLinear())


def _flat(transform: sitk.AffineTransform, node: Any) -> sitk.Transform:
    """The 2-D transform that the node was made from, as long as it still is one."""
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    shift = np.array(transform.GetTranslation())
    in_plane = not ((matrix[2] - (0, 0, 1)).any() or matrix[:2, 2].any() or shift[2])
    if node.GetAttribute(DIMENSION) != "2" or not in_plane:
        return transform
    flat = sitk.AffineTransform(2)
    flat.SetMatrix(matrix[:2, :2].ravel().tolist())
    flat.SetTranslation(shift[:2].tolist())
    return flat


def _displacements(grid: Any) -> sitk.DisplacementFieldTransform:
    image = grid.GetDisplacementGrid()
    shape = (*reversed(image.GetDimensions()), 3)
    vectors = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape).astype(np.float64)
    vectors = (vectors * grid.GetDisplacementScale() + grid.GetDisplacementShift()) * (-1, -1, 1)
    matrix = grid.GetGridDirectionMatrix()
    direction = FLIP3 @ (frames.to_array(matrix)[:3, :3] if matrix else np.eye(3))
    field = sitk.GetImageFromArray(vectors, isVector=True)
    field.SetSpacing(image.GetSpacing())
    field.SetOrigin((np.array(image.GetOrigin()) * (-1, -1, 1)).tolist())
    field.SetDirection(direction.ravel().tolist())
    return sitk.DisplacementFieldTransform(field)


def _through_file(node: Any) -> sitk.Transform:
    storage = slicer.vtkMRMLTransformStorageNode()
    with tempfile.TemporaryDirectory(prefix="medimg-") as folder:
        path = Path(folder) / "transform.h5"
        storage.SetFileName(str(path))
        try:
            if storage.WriteData(node):
                return sitk.ReadTransform(str(path))
        except RuntimeError:  # written, but of a class that only Slicer has
            pass
    raise InputError(
        f"The transform {frames.identifier(node)} is of a kind that cannot be used here (a "
        "thin-plate spline or an inverted B-spline, for example); convert it to a grid transform "
        "first.",
        node=node.GetID(),
    )


def node_class(transform: sitk.Transform) -> str:
    """The class of the transform node for a transform."""
    plain = transform.Downcast() if type(transform) is sitk.Transform else transform
    if _linear(plain):
        return "vtkMRMLLinearTransformNode"
    if isinstance(plain, sitk.DisplacementFieldTransform):
        return "vtkMRMLGridTransformNode"
    if isinstance(plain, sitk.BSplineTransform):
        return "vtkMRMLBSplineTransformNode"
    return "vtkMRMLTransformNode"


def fits(node: Any, transform: sitk.Transform) -> bool:
    """Whether a node of this class can hold the transform."""
    return node.GetClassName() in (node_class(transform), "vtkMRMLTransformNode")


def put_transform(transform: sitk.Transform, node: Any) -> None:
    """Give `node` the transform (fixed to moving, LPS) as its transform from parent.

    Raises `InputError` when the node is of another class than the transform needs, for 2-D
    transforms that are not linear and for splines that Slicer cannot represent.
    """
    plain = transform.Downcast() if type(transform) is sitk.Transform else transform
    if not fits(node, plain):
        raise InputError(
            f"{frames.identifier(node)} is a {node.GetNodeTagName()} node; this result needs a "
            f"{node_class(plain).removeprefix('vtkMRML').removesuffix('Node')} node.",
            node=node.GetID(),
        )
    matrix = linear_matrix(plain)
    if matrix is None and plain.GetDimension() != 3:
        raise InputError("A 2-D transform that is not linear cannot be a transform node.")
    vtk_transform: Any
    if matrix is not None:
        vtk_transform = vtk.vtkTransform()
        vtk_transform.SetMatrix(frames.to_matrix(frames.FLIP @ matrix @ frames.FLIP))
    elif isinstance(plain, sitk.DisplacementFieldTransform):
        vtk_transform = _grid(plain)
    else:
        vtk_transform = _from_file(plain)
    if matrix is None:
        _compare(plain, vtk_transform, "cannot be shown in Slicer as it is", AGREEMENT_MM)
    before = node.StartModify()
    node.SetAndObserveTransformFromParent(None)  # else a matrix set on a spline would be ignored
    if matrix is not None:
        node.SetMatrixTransformFromParent(vtk_transform.GetMatrix())
    else:
        node.SetAndObserveTransformFromParent(vtk_transform)
    node.SetAttribute(DIMENSION, "2" if plain.GetDimension() == 2 else None)
    node.EndModify(before)


def _grid(transform: sitk.DisplacementFieldTransform) -> Any:
    field = transform.GetDisplacementField()
    vectors = sitk.GetArrayFromImage(field).astype(np.float64)
    vectors[..., :2] *= -1
    image = vtk.vtkImageData()
    image.SetDimensions(field.GetSize())
    image.SetSpacing(field.GetSpacing())
    image.SetOrigin(*(np.array(field.GetOrigin()) * (-1, -1, 1)))
    image.GetPointData().SetScalars(numpy_to_vtk(vectors.reshape(-1, 3), deep=1))
    direction = np.eye(4)
    direction[:3, :3] = FLIP3 @ np.reshape(field.GetDirection(), (3, 3))
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    grid.SetGridDirectionMatrix(frames.to_matrix(direction))
    grid.SetInterpolationModeToLinear()  # as ITK does; Slicer's reader would take cubic
    return grid


def _from_file(transform: sitk.Transform, linear: bool = True) -> Any:
    """B-splines and composites, read by Slicer's own converter into a node outside the scene.

    It interpolates grids by cubic splines, as in a scene that was loaded, unless `linear`.
    """
    node = slicer.vtkMRMLTransformNode()
    storage = slicer.vtkMRMLTransformStorageNode()
    with tempfile.TemporaryDirectory(prefix="medimg-") as folder:
        path = Path(folder) / "transform.h5"
        sitk.WriteTransform(transform, str(path))
        storage.SetFileName(str(path))
        if not storage.ReadData(node):
            raise InputError(f"This transform ({transform.GetName()}) cannot be a transform node.")
    found = node.GetTransformFromParent()
    if linear:
        _linear_grids(found)
    return found


def _linear_grids(transform: Any) -> None:
    if transform.IsA("vtkOrientedGridTransform"):
        transform.SetInterpolationModeToLinear()
    elif transform.IsA("vtkGeneralTransform"):
        for number in range(transform.GetNumberOfConcatenatedTransforms()):
            _linear_grids(transform.GetConcatenatedTransform(number))


def _compare(transform: sitk.Transform, other: Any, problem: str, tolerance: float) -> None:
    """Raise `InputError` unless points of the domain go the same way through both."""
    apart = _apart(transform, _map_of(other) if other.IsA("vtkMRMLTransformNode") else other)
    if not apart <= tolerance:
        raise InputError(
            f"This transform ({transform.GetName()}) {problem}: points differ by {apart:.3g} mm.{_advice(transform)}"
        )


def _advice(transform: sitk.Transform) -> str:
    """What to do about fields that a composite holds: ITK lets points beyond a grid stay, Slicer carries them on."""
    if not any(isinstance(part, sitk.DisplacementFieldTransform) for part in _parts(transform)[1:]):
        return ""
    return (
        " Beyond the grid of a displacement field Slicer goes on with the values at its border. First run "
        "to_displacement_field on each of the transforms with one reference that covers both, such as the fixed image; "
        "in a recipe, run it on the composed transform."
    )


def _map_of(node: Any) -> vtk.vtkGeneralTransform:
    general = vtk.vtkGeneralTransform()
    general.Concatenate(node.GetTransformFromParent())
    return general


def _apart(transform: sitk.Transform, other: vtk.vtkAbstractTransform, than: Any = None) -> float:
    """How many millimetres points of the domain come out apart, at the most along an axis; with `than`, apart from
    where that takes them."""
    points = _probe_points(transform)
    moved = frames.map_points(other, points * (-1, -1, 1)) * (-1, -1, 1)
    if than is not None:
        expected = frames.map_points(than, points * (-1, -1, 1)) * (-1, -1, 1)
    else:
        expected = np.array([transform.TransformPoint(p.tolist()) for p in points]).reshape(-1, 3)
    return float(np.abs(moved - expected).max(initial=0.0))


def _probe_points(transform: sitk.Transform) -> np.ndarray:
    """Points (LPS) at which ITK and Slicer must agree: where every spline on the way has support.

    Beyond its support ITK leaves points where they are, while Slicer lets the spline fade out.
    """
    parts = _parts(transform)
    before = np.eye(4)  # what the linear parts do ahead of the first grid or spline
    points = np.random.default_rng(0).uniform(-150, 150, (200, 3))
    for part in parts:
        matrix = linear_matrix(part)
        if matrix is None:
            inside = _inside(part, np.random.default_rng(0).uniform(0.02, 0.98, (200, 3)))
            back = np.linalg.inv(before)
            points = inside @ back[:3, :3].T + back[:3, 3]
            break
        before = matrix @ before
    kept = points
    moved = points
    for part in parts:
        if isinstance(part, sitk.BSplineTransform):
            index = Grid.of(part.GetCoefficientImages()[0]).to_index(moved)
            high = np.asarray(part.GetCoefficientImages()[0].GetSize()) - 2
            good = ((index >= 1) & (index <= high)).all(axis=1)
            kept, moved = kept[good], moved[good]
        moved = np.array([part.TransformPoint(p.tolist()) for p in moved]).reshape(-1, 3)
    return kept


def _parts(transform: sitk.Transform) -> list[sitk.Transform]:
    """The simple transforms of a transform in the order in which points go through them."""
    plain = transform.Downcast() if type(transform) is sitk.Transform else transform
    if not isinstance(plain, sitk.CompositeTransform):
        return [plain]
    numbers = reversed(range(plain.GetNumberOfTransforms()))
    return [part for number in numbers for part in _parts(plain.GetNthTransform(number))]


def _inside(part: sitk.Transform, fractions: np.ndarray) -> np.ndarray:
    """Points at fractions (N, 3) of the domain of a displacement field or B-spline."""
    if isinstance(part, sitk.BSplineTransform):
        grid = Grid.of(part.GetCoefficientImages()[0])
        return grid.to_physical(1 + fractions * (np.asarray(grid.size) - 3))
    if isinstance(part, sitk.DisplacementFieldTransform):
        grid = Grid.of(part.GetDisplacementField())
        return grid.to_physical(fractions * (np.asarray(grid.size) - 1))
    return 300 * fractions - 150

"""What flows between operations: images, masks, labels, transforms, landmarks, tables, curves, surfaces, frames.

Positions are LPS millimetres. `Image`, `Mask` and `Transform` are plain SimpleITK objects; the
annotation only tells which role they play, so `run(image=sitk_image)` needs no wrapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import SimpleITK as sitk

from .errors import GeometryError, InputError
from .frames import Frames as Frames
from .geometry import Grid


@dataclass(frozen=True)
class Kind:
    """Marks the role of a SimpleITK object in an annotation."""

    name: str


Image = Annotated[sitk.Image, Kind("image")]
Mask = Annotated[sitk.Image, Kind("mask")]
Transform = Annotated[sitk.Transform, Kind("transform")]
TransformFrames = Annotated[Frames, Kind("transform")]
"""An output of as many transforms as an input has frames; `Frames` without a kind are images."""

Color = tuple[float, float, float]

PALETTE: tuple[Color, ...] = (
    (0.90, 0.36, 0.24),
    (0.27, 0.62, 0.83),
    (0.44, 0.72, 0.34),
    (0.94, 0.75, 0.23),
    (0.62, 0.43, 0.73),
    (0.35, 0.75, 0.70),
    (0.91, 0.53, 0.70),
    (0.63, 0.47, 0.33),
    (0.56, 0.60, 0.66),
    (0.74, 0.78, 0.28),
)


@dataclass(frozen=True)
class Segment:
    """One named structure. `layer` and `value` say where its voxels are in `Labels.layers`."""

    id: str
    name: str
    color: Color
    layer: int = 0
    value: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Labels:
    """Ordered segments on one grid; segments in different layers may overlap.

    Attributes
    ----------
    layers
        Integer label images of equal grid; a voxel belongs to the segment of this layer and value.
    segments
        Ids are unique; order is the order that the user sees.
    """

    kind = "labels"
    layers: tuple[sitk.Image, ...]
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError("A segmentation needs at least one label image.")
        grid = Grid.of(self.layers[0])
        for layer in self.layers[1:]:
            if not Grid.of(layer).same_as(grid):
                raise GeometryError("The layers of a segmentation must be on one grid.")
        ids = [segment.id for segment in self.segments]
        if len(set(ids)) != len(ids):
            raise InputError(f"Segment ids must be unique, got {ids}.")

    @property
    def grid(self) -> Grid:
        """The grid that all segments share."""
        return Grid.of(self.layers[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The segment names in order."""
        return tuple(segment.name for segment in self.segments)

    def find(self, key: str) -> Segment:
        """The segment with this id, or else this name; `InputError` names those there are."""
        for attribute in ("id", "name"):
            hits = [segment for segment in self.segments if getattr(segment, attribute) == key]
            if len(hits) == 1:
                return hits[0]
            if hits:
                raise InputError(f"There are {len(hits)} segments named {key!r}; use the segment id.")
        raise InputError(f"There is no segment {key!r}; there are {', '.join(self.names) or 'none'}.")

    def mask(self, segment: Segment | str) -> sitk.Image:
        """The voxels of one segment as a uint8 image of 0 and 1 on the full grid."""
        found = self.find(segment) if isinstance(segment, str) else segment
        return sitk.Equal(self.layers[found.layer], found.value)

    @classmethod
    def from_labelmap(
        cls, image: sitk.Image, names: Mapping[int, str] | None = None, colors: Mapping[int, Color] | None = None
    ) -> Labels:
        """One segment per non-zero value of an integer label image, in rising order of value.

        Raises `InputError` for float images with fractions (threshold them first) and for vectors.
        """
        labelmap = as_labelmap(image)
        array = sitk.GetArrayViewFromImage(labelmap)
        found = present_values(array)
        names, colors = names or {}, colors or {}
        segments = tuple(
            Segment(
                f"Segment_{value}",
                names.get(value, f"Segment_{value}"),
                colors.get(value, PALETTE[i % len(PALETTE)]),
                0,
                value,
            )
            for i, value in enumerate(found)
        )
        return cls((labelmap,), segments)

    @classmethod
    def from_masks(cls, masks: Iterable[tuple[str, sitk.Image]], colors: Sequence[Color] = PALETTE) -> Labels:
        """Segments from (name, mask) pairs on one grid; masks that overlap come into separate layers."""
        layers: list[np.ndarray] = []
        segments: list[Segment] = []
        grid: Grid | None = None
        for number, (name, mask) in enumerate(masks, start=1):
            own = Grid.of(mask)
            grid = grid or own
            if not own.same_as(grid):
                raise GeometryError(f"Segment {name!r} is on another grid than the first one.")
            inside = sitk.GetArrayViewFromImage(mask) != 0
            layer = next((at for at, array in enumerate(layers) if not array[inside].any()), len(layers))
            if layer == len(layers):
                layers.append(np.zeros(inside.shape, np.uint16))
            layers[layer][inside] = number
            segments.append(Segment(f"Segment_{number}", name, colors[(number - 1) % len(colors)], layer, number))
        if grid is None:
            raise InputError("A segmentation needs at least one segment.")
        small = len(segments) < 256
        images = [grid.put_on(sitk.GetImageFromArray(a.astype(np.uint8) if small else a)) for a in layers]
        return cls(tuple(images), tuple(segments))

    def renamed(self, **names: str) -> Labels:
        """The same segments with other names, given by id."""
        return Labels(self.layers, tuple(replace(s, name=names.get(s.id, s.name)) for s in self.segments))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Named points: `points` is (N, 3) float64 in LPS millimetres.

    `closed` says that they are, in this order, the points of a closed curve.
    """

    kind = "landmarks"
    names: tuple[str, ...]
    points: np.ndarray
    closed: bool = False

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float).reshape(-1, 3)
        if len(points) != len(self.names):
            raise InputError(f"{len(self.names)} landmark names were given for {len(points)} points.")
        if not np.isfinite(points).all():
            raise InputError("Landmarks must have finite coordinates.")
        object.__setattr__(self, "points", points)

    def paired_with(self, other: Landmarks) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the points of both, row by row the same landmark, as two arrays (N, 3) in LPS millimetres.

        Points pair by name when both hold the same names, each once; else by order. `InputError` when the
        counts differ: nobody can tell then which point is missing.
        """
        if len(self.names) != len(other.names):
            raise InputError(f"Landmarks must pair up: there are {len(self.names)} points against {len(other.names)}.")
        if set(self.names) == set(other.names) and len(set(self.names)) == len(self.names):
            places = {name: n for n, name in enumerate(other.names)}
            return self.points, other.points[[places[name] for name in self.names]]
        return self.points, other.points


@dataclass(frozen=True)
class Column:
    """What a table column holds.

    Attributes
    ----------
    dtype
        `float`, `int` or `str`.
    position
        `L`, `P` or `S` when the column is that LPS coordinate, in millimetres, of the place that a row is about.
        A table with all three can lead the slice views to the place of a row.
    """

    key: str
    title: str
    unit: str = ""
    description: str = ""
    dtype: type = float
    position: str = ""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Rows of named values; an undefined number is NaN (or None for int) with a `status` in its row."""

    kind = "table"
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        keys = {column.key for column in self.columns}
        for row in self.rows:
            if set(row) - keys:
                raise InputError(f"Table row has values without a column: {sorted(set(row) - keys)}.")

    def column(self, key: str) -> list[Any]:
        """The values of one column."""
        if key not in {column.key for column in self.columns}:
            raise InputError(f"There is no column {key!r}; there are {', '.join(c.key for c in self.columns)}.")
        return [row.get(key) for row in self.rows]

    def place(self, row: int) -> np.ndarray | None:
        """LPS millimetres (3,) of the place that a row is about; None when the table or the row names none."""
        keys = {column.position: column.key for column in reversed(self.columns) if column.position}
        cells = [self.rows[row].get(keys.get(axis, "")) for axis in "LPS"]
        if any(cell is None for cell in cells):
            return None
        found = np.array(cells, float)
        return found if np.isfinite(found).all() else None


CURVE_STYLES = ("line", "points", "dashed")


@dataclass(frozen=True, eq=False)
class Curve:
    """A named series; `x` and `y` are float64 of equal length, NaN interrupts a line.

    `style` says how it is drawn: `line`, `points` (markers only) or `dashed` (a line to compare with).
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    style: str = "line"

    def __post_init__(self) -> None:
        if self.style not in CURVE_STYLES:
            raise InputError(f"The curve {self.name!r} has the style {self.style!r}; there are {CURVE_STYLES}.")


@dataclass(frozen=True, eq=False)
class Curves:
    """Series that share their axes, for one plot."""

    kind = "curves"
    title: str
    x_title: str
    y_title: str
    series: tuple[Curve, ...]
    x_unit: str = ""
    y_unit: str = ""


@dataclass(frozen=True, eq=False)
class PointValues:
    """A number for every point of a surface, float64 (N,), NaN where undefined. `name` is for people."""

    name: str
    numbers: np.ndarray
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", np.asarray(self.numbers, float).reshape(-1))
        if not self.name or any(sign in self.name for sign in "[]\n"):
            raise InputError(f"Point values need a name of one line without brackets, not {self.name!r}.")

    @property
    def heading(self) -> str:
        """`Distance [mm]`, the name of an array that must carry the unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @classmethod
    def headed(cls, heading: str, numbers: np.ndarray) -> PointValues:
        """From a heading; brackets elsewhere in it become round."""
        name, bracket, unit = heading.rpartition(" [")
        if not (bracket and unit.endswith("]")):
            name, unit = heading, "]"
        return cls(name.replace("[", "(").replace("]", ")"), numbers, unit[:-1])


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in space, with named numbers at their corners.

    Attributes
    ----------
    points
        (N, 3) float64, LPS millimetres, finite.
    triangles
        (M, 3) integers, rows of `points`; seen from outside the corners go round counter-clockwise.
    values
        Numbers at the points; the first ones are those to colour the surface by.
    """

    kind = "surface"
    points: np.ndarray
    triangles: np.ndarray
    values: tuple[PointValues, ...] = ()

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float).reshape(-1, 3)
        triangles = np.asarray(self.triangles).reshape(-1, 3).astype(np.int64)
        if not np.isfinite(points).all():
            raise InputError("A surface must have finite coordinates.")
        if len(triangles) and not 0 <= triangles.min() <= triangles.max() < len(points):
            raise InputError(f"A surface of {len(points)} points has triangles with other points.")
        for value in self.values:
            if len(value.numbers) != len(points):
                raise InputError(f"{value.name!r} has {len(value.numbers)} numbers for {len(points)} points.")
        names = [value.name for value in self.values]
        if len(set(names)) < len(names):
            raise InputError(f"Two values at the points of a surface have the same name in {names}.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "triangles", triangles)

    def value(self, name: str) -> np.ndarray:
        """The numbers of this name."""
        for value in self.values:
            if value.name == name:
                return value.numbers
        raise InputError(f"The surface has no {name!r}; it has {', '.join(v.name for v in self.values) or 'none'}.")

    @property
    def areas(self) -> np.ndarray:
        """Area of each triangle in mm2."""
        a, b, c = (self.points[self.triangles[:, corner]] for corner in range(3))
        return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)

    @property
    def volume_mm3(self) -> float:
        """Volume inside a closed surface; negative when it is turned inside out."""
        a, b, c = (self.points[self.triangles[:, corner]] for corner in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def present_values(array: np.ndarray) -> list[int]:
    """The non-zero values of an integer array in rising order."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low >= 0 and high < 1 << 24:
        found = np.flatnonzero(np.bincount(array.ravel().astype(np.intp, copy=False)))
    else:
        found = np.unique(array)
    return [int(value) for value in found if value != 0]


def as_labelmap(image: sitk.Image, what: str = "label image") -> sitk.Image:
    """`image` with an integer pixel type, values unchanged; `InputError` when that is not possible."""
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"The {what} must have one number per voxel, not {image.GetPixelIDTypeAsString()}.")
    if image.GetPixelID() not in (sitk.sitkFloat32, sitk.sitkFloat64):
        return image
    array = sitk.GetArrayViewFromImage(image)
    if not np.isfinite(array).all() or (array != np.rint(array)).any():
        raise InputError(f"The {what} has fractional values, like a probability map; threshold it first.")
    if np.abs(array).max(initial=0) > np.iinfo(np.int32).max:
        raise InputError(f"The {what} has values beyond 32 bits; renumber the labels.")
    return sitk.Cast(image, sitk.sitkInt32)

"""What flows between operations: images, masks, labels, transforms, landmarks, tables and curves.

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
from .geometry import Grid


@dataclass(frozen=True)
class Kind:
    """Marks the role of a SimpleITK object in an annotation."""

    name: str


Image = Annotated[sitk.Image, Kind("image")]
Mask = Annotated[sitk.Image, Kind("mask")]
Transform = Annotated[sitk.Transform, Kind("transform")]

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
    """Named points: `points` is (N, 3) float64 in LPS millimetres."""

    kind = "landmarks"
    names: tuple[str, ...]
    points: np.ndarray

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
    """What a table column holds. `dtype` is `float`, `int` or `str`."""

    key: str
    title: str
    unit: str = ""
    description: str = ""
    dtype: type = float


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


@dataclass(frozen=True, eq=False)
class Curve:
    """A named series; `x` and `y` are float64 of equal length."""

    name: str
    x: np.ndarray
    y: np.ndarray


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

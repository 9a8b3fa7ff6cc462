"""The annotations of slicer.parameterNodeWrapper: validators, Default, Decimals, SingleStep; and FloatRange."""

from __future__ import annotations

import abc
import types
import typing
from collections.abc import Callable


class Validator(abc.ABC):
    """Base of the validators, also of a module's own ones."""

    @abc.abstractmethod
    def validate(self, value) -> None:
        """Raise when `value` is not allowed."""


def _validator(name: str, fields: tuple[str, ...], holds: Callable, complaint: str, error: type = ValueError) -> type:
    """A validator class whose constructor takes `fields` and which raises `error` unless `holds(self, value)`."""

    def __init__(self, *arguments) -> None:
        for field, value in zip(fields, arguments, strict=True):
            setattr(self, field, value)

    def validate(self, value) -> None:
        if not holds(self, value):
            raise error(f"{name}: {value!r} {complaint}")

    return type(name, (Validator,), {"__init__": __init__, "validate": validate})


NotNone = _validator("NotNone", (), lambda own, value: value is not None, "must not be None")
IsInstance = _validator(
    "IsInstance",
    ("classtype",),
    lambda own, value: value is None or isinstance(value, own.classtype),
    "has the wrong type",
    TypeError,
)
WithinRange = _validator(
    "WithinRange",
    ("minimum", "maximum"),
    lambda own, value: own.minimum <= value <= own.maximum,
    "is outside the range",
)
Minimum = _validator("Minimum", ("minimum",), lambda own, value: value >= own.minimum, "is too small")
Maximum = _validator("Maximum", ("maximum",), lambda own, value: value <= own.maximum, "is too large")
Choice = _validator("Choice", ("choices",), lambda own, value: value in own.choices, "is not one of the choices")
Exclude = _validator("Exclude", ("excludedValues",), lambda own, value: value not in own.excludedValues, "is excluded")
RangeBounds = _validator(
    "RangeBounds", ("minimum", "maximum"),
    lambda own, value: own.minimum <= value.minimum and value.maximum <= own.maximum, "is out of bounds",
)  # fmt: skip


class Default:
    def __init__(self, value=None, *, generator=None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class Decimals:
    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    def __init__(self, value: float) -> None:
        self.value = value


class FloatRange:
    """Two numbers, minimum <= maximum; one read from a parameter node writes changes back through `changed`."""

    def __init__(self, minimum: float = 0.0, maximum: float = 0.0) -> None:
        if not minimum <= maximum:
            raise ValueError("FloatRange needs minimum <= maximum")
        self._minimum, self._maximum, self.changed = minimum, maximum, None

    def _put(self, minimum: float, maximum: float) -> None:
        checked = FloatRange(minimum, maximum)
        self._minimum, self._maximum = checked._minimum, checked._maximum
        if self.changed:
            self.changed(self)

    minimum = property(lambda self: self._minimum, lambda self, value: self._put(value, self._maximum))
    maximum = property(lambda self: self._maximum, lambda self, value: self._put(self._minimum, value))

    def __eq__(self, other) -> bool:
        return isinstance(other, FloatRange) and (other._minimum, other._maximum) == (self._minimum, self._maximum)

    __hash__ = None


def splitAnnotations(kind):
    arguments = typing.get_args(kind) if typing.get_origin(kind) is typing.Annotated else (kind,)
    return arguments[0], arguments[1:]


def unannotatedType(kind):
    return splitAnnotations(kind)[0]


def findFirstAnnotation(annotations, kind):
    return next((item for item in annotations if isinstance(item, kind)), None)


def node_types(kind) -> tuple | None:
    """Node classes of a node type or union of them; None for anything else."""
    import slicer

    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    found = [unannotatedType(item) for item in (typing.get_args(kind) if union else (kind,))]
    found = [item for item in found if item is not type(None)]
    nodes = all(isinstance(item, type) and issubclass(item, slicer.vtkMRMLNode) for item in found)
    return tuple(found) if found and nodes else None


def isNodeOrUnionOfNodes(kind) -> bool:
    return node_types(unannotatedType(kind)) is not None


def getNodeTypes(kind) -> tuple[str, ...]:
    return tuple(item().GetClassName() for item in node_types(unannotatedType(kind)))


PUBLIC = {
    item.__name__: item
    for item in (
        Validator, NotNone, IsInstance, WithinRange, Minimum, Maximum, Choice, Exclude, RangeBounds, Default, Decimals,
        SingleStep, FloatRange, splitAnnotations, unannotatedType, findFirstAnnotation, isNodeOrUnionOfNodes,
        getNodeTypes,
    )
}  # fmt: skip

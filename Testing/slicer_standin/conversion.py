"""PythonQt's conversions of values, which are more permissive than those of PySide6."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

from shibokensupport.signature import get_signature

from .toolkit import QtGui

REFUSED = "called with wrong argument"


def to_python(value: object) -> object:
    """A value as PythonQt hands it out: every QList is a tuple."""
    return tuple(to_python(item) for item in value) if isinstance(value, list) else value


def to_property(kind: str, value: object) -> object:
    """Convert `value` for a property of C++ type `kind`; TypeError when PythonQt would refuse."""
    if kind == "bool":
        return bool(value)
    if kind in ("int", "uint", "long", "qlonglong"):
        if isinstance(value, float):
            return math.floor(value)
        if not isinstance(value, int):
            raise TypeError(kind)
        return int(value)
    if kind in ("double", "float", "qreal"):
        if not hasattr(value, "__float__"):
            raise TypeError(kind)
        return float(value)
    if kind == "QString":
        return str(value)
    if kind == "QStringList":
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise TypeError(kind)
        return [str(item) for item in value]
    if kind == "QColor" and isinstance(value, QtGui.QColor):
        return QtGui.QColor.fromRgba(QtGui.QColor.rgba(value))
    return value


def call(function: Callable, arguments: tuple) -> object:
    """Call a PySide6 function with PythonQt's conversions: int to enum, float to int, int to float, any to str."""
    try:
        return function(*arguments)
    except TypeError as error:
        if REFUSED not in str(error):
            raise
        for signature in _signatures(function):
            converted = _converted(signature, arguments)
            if converted is None:
                continue
            try:
                return function(*converted)
            except TypeError:
                continue  # the next overload
        raise


def _signatures(function: Callable) -> list:
    """The overloads of a PySide6 function; an inherited bound method only has them on its class."""
    owner, name = type(getattr(function, "__self__", None)), getattr(function, "__name__", "")
    found = get_signature(function) or get_signature(getattr(owner, name, None)) or []
    return found if isinstance(found, list) else [found]


def _converted(signature: object, arguments: tuple) -> tuple | None:
    """`arguments` converted for one overload; None where it does not fit or nothing changes."""
    parameters = [item for item in signature.parameters.values() if item.name != "self"]
    if len(parameters) < len(arguments):
        return None
    try:
        converted = tuple(_argument(item.annotation, value) for item, value in zip(parameters, arguments))
    except ValueError:
        return None
    return None if all(new is old for new, old in zip(converted, arguments)) else converted


def _argument(kind: object, value: object) -> object:
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and isinstance(value, int):
        return value if isinstance(value, kind) else kind(int(value))
    if kind is int and isinstance(value, float):
        return math.floor(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if kind is str and not isinstance(value, str):
        return str(value)
    return value

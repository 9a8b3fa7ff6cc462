"""The stand-in classes for CTK and Slicer widgets, made from the facts plus the behaviour written in `widgets`."""

from __future__ import annotations

import enum
from collections.abc import Callable

from .facts import FACTS, name_of
from .toolkit import NotModelled, QObject, QtCore, QtGui, QtWidgets, private, qt_class

PROPERTY_TYPES = {
    "bool": bool, "int": int, "uint": int, "double": float, "float": float, "qreal": float, "QString": str,
    "QStringList": "QStringList", "QColor": QtGui.QColor, "QIcon": QtGui.QIcon, "QSize": QtCore.QSize,
}  # fmt: skip
DEFAULTS = {
    "bool": False,
    "int": 0,
    "uint": 0,
    "double": 0.0,
    "float": 0.0,
    "qreal": 0.0,
    "QString": "",
    "QStringList": [],
}
OVERRIDABLE = ("paintEvent", "sizeHint", "minimumSizeHint", "resizeEvent")
_behaviours: dict[str, type] = {}
_made: dict[str, type] = {}


def behaviour(*names: str) -> Callable[[type], type]:
    """Register a class whose members are the behaviour of the Slicer classes `names`.

    Methods bear the names of real slots and invokables; `get_x` and `set_x` are property x; `defaults` are the
    values of properties that are only stored; `_init` runs at construction.
    """

    def register(kind: type) -> type:
        _behaviours.update(dict.fromkeys(names, kind))
        return kind

    return register


def value(obj: QObject, name: str) -> object:
    """The stored value of a property of a stand-in."""
    values = private(obj).values
    return values[name] if name in values else type(obj).defaults.get(name)


def store(obj: QObject, name: str, new: object) -> bool:
    """Set the stored value of a property; says whether it changed."""
    changed = value(obj, name) != new
    private(obj).values[name] = new
    return changed


def make(name: str) -> type:
    """The stand-in for a Slicer class, or the PySide6 class for a Qt name."""
    if name not in FACTS.slicer:
        found = qt_class(name)
        return QtWidgets.QWidget if found is None else found  # VTK's own Qt classes have no counterpart
    if name not in _made:
        _made[name] = _build(name, FACTS.slicer[name])
    return _made[name]


def _build(name: str, entry: dict) -> type:
    base = make(entry["b"]) if entry.get("b") else QObject
    if base is QtWidgets.QApplication:  # there is one already; slicer.app hands on to it
        base = QObject
    members = _behaviour_members(name)
    body = {"__module__": __name__, "defaults": getattr(base, "defaults", {}) | members.pop("defaults", {})}
    setters = {}
    for prop, (kind, _, setter) in entry.get("p", {}).items():
        body[prop] = _property(prop, kind)
        body["defaults"].setdefault(prop, DEFAULTS.get(kind))
        if setter:
            setters[setter] = prop
    for signature in (*entry.get("sl", ()), *entry.get("inv", ()), *entry.get("dec", ())):
        method = name_of(signature)
        inherited = hasattr(base, method) and method in FACTS.members(base.__name__)
        if method not in members and method not in body and not inherited:
            body[method] = _setter(setters[method]) if method in setters else _missing(name, method)
    body |= _enums(name)
    body |= members
    body["__init__"] = _constructor(name, entry, base, members.get("_init"))
    return type(base)(name, (base,), body)


def _behaviour_members(name: str) -> dict[str, object]:
    """Members of the registered behaviour and its bases; each must be a real name, a helper or a Qt virtual."""
    kind = _behaviours.get(name)
    members: dict[str, object] = {}
    for base in reversed(kind.__mro__[:-1]) if kind else ():
        members |= {key: item for key, item in vars(base).items() if not key.startswith("__")}
    real = FACTS.members(name)
    for key in members:
        helper = key.startswith(("_", "get_", "set_")) or key == "defaults" or key in OVERRIDABLE
        if not helper and key not in real:
            raise AssertionError(f"the stand-in {name} defines {key!r}, which Slicer does not offer")
    return members


def _enums(name: str) -> dict[str, object]:
    made: dict[str, object] = {}
    for enum_name, keys in FACTS.enums(name).items():
        if keys and None not in keys.values():
            kind = enum.IntFlag if enum_name.endswith("s") else enum.IntEnum
            made[enum_name] = kind(enum_name, keys)
            made |= {key: made[enum_name][key] for key in keys}
    return made


def _property(name: str, kind: str) -> QtCore.Property:
    """Always with a setter, because a class may make its base's read-only property writable; pythonqt checks that."""

    def get(self: QObject) -> object:
        own = getattr(type(self), "get_" + name, None)
        return own(self) if own else value(self, name)

    def put(self: QObject, new: object) -> None:
        own = getattr(type(self), "set_" + name, None)
        if own:
            own(self, new)
        else:
            store(self, name, new)

    return QtCore.Property(PROPERTY_TYPES.get(kind, "QVariant"), get, put)


def _setter(prop: str) -> Callable:
    return lambda self, new: QObject.setProperty(self, prop, new) and None


def _missing(class_name: str, method: str) -> Callable:
    def missing(self: QObject, *arguments: object) -> None:
        raise NotModelled(f"{class_name}.{method} exists in Slicer but its behaviour is not written here")

    return missing


def _constructor(name: str, entry: dict, base: type, init: Callable | None) -> Callable:
    def __init__(self: QObject, *arguments: object) -> None:
        parent = arguments[0] if arguments else None
        if len(arguments) > 1 or not (parent is None or isinstance(parent, QObject)):
            text = f"Could not find matching overload for given arguments: {name}{arguments!r}"
            raise ValueError(f"{text}; there is only {name}({entry.get('ctor', 'QWidget')} parent)")
        base.__init__(self, parent) if issubclass(base, QtWidgets.QWidget) else base.__init__(self)
        private(self)
        if init:
            init(self)

    return __init__


def lookup(namespace: str) -> Callable[[str], type]:
    """Module-level __getattr__ for `ctk` and for the widgets in `slicer`."""

    def get(name: str) -> type:
        if FACTS.slicer.get(name, {}).get("ns") == namespace:
            return make(name)
        if FACTS.named.get(name) == namespace:
            raise NotModelled(f"{namespace}.{name} exists in Slicer but is not in the facts here (see trim_facts.py)")
        raise AttributeError(f"module '{namespace}' has no attribute '{name}'")

    return get

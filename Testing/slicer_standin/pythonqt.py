"""The attribute protocol of PythonQt, put on PySide6's QObject for all code outside this package."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import dialogs
from .conversion import to_property, to_python
from .facts import FACTS
from .record import RECORD
from .signals import Method, SignalProxy, connect, disconnect, invoke, method, native, native_name, slot
from .toolkit import MODULES, OWN_NAMES, NotModelled, QObject, QtCore, QtGui, QtWidgets, plain_get

_pending_timers: set[QtCore.QTimer] = set()


def is_inside(frame: object) -> bool:
    """Whether the calling code belongs to this package or to PySide6."""
    return frame.f_globals.get("__name__", "").startswith(OWN_NAMES)


def patch() -> None:
    """Replace attribute access, isinstance and the modal dialogs; once per process."""
    QObject.__getattribute__ = _get
    type(QObject).__instancecheck__ = _is_instance
    plain_set = next(base for base in QObject.__mro__ if base.__name__ == "Object").__setattr__
    checked_set = _make_set(plain_set)
    for module in MODULES:
        for name in dir(module):  # not vars(): PySide6 makes its classes when they are first asked for
            kind = getattr(module, name)
            if not isinstance(kind, type) or not issubclass(kind, QObject):
                continue
            if "__setattr__" in kind.__dict__:
                kind.__setattr__ = checked_set
    # PySide6 gives classes whose static and bound methods share a name a protocol of their own; the others of them,
    # QFile and QProcess, need it and are left as they are
    QtWidgets.QMenu.__getattribute__ = _get
    QtCore.QTimer.singleShot = staticmethod(_single_shot)
    color_name = QtGui.QColor.name  # value classes are not proxied; Slicer's own code passes an integer here
    QtGui.QColor.name = lambda self, kind=0: color_name(self, QtGui.QColor.NameFormat(int(kind)))
    QtGui.QDesktopServices.openUrl = staticmethod(lambda url: RECORD.urls.append(url.toString()) or True)
    dialogs.patch()


def _get(self: QObject, name: str) -> object:
    if name.startswith("__") or is_inside(sys._getframe(1)):
        return plain_get(self, name)
    kind = native(type(self))
    if kind is not type(self):  # a Python subclass: its own attributes come first
        for base in type(self).__mro__:
            if base is kind:
                break
            if name in base.__dict__:
                return plain_get(self, name)
        own = plain_get(self, "__dict__")
        if name in own and name != "_own" and not isinstance(own[name], QtCore.SignalInstance):
            return own[name]
    member = FACTS.members(kind.__name__).get(name)
    if member is not None:
        return _GETTERS[member.kind](self, name, member)
    if name in _dynamic_properties(self):
        return to_python(QObject.property(self, name))
    for child in QObject.children(self):
        if child.objectName() == name:
            return child
    raise AttributeError(f"{kind.__name__} has no attribute named '{name}'")


def _property(self: QObject, name: str, member: object) -> object:
    name = "objectName" if name == "name" else name
    if QObject.metaObject(self).indexOfProperty(name) >= 0:
        return to_python(QObject.property(self, name))
    if hasattr(type(self), name):  # slicer.app hands on to the real QApplication
        value = plain_get(self, name)
        return to_python(value() if callable(value) else value)
    raise NotModelled(f"{native_name(self)}.{name} is a real property whose behaviour is not written here")


def _method(self: QObject, name: str, member: object) -> object:
    if name in ("exec", "exec_") and isinstance(self, QtWidgets.QDialog | QtWidgets.QMenu):
        return lambda *arguments: dialogs.run(self)
    return method(self, name)


def _builtin(self: QObject, name: str, member: object) -> object:
    return _BUILTINS[name].__get__(self) if name in _BUILTINS else method(self, name)


_GETTERS: dict[str, Callable] = {
    "property": _property,
    "method": _method,
    "virtual": lambda self, name, member: method(self, name.removeprefix("py_q_")),
    "signal": lambda self, name, member: SignalProxy(self, name, member.data),
    "key": lambda self, name, member: getattr(native(type(self)), name),
    "enum": lambda self, name, member: getattr(native(type(self)), name),
    "builtin": _builtin,
}


def _dynamic_properties(obj: QObject) -> list[str]:
    return [bytes(name).decode() for name in QObject.dynamicPropertyNames(obj)]


def _make_set(plain_set: Callable) -> Callable:
    def checked_set(self: QObject, name: str, value: object) -> None:
        if name.startswith("__") or is_inside(sys._getframe(1)):
            plain_set(self, name, value)
            return
        kind = native(type(self))
        member = FACTS.members(kind.__name__).get(name)
        if member is not None and member.kind == "property":
            _write(self, name, member, value)
        elif kind is not type(self):
            plain_set(self, name, value)
        elif member is not None:
            raise AttributeError(f"{member.kind} '{name}' can not be overwritten on {kind.__name__} object")
        elif name in _dynamic_properties(self):
            QObject.setProperty(self, name, value)
        else:
            text = "does not exist and creating new attributes on C++ objects is not allowed"
            raise AttributeError(f"'{name}' of {kind.__name__} {text}")

    return checked_set


def _write(obj: QObject, name: str, member: object, value: object) -> None:
    kind, writable = member.data
    if not writable:
        raise AttributeError(f"Property '{name}' of {native_name(obj)} object is not writable")
    try:
        done = QObject.setProperty(obj, "objectName" if name == "name" else name, to_property(kind, value))
    except TypeError:
        done = False
    if not done:
        text = f"does not accept an object of type {type(value).__name__} ({value!r})"
        raise AttributeError(f"Property '{name}' of type '{kind}' {text}")


def _is_instance(kind: type, obj: object) -> bool:
    """PythonQt's classes do not inherit: isinstance(qt.QPushButton(), qt.QWidget) is False in Slicer."""
    if not type.__instancecheck__(kind, obj):
        return False
    if not type.__instancecheck__(QObject, obj) or is_inside(sys._getframe(1)):
        return True
    return kind is native(type(obj)) or native(kind) is not kind


def find_children(obj: QObject, kind: type | str, name: str | None = None) -> list[QObject]:
    """All descendants of a class (or class name), also of a base class, and of that name."""
    found = []
    for child in QObject.children(obj):
        if isinstance(kind, str):
            fits = QObject.inherits(child, kind) or any(base.__name__ == kind for base in type(child).__mro__)
        else:
            fits = isinstance(child, kind)
        if fits and name in (None, child.objectName()):
            found.append(child)
        found += find_children(child, kind, name)
    return found


def _connect(self: QObject, signal: str, *target: object) -> bool:
    """connect(signal, function) or connect(signal, receiver, slot)."""
    return connect(self, signal, target[0] if len(target) == 1 else slot(target[0], target[1]))


def _disconnect(self: QObject, signal: str, *target: object) -> bool:
    return disconnect(self, signal, slot(target[0], target[1]) if len(target) == 2 else (*target, None)[0])


def _class_name(self: QObject) -> str:
    return native_name(self) if type(self).__module__.startswith(OWN_NAMES) else type(self).__name__


def _delete(self: QObject) -> None:
    import shiboken6

    shiboken6.delete(self)


_BUILTINS: dict[str, Callable] = {
    "connect": _connect,
    "disconnect": _disconnect,
    "className": _class_name,
    "inherits": lambda self, name: name in [owner for owner, _ in FACTS.chain(native_name(self))],
    "help": lambda self: None,
    "delete": _delete,
    "findChild": lambda self, kind, name=None: (find_children(self, kind, name) or [None])[0],
    "findChildren": lambda self, kind, name=None: tuple(find_children(self, kind, name)),
    "children": lambda self: tuple(QObject.children(self)),
    "property": lambda self, name: to_python(QObject.property(self, name)),
    "setProperty": lambda self, name, value: QObject.setProperty(self, name, value),
}


def _single_shot(milliseconds: int, function: Callable | Method) -> None:
    """QTimer.singleShot(milliseconds, function)."""
    timer = QtCore.QTimer()
    _pending_timers.add(timer)

    def fire() -> None:
        _pending_timers.discard(timer)
        invoke(function, ())

    timer.setSingleShot(True)
    QObject.connect(timer, QtCore.SIGNAL("timeout()"), fire)
    timer.start(int(milliseconds))

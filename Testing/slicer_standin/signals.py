"""Signals and slots as PythonQt has them.

Signals of Qt's own classes are connected through PySide6; those of CTK and Slicer classes, whose behaviour is written
here, are lists of functions. Both drop surplus arguments and record, not raise, what a slot raises.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from .conversion import call, to_python
from .facts import FACTS, normalized
from .record import RECORD
from .toolkit import OWN_NAMES, NotModelled, QObject, QtCore, plain_get, private

_natives: dict[type, type] = {}


def native(kind: type) -> type:
    """The nearest base of a Python class that is a Qt class or a stand-in."""
    if kind not in _natives:
        bases = (base for base in kind.__mro__ if base.__module__.startswith(OWN_NAMES) and FACTS.known(base.__name__))
        _natives[kind] = next(bases, QObject)
    return _natives[kind]


def native_name(obj: QObject) -> str:
    return native(type(obj)).__name__


def invoke(function: Callable, arguments: tuple) -> object:
    """Call a slot with as many arguments as it takes; record an exception."""
    try:
        count = _argument_count(function)
        return function(*(arguments if count is None else arguments[:count]))
    except Exception as error:  # noqa: BLE001 - as PythonQt does; the test fails at its end
        RECORD.slot_error(error)
        return None


def _argument_count(function: Callable) -> int | None:
    """Arguments that PythonQt passes: as many as the Python function declares, all (None) to anything else."""
    bound = 1 if inspect.ismethod(function) else 0
    plain = function.__func__ if bound else function
    if not inspect.isfunction(plain) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return max(0, plain.__code__.co_argcount - bound)


def owner_of(obj: QObject, signature: str) -> str:
    """The class that declares the signal; AttributeError where there is none."""
    signals = FACTS.signals(native_name(obj))
    if signature in signals:
        return signals[signature]
    alike = sorted(other for other in signals if other.split("(")[0] == signature.split("(")[0])
    hint = f"; did you mean {', '.join(alike)}?" if alike else ""
    raise AttributeError(f"signal '{signature}' does not exist on {native_name(obj)}{hint}")


def connect(obj: QObject, signal: str, function: Callable) -> bool:
    """obj.connect("name(types)", function)."""
    signature = normalized(signal)
    owner = owner_of(obj, signature)
    if not callable(function):
        raise TypeError(f"connect({signal!r}): {function!r} is not callable")
    if owner in FACTS.slicer:
        private(obj).slots.setdefault(signature, []).append(function)
        return True

    def relay(*arguments: object) -> None:
        invoke(function, tuple(to_python(argument) for argument in arguments))

    if not QObject.connect(obj, QtCore.SIGNAL(signature), relay):
        raise AttributeError(f"Qt 6 has no signal {signature} on {native_name(obj)}")
    private(obj).relays.append((signature, function, relay))
    return True


def disconnect(obj: QObject, signal: str, function: Callable | None = None) -> bool:
    """obj.disconnect("name(types)"[, function]); says whether there was such a connection."""
    signature = normalized(signal)
    mine = private(obj)
    if owner_of(obj, signature) in FACTS.slicer:
        functions = mine.slots.get(signature, [])
        gone = [item for item in functions if function is None or item == function][: None if function is None else 1]
        for item in gone:
            functions.remove(item)
        return bool(gone)
    matching = [item for item in mine.relays if item[0] == signature and function in (None, item[1])]
    for item in matching[: None if function is None else 1]:
        QObject.disconnect(obj, QtCore.SIGNAL(signature), item[2])
        mine.relays.remove(item)
    return bool(matching)


def emit(obj: QObject, signature: str, *arguments: object) -> None:
    """Emit a signal of a stand-in."""
    owner_of(obj, signature)
    if not QObject.signalsBlocked(obj):
        for function in list(private(obj).slots.get(signature, ())):
            invoke(function, arguments)


class SignalProxy:
    """`obj.signal` as PythonQt shows it: connect, disconnect, emit; the first overload counts."""

    def __init__(self, obj: QObject, name: str, overloads: list[str]) -> None:
        self.obj, self.name, self.overloads = obj, name, overloads

    def connect(self, function: Callable) -> bool:
        return connect(self.obj, self.overloads[0], function)

    def disconnect(self, function: Callable | None = None) -> bool:
        return disconnect(self.obj, self.overloads[0], function)

    def emit(self, *arguments: object) -> None:
        self(*arguments)

    def __call__(self, *arguments: object) -> None:
        if owner_of(self.obj, self.overloads[0]) not in FACTS.slicer:
            plain_get(self.obj, self.name).emit(*arguments)
            return
        fitting = (
            text for text in self.overloads if (0 if text.endswith("()") else text.count(",") + 1) == len(arguments)
        )
        emit(self.obj, next(fitting, self.overloads[0]), *arguments)


class Method:
    """A slot, invokable or wrapped method: positional arguments only, lists come back as tuples."""

    def __init__(self, obj: QObject, name: str, function: Callable) -> None:
        self.obj, self.name, self.function = obj, name, function

    def __call__(self, *arguments: object, **keywords: object) -> object:
        if keywords:
            raise TypeError(f"PythonQt methods take no keyword arguments: {self.name}")
        try:
            return to_python(call(self.function, arguments))
        except TypeError as error:
            text = f"Could not find matching overload for given arguments: {arguments!r}"
            raise ValueError(f"{text}\n{native_name(self.obj)}.{self.name}: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Method) and other.obj is self.obj and other.name == self.name

    def __hash__(self) -> int:
        return hash((id(self.obj), self.name))

    def __repr__(self) -> str:
        return f"<qt slot {self.name} of {native_name(self.obj)} instance>"


def method(obj: QObject, name: str) -> Method:
    """The method `name` (a trailing underscore falls away); calling one without behaviour raises NotModelled."""
    known = name if hasattr(type(obj), name) else name.removesuffix("_")
    try:
        return Method(obj, name, plain_get(obj, known))
    except AttributeError:

        def missing(*arguments: object) -> None:
            raise NotModelled(f"{native_name(obj)}.{name} exists in Slicer but its behaviour is not written here")

        return Method(obj, name, missing)


def slot(receiver: QObject, signature: str) -> Callable:
    """The receiver's slot or signal, to connect a signal to."""
    name = normalized(signature).split("(")[0]
    member = FACTS.members(native_name(receiver)).get(name)
    if member is None or member.kind not in ("method", "signal"):
        raise AttributeError(f"{native_name(receiver)} has no slot {signature}")
    return SignalProxy(receiver, name, member.data) if member.kind == "signal" else method(receiver, name)

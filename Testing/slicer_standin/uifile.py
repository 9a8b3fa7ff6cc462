"""qt.QUiLoader: checks the .ui file against the facts, lets Qt build it, then sets what only the stand-ins have."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from .classes import make
from .facts import FACTS, name_of, normalized
from .signals import connect, slot
from .toolkit import QObject, QtCore, QtGui, QtUiTools, QtWidgets

Element = ElementTree.Element


class UiError(Exception):
    """The .ui file names something that Slicer does not have."""


class _Builder(QtUiTools.QUiLoader):
    def createWidget(self, kind: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> QtWidgets.QWidget:
        if kind not in FACTS.slicer:
            return super().createWidget(kind, parent, name)
        widget = make(kind)(parent)
        widget.setObjectName(name)
        return widget


def problems(root: Element) -> list[str]:
    """Every unknown class, property, signal and slot of a .ui file."""
    found, classes = [], {}
    for widget in root.iter("widget"):
        kind, name = widget.get("class"), widget.get("name")
        classes[name] = kind
        if kind == "Line":
            continue
        if not FACTS.known(kind):
            reason = "is not in the facts here (see trim_facts.py)" if kind in FACTS.named else "does not exist"
            found.append(f"widget {name}: class {kind} {reason}")
            continue
        if kind in FACTS.slicer and kind not in FACTS.designer:
            found.append(f"widget {name}: {kind} has no Designer plugin, Slicer cannot create it from a .ui file")
        members = FACTS.members(kind)
        for item in widget.findall("property"):
            key = item.get("name")
            real = key in members and members[key].kind == "property"
            if not real and item.get("stdset") != "0" and key != "buddy":
                found.append(f'widget {name}: {kind} has no property {key} (stdset="0" makes a dynamic one)')
    classes |= {action.get("name"): "QAction" for action in root.iter("action")}
    classes |= {layout.get("name"): layout.get("class") for layout in root.iter("layout")}
    for sender, signal, receiver, target in _connections(root):
        if sender not in classes or receiver not in classes:
            found.append(f"connection {sender} -> {receiver}: no such widget")
            continue
        if normalized(signal) not in FACTS.signals(classes[sender]):
            found.append(f"connection: {classes[sender]} has no signal {signal}")
        member = FACTS.members(classes[receiver]).get(name_of(normalized(target)))
        if member is None or member.kind not in ("method", "signal"):
            found.append(f"connection: {classes[receiver]} has no slot {target}")
    return found


def load(data: bytes, parent: QtWidgets.QWidget | None = None, path: str = "") -> QtWidgets.QWidget:
    """The widget that a .ui file describes; UiError lists everything wrong with it."""
    root = ElementTree.fromstring(data)
    wrong = problems(root)
    if wrong:
        raise UiError(f"{path}: {'; '.join(wrong)}")
    connections = _connections(root)
    later = _take_standin_properties(root)
    for element in root.findall("connections"):
        root.remove(element)
    buffer = QtCore.QBuffer()
    buffer.setData(ElementTree.tostring(root))
    buffer.open(QtCore.QIODevice.ReadOnly)
    builder = _Builder()
    top = builder.load(buffer, parent)
    if top is None:
        raise UiError(f"{path}: {builder.errorString()}")
    by_name = {item.objectName(): item for item in reversed([top, *top.findChildren(QObject)])}
    for name, key, value in later:
        if not QObject.setProperty(by_name[name], key, value):
            raise UiError(f"{path}: {name}.{key} does not accept {value!r}")
    for sender, signal, receiver, target in connections:
        connect(by_name[sender], signal, slot(by_name[receiver], target))
    return top


def _connections(root: Element) -> list[tuple[str, ...]]:
    keys = ("sender", "signal", "receiver", "slot")
    return [tuple(item.findtext(key) for key in keys) for item in root.iter("connection")]


def _take_standin_properties(root: Element) -> list[tuple[str, str, object]]:
    """Remove properties that Qt's own loader would not know; (widget, property, value) in file order."""
    taken = []
    for widget in root.iter("widget"):
        kind = widget.get("class")
        for item in widget.findall("property") if kind in FACTS.slicer else ():
            key = item.get("name")
            if item.get("stdset") != "0" and FACTS.members(kind)[key].owner in FACTS.slicer:
                value = _value(item)
                if value is not None:
                    taken.append((widget.get("name"), key, value))
                widget.remove(item)
    return taken


def _value(item: Element) -> object:
    """The value of a property element; None for kinds that are not modelled (icons, size policies)."""
    value, text = item[0], item[0].text or ""
    match value.tag:
        case "bool":
            return text.strip() == "true"
        case "number" | "UInt" | "longLong":
            return int(text)
        case "double" | "float":
            return float(text)
        case "string" | "cstring":
            return text
        case "stringlist":
            return [entry.text or "" for entry in value.findall("string")]
        case "color":
            return QtGui.QColor(*(int(value.findtext(part)) for part in ("red", "green", "blue")))
        case "enum" | "set":
            number = FACTS.enum_value(text)
            if number is None:
                raise UiError(f"unknown enum value {text}")
            return number
        case _:
            return None


class QUiLoader:
    """What scripts use of qt.QUiLoader."""

    def __init__(self, parent: QObject | None = None) -> None:
        pass

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        path = device.fileName() if isinstance(device, QtCore.QFile) else ""
        if not device.isOpen() and not device.open(QtCore.QIODevice.ReadOnly):
            raise UiError(f"{path}: cannot be read")
        data = bytes(device.readAll())
        device.close()
        return load(data, parent, path)

    def createWidget(self, kind: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> QtWidgets.QWidget:
        return _Builder().createWidget(kind, parent, name)

    def availableWidgets(self) -> tuple[str, ...]:
        return tuple(sorted(FACTS.designer))

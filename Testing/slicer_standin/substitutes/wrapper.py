"""slicer.parameterNodeWrapper: a class whose annotated attributes live in a parameter node and bind to widgets."""

from __future__ import annotations

import typing

import vtk

from ..toolkit import QtWidgets
from .connectors import Connector, parameter_name
from .parameter import Parameter

RESERVED = (
    "allParameters", "default", "dataType", "getValue", "setValue", "connectGui", "connectParametersToGui",
    "disconnectGui", "StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified", "isCached",
)  # fmt: skip


class _Wrapper:
    """The methods that every wrapped class gets."""

    def __init__(self, parameterNode, prefix: str | None = None) -> None:
        self.parameterNode, self._prefix, self._busy, self._guis = parameterNode, prefix or "", False, {}
        for parameter in self.allParameters.values():
            if not parameter.is_in(parameterNode, self._prefix):
                parameter.write(parameterNode, parameter.default.value, self._prefix)

    @classmethod
    def _parameter(cls, name: str) -> Parameter:
        if name not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return cls.allParameters[name]

    @classmethod
    def dataType(cls, name: str):
        return cls._parameter(name).hint

    def default(self, name: str):
        return self._parameter(name).default

    def getValue(self, name: str):
        return self._parameter(name).read(self.parameterNode, self._prefix)

    def setValue(self, name: str, value) -> None:
        self._parameter(name).write(self.parameterNode, value, self._prefix)

    def connectGui(self, gui) -> int:
        """Bind each child widget that has the dynamic property SlicerParameterName."""
        is_widget = isinstance(gui, QtWidgets.QWidget)
        widgets = gui.findChildren(QtWidgets.QWidget) if is_widget else vars(gui).values()
        named = {parameter_name(widget): widget for widget in widgets if hasattr(widget, "property")}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict) -> int:
        connectors = {name: Connector(widget, self._parameter(name).hint) for name, widget in mapping.items()}
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.connect(self._to_node(name, connector))
        observer = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *event: self._to_gui(connectors))
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = (connectors, observer)
        return tag

    def _to_node(self, name: str, connector: Connector):
        def changed() -> None:
            if not self._busy:
                self.setValue(name, connector.read())

        return changed

    def _to_gui(self, connectors: dict[str, Connector]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            for name, connector in connectors.items():
                connector.write(self.getValue(name))
        finally:
            self._busy = False

    def disconnectGui(self, tag: int) -> None:
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for connector in connectors.values():
                connector.disconnect()
            self.parameterNode.RemoveObserver(observer)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, modifying):
        return self.parameterNode.EndModify(modifying)

    def AddObserver(self, *arguments):
        return self.parameterNode.AddObserver(*arguments)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def parameterNodeWrapper(classtype=None):
    """Class decorator."""
    if classtype is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(classtype, include_extras=True)
    taken = [name for name in RESERVED if hasattr(classtype, name) or name in hints]
    if taken:
        raise ValueError(f"Cannot use reserved name '{taken[0]}' in a parameterNodeWrapper")
    classtype.allParameters = {name: Parameter(classtype, name, hint) for name, hint in hints.items()}
    for name, member in vars(_Wrapper).items():
        if name not in ("__module__", "__dict__", "__weakref__", "__doc__", "__qualname__"):
            setattr(classtype, name, member)
    for name in hints:
        setattr(classtype, name, _property(name))
    classtype._is_parameterNodeWrapper = True
    return classtype


def isParameterNodeWrapper(thing) -> bool:
    return getattr(thing, "_is_parameterNodeWrapper", False)


def findChildWidgetForParameter(widget, parameter: str):
    children = widget.findChildren(QtWidgets.QWidget)
    return next((child for child in children if parameter_name(child) == parameter), None)


PUBLIC = {
    "parameterNodeWrapper": parameterNodeWrapper,
    "isParameterNodeWrapper": isParameterNodeWrapper,
    "findChildWidgetForParameter": findChildWidgetForParameter,
    "SlicerParameterNamePropertyName": "SlicerParameterName",
}

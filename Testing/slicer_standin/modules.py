"""slicer.modules: module objects, and loading a scripted module as Slicer does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from .application import PARTS
from .classes import behaviour, make
from .signals import emit, invoke
from .toolkit import QObject, QtWidgets, private


@behaviour("qSlicerAbstractCoreModule")
class CoreModule:
    """`slicer.modules.<name>`. The logic of a scripted module in C++ has nothing to offer and is not modelled."""

    def logic(self) -> object:
        return getattr(self._own, "logic", None)

    def mrmlScene(self) -> object:
        import slicer

        return slicer.mrmlScene


@behaviour("qSlicerAbstractModule")
class AbstractModule:
    def widgetRepresentation(self) -> object:
        return getattr(self._own, "representation", None)


def module_object(kind: str, name: str, path: str = "", logic: object = None) -> QObject:
    """A module object under slicer.modules, of class `kind`; a scripted module gets it as `parent`."""
    import slicer

    made = make(kind)()
    private(made).values.update(name=name, title=name, path=path)
    private(made).logic = logic
    setattr(slicer.modules, name.lower(), made)
    setattr(slicer.moduleNames, name, name)
    PARTS.module_names.append(name)
    return made


class LoadedModule:
    """A module .py, loaded and entered.

    `python` is the Python module, `module` the module object, `widget` the Python widget after setup(), `parent` the
    Qt widget that holds its panel, `logic` the widget's logic, `ui` its child widgets.
    """

    def __init__(self, path: Path | str) -> None:
        import slicer

        self.name = Path(path).stem
        self.unloaded = False
        self.python = _imported(self.name, Path(path))
        before = list(_startup_slots())
        described = module_object("qSlicerScriptedLoadableModule", self.name, str(path))
        self.module = getattr(self.python, self.name)(described)
        setattr(slicer.modules, self.name + "Instance", self.module)
        self._complete_startup(before)
        self.parent = make("qSlicerScriptedLoadableModuleWidget")()
        QtWidgets.QWidget.setLayout(self.parent, QtWidgets.QVBoxLayout())
        self.parent.setMRMLScene(slicer.mrmlScene)
        self.widget = getattr(self.python, self.name + "Widget")(self.parent)
        setattr(slicer.modules, self.name + "Widget", self.widget)
        private(self.parent).python = self.widget
        private(described).representation = self.parent
        self.widget.setup()
        self.enter()

    def _complete_startup(self, before: list) -> None:
        """Slicer says startupCompleted after all modules were made; tell those who connected just now."""
        for function in [item for item in _startup_slots() if item not in before]:
            invoke(function, ())

    @property
    def logic(self) -> object:
        return self.widget.logic

    @property
    def ui(self) -> object:
        return self.widget.ui

    def enter(self) -> None:
        """The user selects the module."""
        self.parent.enter()

    def exit(self) -> None:
        """The user selects another module."""
        self.parent.exit()

    def unload(self) -> None:
        """What happens when Slicer ends: exit, cleanup, and the widget is deleted."""
        import slicer

        if self.unloaded:
            return
        self.unloaded = True
        self.exit()
        emit(PARTS.module_manager, "moduleAboutToBeUnloaded(QString)", self.name)
        for suffix in ("Instance", "Widget"):
            delattr(slicer.modules, self.name + suffix)
        delattr(slicer.modules, self.name.lower())
        delattr(slicer.moduleNames, self.name)
        PARTS.module_names.remove(self.name)
        QObject.deleteLater(self.parent)


def _startup_slots() -> list:
    import slicer

    return private(slicer.app).slots.setdefault("startupCompleted()", [])


def _imported(name: str, path: Path) -> ModuleType:
    """Import the file under its own name, with its folder on sys.path, as Slicer does."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

"""Put the stand-in in place: modules `qt` and `ctk`, and what Slicer adds to the `slicer` of slicer-core."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

from . import application, classes, pythonqt, substitutes, uifile, widgets  # noqa: F401 - widgets registers them
from .facts import FACTS
from .modules import module_object
from .record import RECORD, watch_uncaught
from .substitutes import sample_data
from .toolkit import NotModelled, QtCore, qt_class

SLICER_FILES = ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging", "cli", "testing")
_installed: list[ModuleType] = []


def install(base_python: str | None = None) -> ModuleType:
    """Install once and return `slicer`.

    `base_python` is the folder Base/Python of Slicer's source: then its own ScriptedLoadableModule,
    parameterNodeWrapper and so on run on the stand-in. Otherwise the package `substitutes` gives the same names.
    The scene is that of `MedImgAnalysisLib.scene.standalone`.
    """
    if _installed:
        return _installed[0]
    from MedImgAnalysisLib.scene import standalone

    standalone.start()
    import slicer
    import slicer.util

    pythonqt.patch()
    watch_uncaught()
    sys.modules["qt"] = _namespace("qt", _qt_name)
    sys.modules["ctk"] = _namespace("ctk", classes.lookup("ctk"))
    slicer.__getattr__ = classes.lookup("slicer")
    slicer.app = application.make_application()
    complete_modules(slicer)
    _record_requests(slicer.util)
    _name_kits()
    sample_data.register()
    if base_python:
        slicer.__path__.append(str(Path(base_python) / "slicer"))
        sys.path.append(base_python)
        for name in SLICER_FILES:
            importlib.import_module("slicer." + name)
    else:
        substitutes.register(slicer)
    _installed.append(slicer)
    return slicer


def complete_modules(slicer: ModuleType) -> None:
    """Turn the logics of slicer.modules into module objects; again after the scene was made anew."""
    slicer.moduleNames = sys.modules.setdefault("slicer.moduleNames", ModuleType("slicer.moduleNames"))
    for module in list(vars(slicer.modules).values()):
        if isinstance(module, SimpleNamespace):
            module_object("qSlicerLoadableModule", module.name, logic=module.logic())
    if not hasattr(slicer.modules, "sampledata"):
        module_object("qSlicerScriptedLoadableModule", "SampleData")


def _namespace(name: str, lookup: Callable[[str], object]) -> ModuleType:
    module = ModuleType(name)
    module.__getattr__ = lookup
    return module


def _qt_name(name: str) -> object:
    """An attribute of the module `qt`."""
    if name == "QUiLoader":
        return uifile.QUiLoader
    if name in ("Signal", "Slot", "Property"):
        return getattr(QtCore, name)
    found = qt_class(name) if name in FACTS.qt and not FACTS.qt[name].get("no6") else None
    if found is not None:
        return found
    if name in FACTS.qt_named:
        raise NotModelled(f"qt.{name} exists in Slicer but is not in the facts here (see trim_facts.py)")
    raise AttributeError(f"module 'qt' has no attribute '{name}' that exists in both Qt 5.15 and Qt 6")


def _record_requests(util: ModuleType) -> None:
    """Record what slicer.util shows in views, and do not wait for messages that close by themselves."""
    set_layers, layers = util.setSliceViewerLayers, inspect.signature(util.setSliceViewerLayers)
    message = inspect.signature(util.delayDisplay)

    def setSliceViewerLayers(*arguments: object, **keywords: object) -> None:
        RECORD.slice_layers.append(dict(layers.bind(*arguments, **keywords).arguments))
        set_layers(*arguments, **keywords)

    def delayDisplay(*arguments: object, **keywords: object) -> None:
        RECORD.messages.append(message.bind(*arguments, **keywords).arguments["message"])

    util.setSliceViewerLayers, util.delayDisplay = setSliceViewerLayers, delayDisplay


def _name_kits() -> None:
    """Slicer's own names of the wrapped libraries, e.g. vtkSegmentationCorePython."""
    for name, module in list(sys.modules.items()):
        if name.startswith("slicer_core.") and module is not None:
            sys.modules.setdefault(name.split(".")[1] + "Python", module)

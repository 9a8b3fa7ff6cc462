"""slicer.app, its main window, layout manager and module manager, as far as module code asks them."""

from __future__ import annotations

import tempfile
from types import SimpleNamespace

from .classes import behaviour, make, store, value
from .record import RECORD
from .signals import emit
from .toolkit import QtCore, QtWidgets, private

# set by install: scene-independent parts of the one application
PARTS = SimpleNamespace(module_names=[], settings=None, temporary=None, slice_logics={})
FORWARDED = (
    "setOverrideCursor", "restoreOverrideCursor", "overrideCursor", "clipboard", "keyboardModifiers", "translate",
    "activeWindow", "topLevelWidgets", "palette", "font", "style", "quit", "exit",
)  # fmt: skip


class WithoutViews:
    """Rendering can be paused where nothing is rendered."""

    def pauseRender(self) -> None:
        """There are no views."""

    def resumeRender(self) -> None:
        """There are no views."""

    def setRenderPaused(self, paused: bool) -> None:
        """There are no views."""


@behaviour("qSlicerModuleManager")
class ModuleManager:
    def modulesNames(self) -> list[str]:
        return sorted(set(PARTS.module_names))

    def module(self, name: str) -> object:
        import slicer

        return getattr(slicer.modules, name.lower(), None)


@behaviour("qSlicerCoreApplication")
class CoreApplication(WithoutViews):
    defaults = {
        "majorVersion": 5, "minorVersion": 12, "slicerHome": "/opt/Slicer", "slicerSharePath": "share/Slicer-5.12",
        "documentationBaseUrl": "https://slicer.readthedocs.io/en/latest/", "documentationVersion": "latest",
        "os": "linux", "arch": "amd64", "mainApplicationName": "Slicer", "mainApplicationDisplayName": "3D Slicer",
        "revision": "0", "repositoryRevision": "0", "applicationLocaleName": "en_US", "isInstalled": True,
    }  # fmt: skip

    def get_temporaryPath(self) -> str:
        return PARTS.temporary.name

    def mrmlScene(self) -> object:
        import slicer

        return slicer.mrmlScene

    def applicationLogic(self) -> object:
        from MedImgAnalysisLib.scene import standalone

        return standalone.application_logic()

    def moduleLogic(self, name: str) -> object:
        module = self.moduleManager().module(name)
        return module.logic() if module is not None else None

    def moduleManager(self) -> object:
        return PARTS.module_manager

    def settings(self) -> QtCore.QSettings:
        return PARTS.settings

    def userSettings(self) -> QtCore.QSettings:
        return PARTS.settings

    def processEvents(self, *flags: object) -> None:
        QtWidgets.QApplication.processEvents()

    def testingEnabled(self) -> bool:
        return False

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"https://slicer.readthedocs.io/en/latest/user_guide/modules/{name.lower()}.html"

    def openUrl(self, url: str) -> None:
        RECORD.urls.append(url)

    def logUsageEvent(self, component: str, event: str) -> None:
        """Not sent anywhere."""

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()


@behaviour("qSlicerApplication")
class Application(WithoutViews):
    def layoutManager(self) -> object:
        return PARTS.layout_manager


@behaviour("qMRMLLayoutManager")
class LayoutManager(WithoutViews):
    """Remembers the layout; slice widgets have a slice logic and nodes but nothing to see."""

    defaults = {"layout": 3, "threeDViewCount": 0}

    def set_layout(self, number: int) -> None:
        if store(self, "layout", number):
            emit(self, "layoutChanged(int)", number)

    def sliceViewNames(self) -> list[str]:
        return ["Red", "Green", "Yellow"]

    def sliceWidget(self, name: str) -> object:
        import slicer

        if name not in self.sliceViewNames():
            return None
        logic = PARTS.slice_logics.get(name)
        if logic is None or not slicer.mrmlScene.IsNodePresent(logic.GetSliceNode()):
            logic = PARTS.slice_logics[name] = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLScene(slicer.mrmlScene)
            logic.AddSliceNode(name)
        widget = make("qMRMLSliceWidget")()
        private(widget).logic = logic
        return widget

    def mrmlSliceLogics(self) -> object:
        import slicer
        import vtk

        logics = vtk.vtkCollection()
        for logic in PARTS.slice_logics.values():
            if slicer.mrmlScene.IsNodePresent(logic.GetSliceNode()):
                logics.AddItem(logic)
        return logics

    def resetThreeDViews(self) -> None:
        """There are no views."""

    def resetSliceViews(self) -> None:
        """There are no views."""


@behaviour("qMRMLSliceWidget")
class SliceWidget:
    def sliceLogic(self) -> object:
        return self._own.logic

    def mrmlSliceNode(self) -> object:
        return self._own.logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> object:
        return self._own.logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """There are no views."""


@behaviour("qSlicerMainWindow")
class MainWindow:
    def _init(self) -> None:
        self.setObjectName("qSlicerMainWindow")
        self._own.selector = make("qSlicerModuleSelectorToolBar")(self)

    def moduleSelector(self) -> object:
        return self._own.selector


@behaviour("qSlicerModuleSelectorToolBar")
class ModuleSelector:
    """Records what is selected."""

    def selectModule(self, name: str) -> None:
        if value(self, "selectedModule") != name:
            RECORD.modules_selected.append(name)
            store(self, "selectedModule", name)
            emit(self, "moduleSelected(QString)", name)

    def set_selectedModule(self, name: str) -> None:
        self.selectModule(name)


def make_application() -> object:
    """slicer.app, with the parts that it hands out."""
    PARTS.temporary = tempfile.TemporaryDirectory(prefix="slicer-standin-")
    # a folder of its own, so that no settings of the person who runs the tests are read or written
    QtCore.QCoreApplication.setOrganizationName("slicer-standin")
    QtCore.QCoreApplication.setApplicationName("Slicer")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, PARTS.temporary.name)
    PARTS.settings = QtCore.QSettings()
    PARTS.module_manager = make("qSlicerModuleManager")()
    PARTS.layout_manager = make("qSlicerLayoutManager")()
    PARTS.main_window = make("qSlicerMainWindow")()
    application = make("qSlicerApplication")()
    for name in FORWARDED:
        setattr(type(application), name, staticmethod(getattr(QtWidgets.QApplication, name)))
    type(application).applicationName = lambda self: "Slicer"
    type(application).applicationVersion = lambda self: "5.12.0"
    return application

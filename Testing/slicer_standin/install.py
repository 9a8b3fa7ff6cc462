"""Create the modules qt, ctk and complete the real slicer-core `slicer` package with app, modules, widgets."""
import importlib
import importlib.util
import os
import sys
import tempfile
import types

from . import core
from .core import FACTS, QtCore, QtGui, QtNetwork, QtPrintSupport, QtSvg, QtWidgets, NotModelled, QObject, emit
from . import standins, uiloader, widgets  # noqa: F401  (widgets registers the behaviours)
from .standins import behaviour, make

STATE = types.SimpleNamespace(startup=False)


def qt_module():
    m = types.ModuleType("qt")
    special = {"QUiLoader": uiloader.QUiLoader}

    def ga(n):
        if n in special:
            return special[n]
        if n == "Qt" or (n in FACTS.Q and not FACTS.Q[n].get("no6")):
            for mod in (QtCore, QtGui, QtWidgets, QtNetwork, QtPrintSupport, QtSvg):
                if hasattr(mod, n):
                    return getattr(mod, n)
        if n in ("Signal", "Slot", "Property"):
            return getattr(QtCore, n)
        raise AttributeError("module 'qt' has no attribute '%s'" % n)
    m.__getattr__ = ga
    m.__all__ = [n for n in FACTS.Q if not FACTS.Q[n].get("no6") and any(hasattr(x, n) for x in (QtCore, QtGui, QtWidgets, QtNetwork))]
    return m


def ctk_module():
    m = types.ModuleType("ctk")
    m.__getattr__ = standins.module_getattr("ctk")
    return m


# ------------------------------------------------------------------ slicer.app & co
@behaviour("qSlicerModuleManager")
class _ModuleManager:
    def modulesNames(self):
        return sorted(STATE.module_names)

    def module(self, name):
        return getattr(sys.modules["slicer.modules"], name.lower(), None)


@behaviour("qSlicerCoreApplication")
class _CoreApp:
    _defaults = {"majorVersion": 5, "minorVersion": 13, "slicerHome": "/opt/Slicer", "slicerSharePath": "share/Slicer-5.13", "intDir": "",
                 "documentationBaseUrl": "https://slicer.readthedocs.io/en/latest/", "documentationVersion": "latest", "os": "linux", "arch": "amd64",
                 "mainApplicationName": "Slicer", "mainApplicationDisplayName": "3D Slicer", "revision": "0", "repositoryRevision": "0",
                 "applicationLocaleName": "en_US", "extensionsInstallPath": "", "defaultScenePath": "", "isInstalled": True}

    def _get_temporaryPath(self):
        return core.state(self)["v"].setdefault("temporaryPath", tempfile.mkdtemp(prefix="slicer_standin"))

    def mrmlScene(self):
        return STATE.scene

    def applicationLogic(self):
        return STATE.appLogic

    def moduleLogic(self, name):
        return STATE.logics.get(name.lower())

    def moduleManager(self):
        return STATE.moduleManager

    def settings(self):
        return QtCore.QSettings()

    def userSettings(self):
        return QtCore.QSettings()

    def processEvents(self, *a):
        core.process_events()

    def testingEnabled(self):
        return STATE.testing

    def moduleDocumentationUrl(self, name):
        return "https://slicer.readthedocs.io/en/latest/user_guide/modules/%s.html" % name.lower()

    def logUsageEvent(self, a, b):
        pass

    def pauseRender(self):
        pass

    def resumeRender(self):
        pass

    def setRenderPaused(self, v):
        pass

    def startupEnvironment(self):
        return QtCore.QProcessEnvironment.systemEnvironment()


@behaviour("qSlicerApplication")
class _App:
    def layoutManager(self):
        return STATE.layoutManager

    def pauseRender(self):
        pass

    def resumeRender(self):
        pass

    def setRenderPaused(self, v):
        pass


@behaviour("qMRMLLayoutManager")
class _Layout:
    _defaults = {"layout": 3}

    def sliceViewNames(self):
        return []

    def setLayout(self, i):
        if i != core.state(self)["v"].get("layout"):
            core.state(self)["v"]["layout"] = i
            emit(self, "layoutChanged(int)", i)

    def resetThreeDViews(self):
        pass

    def resetSliceViews(self):
        pass

    def sliceWidget(self, name):
        return None

    def threeDWidget(self, i):
        return None


def _qapp_forward(app):
    """QApplication/QCoreApplication members of slicer.app that the stand-in forwards to the real QApplication."""
    qa = QtWidgets.QApplication
    for n in ("setOverrideCursor", "restoreOverrideCursor", "overrideCursor", "clipboard", "keyboardModifiers", "translate", "activeWindow",
              "topLevelWidgets", "palette", "font", "style", "quit", "exit"):
        setattr(type(app), n, staticmethod(getattr(qa, n)))
    type(app).applicationName = lambda self: "Slicer"
    type(app).applicationVersion = lambda self: "5.13.0"


LOGICS = (("colors", "vtkSlicerColorLogic"), ("units", "vtkSlicerUnitsLogic"), ("terminologies", "vtkSlicerTerminologiesModuleLogic"),
          ("subjecthierarchy", "vtkSlicerSubjectHierarchyModuleLogic"), ("volumes", "vtkSlicerVolumesLogic"), ("models", "vtkSlicerModelsLogic"),
          ("transforms", "vtkSlicerTransformLogic"), ("tables", "vtkSlicerTablesLogic"), ("texts", "vtkSlicerTextsLogic"),
          ("plots", "vtkSlicerPlotsLogic"), ("markups", "vtkSlicerMarkupsLogic"), ("segmentations", "vtkSlicerSegmentationsModuleLogic"),
          ("sequences", "vtkSlicerSequencesLogic"), ("cropvolume", "vtkSlicerCropVolumeLogic"))


class ModuleFacade:
    """slicer.modules.<name>: strict view of qSlicerAbstractCoreModule for non-scripted modules (logic only)."""

    def __init__(self, name, logic):
        self.__dict__["_n"], self.__dict__["_l"] = name, logic

    def logic(self):
        return self._l

    def __getattr__(self, n):
        if n == "name":
            return self._n
        k = FACTS.table("qSlicerLoadableModule").get(n)
        if k:
            raise NotModelled("slicer.modules.%s.%s" % (self._n, n))
        raise AttributeError("qSlicerLoadableModule has no attribute named '%s'" % n)


def install(real_python=None, testing=True):
    """real_python: Slicer's Base/Python directory (runs on Slicer's real files); None: own implementations."""
    core.patch()
    sys.modules["qt"] = qt_module()
    sys.modules["ctk"] = ctk_module()
    import vtk  # noqa: F401
    import slicer
    import slicer.util  # noqa: F401
    QtCore.QCoreApplication.setOrganizationName("slicer_standin")
    QtCore.QCoreApplication.setApplicationName("slicer-standin")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, tempfile.mkdtemp(prefix="slicer_standin"))
    slicer.__getattr__ = standins.module_getattr("slicer")
    STATE.testing, STATE.module_names, STATE.logics = testing, [], {}
    STATE.scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    STATE.appLogic = slicer.vtkSlicerApplicationLogic()
    STATE.appLogic.SetMRMLScene(STATE.scene)
    STATE.appLogic.GetColorLogic().SetMRMLScene(STATE.scene)
    mods = types.ModuleType("slicer.modules")
    names = types.ModuleType("slicer.moduleNames")
    sys.modules["slicer.modules"], sys.modules["slicer.moduleNames"] = mods, names
    slicer.modules, slicer.moduleNames = mods, names
    for n, cls in LOGICS:
        lg = getattr(slicer, cls)()
        lg.SetMRMLApplicationLogic(STATE.appLogic)
        lg.SetMRMLScene(STATE.scene)
        STATE.appLogic.SetModuleLogic(n, lg)
        STATE.logics[n] = lg
        setattr(mods, n, ModuleFacade(n, lg))
    import vtk

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller, event, node):             # stands for qSlicerSubjectHierarchyPluginLogic::onNodeAdded
        if not node.GetHideFromEditors() and any(node.IsA("vtkMRML%sNode" % t) for t in ("Displayable", "Table", "Text", "Transform", "Sequence", "PlotChart")):
            sh = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(STATE.scene)
            if sh is not None and not sh.GetItemByDataNode(node):
                sh.CreateItem(sh.GetSceneItemID(), node)
    STATE.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, added, 1.0)
    STATE.moduleManager = make("qSlicerModuleManager")()
    STATE.layoutManager = make("qSlicerLayoutManager")()
    slicer.app = make("qSlicerApplication")()
    _qapp_forward(slicer.app)
    for n, m in list(sys.modules.items()):             # Slicer's own names of the wrapped kits
        if n.startswith("slicer_core.") and m is not None:
            sys.modules.setdefault(n.split(".")[1] + "Python", m)
    import __main__
    for n in ("qt", "ctk", "vtk", "slicer"):
        setattr(__main__, n, sys.modules[n])
    if real_python:
        slicer.__path__.append(os.path.join(real_python, "slicer"))
        sys.path.append(real_python)                       # sitkUtils, mrml
        for n in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging", "cli", "testing"):
            importlib.import_module("slicer." + n)
    else:
        from . import own
        own.register(slicer)
    return slicer


# ------------------------------------------------------------------ scripted modules
def load_module(path, create_widget=True):
    """What qSlicerScriptedLoadableModule does: import the file, instantiate <Name>(parent), later <Name>Widget(parent).setup()."""
    import slicer
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    mod = importlib.util.module_from_spec(spec)
    sys.modules[name] = mod
    sys.path.insert(0, os.path.dirname(path))
    spec.loader.exec_module(mod)
    parent = make("qSlicerScriptedLoadableModule")() if FACTS.known("qSlicerScriptedLoadableModule") else types.SimpleNamespace()
    QObject.setProperty(parent, "path", path)
    parent.__dict__["_sq_path"] = path
    facade = ModuleParent(parent, name, path)
    inst = getattr(mod, name)(facade)
    setattr(slicer.modules, name + "Instance", inst)
    setattr(slicer.modules, name.lower(), facade)
    STATE.module_names.append(name)
    if not create_widget:
        return mod, None, None
    rep = make("qSlicerScriptedLoadableModuleWidget")()
    QtWidgets.QWidget.setLayout(rep, QtWidgets.QVBoxLayout())
    rep.setMRMLScene(STATE.scene)
    w = getattr(mod, name + "Widget")(rep)
    setattr(slicer.modules, name + "Widget", w)
    rep.__dict__["_sq_self"] = w
    facade.__dict__["_rep"] = rep
    w.setup()
    return mod, rep, w


class ModuleParent:
    """`parent` of a scripted module: attributes limited to what qSlicerScriptedLoadableModule offers."""

    def __init__(self, obj, name, path):
        self.__dict__.update(_obj=obj, _name=name, _v={"path": path, "name": name, "title": name}, _rep=None)

    def __getattr__(self, n):
        if n in self._v:
            return self._v[n]
        k = FACTS.table("qSlicerScriptedLoadableModule").get(n)
        if n == "widgetRepresentation":
            return lambda: self._rep
        if n == "logic":
            return lambda: None
        if k is None:
            raise AttributeError("qSlicerScriptedLoadableModule has no attribute named '%s'" % n)
        if k[0] == "p":
            return self._v.get(n, {"QString": "", "QStringList": (), "bool": False, "int": -1}.get(k[2][0]))
        raise NotModelled("qSlicerScriptedLoadableModule." + n)

    def __setattr__(self, n, v):
        k = FACTS.table("qSlicerScriptedLoadableModule").get(n)
        if k is None or k[0] != "p" or not k[2][1]:
            raise AttributeError("'%s' is not a writable property of qSlicerScriptedLoadableModule" % n)
        self._v[n] = core.to_user(core.to_prop(k[2][0], v))


def start():
    """Emit startupCompleted()."""
    import slicer
    if not STATE.startup:
        STATE.startup = True
        emit(slicer.app, "startupCompleted()")


def grab(widget, path, width=420):
    widget.resize(width, max(200, widget.sizeHint().height()))
    widget.show()
    for _ in range(5):
        core.process_events()
    h = widget.sizeHint().height()
    widget.resize(width, max(200, h))
    core.process_events()
    widget.grab().save(path)
    return path

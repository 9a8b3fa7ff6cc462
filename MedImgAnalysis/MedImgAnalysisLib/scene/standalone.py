"""A real MRML scene without the Slicer application, from the `slicer-core` package.

`start` gives `slicer.mrmlScene`, `slicer.modules.<name>.logic()` and what storage nodes need, so that
code written for Slicer runs in plain Python, in tests and in a batch. Inside Slicer nothing is done.

    from MedImgAnalysisLib.scene import standalone
    standalone.start()
    ...
    standalone.stop()
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import multiprocessing
import multiprocessing.util
import os
import sys
import tempfile
import types
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileError, MissingPackageError
from ..values import PALETTE

logger = logging.getLogger("MedImgAnalysis.vtk")
"""Gets what VTK and MRML print; quiet it with `logging` and nothing else."""

LOGICS: tuple[tuple[str, str, str], ...] = (
    ("colors", "Colors", "vtkSlicerColorLogic"),
    ("units", "Units", "vtkSlicerUnitsLogic"),
    ("subjecthierarchy", "SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    ("data", "Data", "vtkSlicerDataModuleLogic"),
    ("cameras", "Cameras", "vtkSlicerCamerasModuleLogic"),
    ("volumes", "Volumes", "vtkSlicerVolumesLogic"),
    ("models", "Models", "vtkSlicerModelsLogic"),
    ("transforms", "Transforms", "vtkSlicerTransformLogic"),
    ("tables", "Tables", "vtkSlicerTablesLogic"),
    ("texts", "Texts", "vtkSlicerTextsLogic"),
    ("plots", "Plots", "vtkSlicerPlotsLogic"),
    ("markups", "Markups", "vtkSlicerMarkupsLogic"),
    ("segmentations", "Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    ("sequences", "Sequences", "vtkSlicerSequencesLogic"),
    ("sceneviews", "SceneViews", "vtkSlicerSceneViewsModuleLogic"),
)
"""Attribute of `slicer.modules`, module name and logic class, each after those it needs."""

IN_HIERARCHY = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTransformNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLSequenceNode",
    "vtkMRMLSequenceBrowserNode",
)
"""Nodes for which the application shows an item in the subject hierarchy."""


@dataclass
class _State:
    scene: Any
    application: Any
    folder: tempfile.TemporaryDirectory[str]
    logics: dict[str, Any] = field(default_factory=dict)
    keep: list[Any] = field(default_factory=list)
    observers: list[tuple[Any, int]] = field(default_factory=list)


_state: _State | None = None


def inside_slicer() -> bool:
    """Whether this Python is that of the Slicer application."""
    slicer = sys.modules.get("slicer")
    return _state is None and slicer is not None and hasattr(slicer, "app") and hasattr(slicer, "mrmlScene")


def running() -> bool:
    """Whether there is a scene of this module's making."""
    return _state is not None


def application_logic() -> Any:
    """The `vtkSlicerApplicationLogic` of the standalone scene, or of Slicer."""
    if _state is not None:
        return _state.application
    import slicer

    return slicer.app.applicationLogic()


def start() -> None:
    """Make the scene; does nothing when there is one, or inside Slicer.

    Raises `MissingPackageError` where the package slicer-core is not installed, or hidden by another one.
    """
    global _state
    if _state is not None or inside_slicer():
        return
    try:
        import slicer
        import vtk  # noqa: F401  slicer-core needs all of VTK's Python classes registered first
    except ImportError as error:
        raise MissingPackageError(
            f"A scene outside Slicer needs the package slicer-core: pip install slicer-core ({error}).",
            package="slicer-core",
        ) from None
    if not hasattr(slicer, "vtkMRMLScene"):
        raise MissingPackageError(
            "The installed package slicer is not that of 3D Slicer and hides it: pip uninstall slicer, then "
            f"pip install --force-reinstall slicer-core ({slicer.__file__}).",
            package="slicer-core",
        )
    _route_messages()
    folder = tempfile.TemporaryDirectory(prefix="medimg-scene-")
    scene = slicer.vtkMRMLScene()
    state = _State(scene, slicer.vtkSlicerApplicationLogic(), folder)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    _make_application(state, slicer)
    _make_modules(state, slicer)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    slicer.mrmlScene = scene
    _watch_hierarchy(state, slicer)
    _state = state
    atexit.register(stop)
    if multiprocessing.parent_process() is not None:  # workers end without what atexit would do
        multiprocessing.util.Finalize(None, stop, exitpriority=10)


def stop() -> None:
    """Take the scene apart in the order that leaves nothing behind; `start` works again afterwards."""
    global _state
    state, _state = _state, None
    if state is None:
        return
    import slicer

    atexit.unregister(stop)
    for subject, tag in state.observers:
        subject.RemoveObserver(tag)
    for name in ("mrmlScene", "modules"):
        if hasattr(slicer, name):
            delattr(slicer, name)
    sys.modules.pop("slicer.modules", None)
    state.scene.Clear(1)
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # logics complain that their scene goes away, which is what is meant
    for logic in reversed(list(state.logics.values())):
        logic.SetMRMLScene(None)
        logic.SetMRMLApplicationLogic(None)
    state.application.SetMRMLScene(None)
    logger.setLevel(level)
    state.logics.clear()
    state.keep.clear()
    state.folder.cleanup()


def clear() -> None:
    """Empty the scene between cases; colours, units and the views' nodes stay."""
    import slicer

    slicer.mrmlScene.Clear(0)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)  # made anew, as in Slicer


def save_mrb(path: str | Path) -> Path:
    """Write the scene with all its data as one `.mrb` file (written beside it, then renamed)."""
    import slicer

    target = Path(path).absolute()
    if target.suffix.lower() != ".mrb":
        raise FileError(f"{target}: a scene is saved as a file that ends in .mrb.", path=str(target))
    if not target.parent.is_dir():
        raise FileError(f"{target}: the folder {target.parent} does not exist.", path=str(target))
    with tempfile.TemporaryDirectory(prefix=".medimg-", dir=target.parent) as folder:
        written = Path(folder) / target.name
        messages = slicer.vtkMRMLMessageCollection() if hasattr(slicer, "vtkMRMLMessageCollection") else None
        here = os.getcwd()
        try:
            good = slicer.mrmlScene.WriteToMRB(str(written), None, messages)
        finally:
            os.chdir(here)
        if not good or not written.is_file():
            said = messages.GetAllMessagesAsString() if messages is not None else ""
            raise FileError(f"{target}: the scene could not be written. {said}", path=str(target))
        written.replace(target)
    return target


def load(path: str | Path, clear_first: bool = True) -> None:
    """Read a `.mrb` or `.mrml` file into the scene; raises `FileError` that names the file."""
    import slicer

    source = Path(path).absolute()
    if not source.is_file():
        raise FileError(f"{source}: there is no such file.", path=str(source))
    scene = slicer.mrmlScene
    bundle = source.suffix.lower() == ".mrb"
    if bundle:
        _check_bundle(source)
    here = os.getcwd()
    try:
        if bundle:
            good = scene.ReadFromMRB(str(source), clear_first)
        else:
            scene.SetURL(str(source))
            good = scene.Connect() if clear_first else scene.Import()
    finally:
        os.chdir(here)  # MRML stays in a deleted folder when it fails to unpack
    if not good:
        raise FileError(f"{source}: this is not a scene that can be read.", path=str(source))


def _check_bundle(path: Path) -> None:
    """Raise `FileError` unless the file is a whole zip archive with one scene and no path that leaves it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: this is not a scene that can be read: {error}.", path=str(path)) from None
    scenes = [name for name in names if name.lower().endswith(".mrml")]
    outside = [name for name in names if name.startswith(("/", "\\")) or ".." in Path(name).parts or ":" in name]
    if broken or outside or len(scenes) != 1:
        why = (
            f"{broken} is damaged"
            if broken
            else f"{outside[0]} points outside"
            if outside
            else f"it holds {len(scenes)} scenes"
        )
        raise FileError(f"{path}: this is not a scene that can be read: {why}.", path=str(path))


@contextlib.contextmanager
def batch(scene: Any) -> Iterator[None]:
    """Tell the views and panels once, after all changes, instead of after each."""
    scene.StartState(scene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(scene.BatchProcessState)


def _route_messages() -> None:
    """Messages of VTK go to `logging` once, instead of twice to the terminal."""
    import vtk

    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    window = vtk.vtkOutputWindow()
    window.SetDisplayModeToNever()

    def forward(level: int) -> Callable[..., None]:
        def observer(_caller: Any, _event: str, text: str) -> None:
            # Without a display VTK says so and goes on with EGL; whether pictures come is asked by `opengl.probe`.
            expected = "bad X server connection" in text
            logger.log(logging.DEBUG if expected else level, "%s", " ".join(text.split()))

        observer.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]
        return observer

    window.AddObserver("ErrorEvent", forward(logging.ERROR))
    window.AddObserver("WarningEvent", forward(logging.WARNING))
    vtk.vtkOutputWindow.SetInstance(window)


def _make_application(state: _State, slicer: Any) -> None:
    from vtkmodules.vtkCommonCore import vtkCollection

    application = state.application
    home = Path(state.folder.name)
    application.SetHomeDirectory(str(home))
    application.SetShareDirectory("share")
    _write_colors(home / "share" / "ColorFiles")
    application.SetMRMLScene(state.scene)
    application.SetTemporaryPath(str(home))
    remote = slicer.vtkMRMLRemoteIOLogic()
    cache = home / "cache"
    cache.mkdir()
    (cache / ".slicer-cache").touch()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    data = slicer.vtkDataIOManagerLogic()
    data.SetMRMLApplicationLogic(application)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    application.SetMRMLSceneDataIO(state.scene, remote, data)
    application.SetSliceLogics(vtkCollection())
    application.SetViewLogics(vtkCollection())
    state.keep += [remote, data]


def _write_colors(folder: Path) -> None:
    """The default label colours, which slicer-core does not bring: without them label maps have none."""
    folder.mkdir(parents=True)
    rows = ["0 Background 0 0 0 0"]
    for value in range(1, 256):
        red, green, blue = (round(255 * part) for part in PALETTE[(value - 1) % len(PALETTE)])
        rows.append(f"{value} Segment_{value} {red} {green} {blue} 255")
    (folder / "GenericColors.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _make_modules(state: _State, slicer: Any) -> None:
    modules = types.ModuleType("slicer.modules")
    for attribute, title, name in LOGICS:
        logic = getattr(slicer, name)()
        logic.SetMRMLApplicationLogic(state.application)
        if attribute == "colors":
            state.application.SetColorLogic(logic)
        logic.SetMRMLScene(state.scene)
        state.application.SetModuleLogic(title, logic)
        state.logics[attribute] = logic
        module = types.SimpleNamespace(name=title, title=title, logic=lambda found=logic: found)
        setattr(modules, attribute, module)
    sys.modules["slicer.modules"] = modules
    slicer.modules = modules


def _watch_hierarchy(state: _State, slicer: Any) -> None:
    """Make subject hierarchy items as the application does when nodes are added."""
    import vtk

    def wanted(node: Any) -> bool:
        return (
            node is not None
            and not node.GetHideFromEditors()
            and any(node.IsA(kind) for kind in IN_HIERARCHY)
            and not node.GetAttribute("SubjectHierarchy.ExcludeFromTree")
        )

    def add(scene: Any, node: Any) -> None:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if hierarchy is not None and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def on_node(scene: Any, _event: str, node: Any) -> None:
        if wanted(node) and not scene.IsImporting() and not scene.IsClosing():
            add(scene, node)

    def on_removal(scene: Any, _event: str, node: Any) -> None:
        if wanted(node) and not scene.IsClosing():
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
            if item:
                hierarchy.RemoveItem(item, False, False)

    on_node.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
    on_removal.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def on_import(scene: Any, _event: str) -> None:
        for index in range(scene.GetNumberOfNodes()):
            node = scene.GetNthNode(index)
            if wanted(node):
                add(scene, node)

    scene = state.scene
    state.observers.append((scene, scene.AddObserver(scene.NodeAddedEvent, on_node)))
    state.observers.append((scene, scene.AddObserver(scene.NodeAboutToBeRemovedEvent, on_removal)))
    state.observers.append((scene, scene.AddObserver(scene.EndImportEvent, on_import)))

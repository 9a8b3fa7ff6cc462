"""Widgets that are given a scene and watch it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import shiboken6
import vtk

from ..classes import behaviour
from ..facts import FACTS
from ..signals import emit, native_name
from ..toolkit import QObject, private

SCENE_EVENTS = ("NodeAdded", "NodeRemoved", "EndClose", "EndImport", "EndRestore", "EndBatchProcess")

NODE_LEAVES = "_node_leaves"


def observe(widget: QObject, subjects: Iterable, events: Iterable[int], method: str) -> None:
    """Call widget.`method`() at each event of the subjects, which replace those of before.

    The observer knows the widget weakly: a strong reference would be a cycle through VTK, which the garbage collector
    takes apart in an order that crashes.
    """
    tags = private(widget).__dict__.setdefault("observers", {})
    for old, tag in tags.pop(method, ()):
        old.RemoveObserver(tag)
    reference = weakref.ref(widget)
    mine: dict[str, list[int]] = {}  # numbers alone: a subject here would be such a cycle, too

    def tell(caller: object, event: str, *node: object) -> None:
        alive = reference()
        if alive is not None and shiboken6.isValid(alive):
            getattr(alive, method)(*node)
            return
        for number in mine.pop(caller.__this__, ()):
            caller.RemoveObserver(number)

    if method == NODE_LEAVES:  # only there the data of the event is an object; elsewhere VTK would crash on it
        tell.CallDataType = vtk.VTK_OBJECT
    tags[method] = [(subject, subject.AddObserver(event, tell)) for subject in subjects for event in events]
    for subject, tag in tags[method]:
        mine.setdefault(subject.__this__, []).append(tag)


class SceneHolder:
    """Takes a scene; `_scene_set` is called when it is given, `_scene_event` when its nodes change."""

    def setMRMLScene(self, scene: object) -> None:
        if scene is not self._scene():
            self._own.scene = scene
            self._scene_set(scene)
            if "mrmlSceneChanged(vtkMRMLScene*)" in FACTS.signals(native_name(self)):
                emit(self, "mrmlSceneChanged(vtkMRMLScene*)", scene)

    def _scene(self) -> object:
        return getattr(self._own, "scene", None)

    def _scene_set(self, scene: object) -> None:
        """For those that do something with it."""

    def _observe(self, scene: object) -> None:
        """Call `_scene_event` after each node added or removed, also within an import, and after a close or batch."""
        events = [getattr(scene, name + "Event") for name in SCENE_EVENTS] if scene is not None else []
        observe(self, [scene], events, "_scene_changed")

    def _scene_changed(self) -> None:
        if not self._scene().IsClosing():
            self._scene_event()


class SceneGiver(SceneHolder):
    """Gives the scene back, too (a qSlicerWidget does not)."""

    def mrmlScene(self) -> object:
        return self._scene()


@behaviour("qMRMLWidget", "qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLCoordinatesWidget")
class MRMLWidget(SceneGiver):
    """In number widgets the scene gives units, which are not modelled."""


@behaviour("qSlicerWidget")
class SlicerWidget(SceneHolder):
    pass


@behaviour("qSlicerAbstractModuleWidget")
class ModuleWidget:
    """What Slicer calls enter and exit on; the Python widget is told."""

    def get_isEntered(self) -> bool:
        return getattr(self._own, "entered", False)

    def enter(self) -> None:
        self._own.entered = True
        self._tell("enter")

    def exit(self) -> None:
        self._own.entered = False
        self._tell("exit")

    def _tell(self, name: str) -> None:
        widget = getattr(self._own, "python", None)
        if hasattr(widget, name):
            getattr(widget, name)()


@behaviour("qSlicerScriptedLoadableModuleWidget")
class ScriptedModuleWidget:
    def self(self) -> object:
        return self._own.python

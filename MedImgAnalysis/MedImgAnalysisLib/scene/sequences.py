"""Sequence nodes and frames: each data node is a frame, its index value the position of the frame.

A sequence is never under a transform. What the slice views show is a proxy, a node of the scene that gets the
content of one frame after the other from a sequence browser.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer

from ..errors import InputError
from ..frames import NUMBERED, Frames
from ..progress import SILENT, Progress
from . import frames as coordinates

CLASS = "vtkMRMLSequenceNode"
BROWSER = "vtkMRMLSequenceBrowserNode"
STORAGE = "vtkMRMLSequenceStorageNode"
SHORT_STORAGE = "vtkMRMLLinearTransformSequenceStorageNode"
INDEX = "MedImgAnalysis.Index"
"""Node attribute with the name and unit of the index: sequences of other nodes than volumes come back from a saved
scene with `LOADED`."""
LOADED = ("time", "s")


def is_sequence(node: Any) -> bool:
    """Whether a node holds frames."""
    return bool(node is not None and hasattr(node, "IsA") and node.IsA(CLASS))


def items(node: Any) -> list[Any]:
    """The data nodes of a sequence in the order of their index values."""
    return [node.GetNthDataNode(number) for number in range(node.GetNumberOfDataNodes())]


def item_class(node: Any) -> str:
    """The class of all data nodes; `InputError` for a sequence that is empty or mixed."""
    classes = {item.GetClassName() for item in items(node) if item is not None}
    if not classes:
        raise InputError(f"The sequence {coordinates.identifier(node)} has no frames.", node=node.GetID())
    if len(classes) > 1:
        words = ", ".join(sorted(classes))
        raise InputError(
            f"The sequence {coordinates.identifier(node)} holds nodes of several classes: {words}.", node=node.GetID()
        )
    return classes.pop()


def frames_of(node: Any, read: Callable[[Any], Any], progress: Progress = SILENT) -> Frames:
    """The frames of a sequence; `read` gives the value of one data node.

    Index values that are no rising numbers are said and replaced by 0, 1, 2... Frames are in the coordinates of the
    sequence: a transform above the proxy in the scene does not count, which is said.
    """
    item_class(node)
    for proxy in proxies_of(node):
        if coordinates.parent_of(proxy) is not None:
            progress.warn(
                f"{coordinates.identifier(proxy)} shows the sequence {coordinates.identifier(node)} under a transform; "
                "the frames are taken without it."
            )
    title, unit = node.GetIndexName() or NUMBERED, node.GetIndexUnit() or ""
    if node.GetAttribute(INDEX) and (title, unit) == LOADED:
        title, _, unit = node.GetAttribute(INDEX).partition(" | ")
    positions = _positions(node)
    if not positions:
        progress.warn(
            f"The index values of the sequence {coordinates.identifier(node)} are no rising numbers; "
            "its frames are numbered."
        )
        title, unit = NUMBERED, ""
    return Frames(tuple(read(item) for item in items(node)), positions, title, unit)


def together(*nodes: Any) -> list[tuple[Any, ...]]:
    """The nodes that belong together, frame by frame: data nodes of sequences, and other nodes in every frame."""
    counts = [node.GetNumberOfDataNodes() for node in nodes if is_sequence(node)]
    return [
        tuple(node.GetNthDataNode(number) if is_sequence(node) else node for node in nodes)
        for number in range(min(counts, default=1))
    ]


def _positions(node: Any) -> tuple[float, ...]:
    try:
        found = tuple(float(node.GetNthIndexValue(number)) for number in range(node.GetNumberOfDataNodes()))
    except ValueError:
        return ()
    return found if all(map(math.isfinite, found)) and (np.diff(found) > 0).all() else ()


def put_frames(frames: Frames, node: Any, make: Callable[[Any], Any]) -> None:
    """Replace the frames of a sequence; `make` gives a new data node, outside of the scene, for a value."""
    before = node.StartModify()
    try:
        node.RemoveAllDataNodes()
        node.SetIndexName(frames.title)
        node.SetIndexUnit(frames.unit)
        node.SetAttribute(INDEX, f"{frames.title} | {frames.unit}")
        node.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
        for value, position in zip(frames.values, frames.positions, strict=True):
            item = make(value)
            item.SetName(node.GetName())
            node.SetDataNodeAtValue(item, repr(position).removesuffix(".0"))
    finally:
        node.EndModify(before)


def keep_exact(node: Any) -> None:
    """Have a sequence of linear transforms saved as a scene of its own.

    The text file in which it is saved else holds six digits, and gives it another name when it is loaded.
    """
    if node.GetStorageNode() is None and node.GetDefaultStorageNodeClassName() == SHORT_STORAGE:
        storage = node.GetScene().AddNewNodeByClass(STORAGE)
        node.SetAndObserveStorageNodeID(storage.GetID())


def browse(node: Any) -> Any:
    """A sequence browser that shows the first frame of a new sequence; None where there is no such class."""
    scene = node.GetScene()
    browser = scene.AddNewNodeByClass(BROWSER, scene.GenerateUniqueName(f"{node.GetName()} browser"))
    if browser is None:
        return None
    browser.AddSynchronizedSequenceNode(node)
    browser.SetSelectedItemNumber(0)
    return browser


def browser_of_proxy(node: Any) -> Any:
    """The browser that puts its frames into this node, None for a node of its own."""
    found = _logic()
    return found.GetFirstBrowserNodeForProxyNode(node) if found is not None else None


def proxies_of(node: Any) -> list[Any]:
    """The nodes of the scene that show the current frame of a sequence."""
    scene = node.GetScene()
    browsers = [] if scene is None else [
        found for number in range(scene.GetNumberOfNodesByClass(BROWSER))
        if (found := scene.GetNthNodeByClass(number, BROWSER)).IsSynchronizedSequenceNode(node, True)
    ]  # fmt: skip
    return [proxy for browser in browsers if (proxy := browser.GetProxyNode(node)) is not None]


def _logic() -> Any:
    module = getattr(slicer.modules, "sequences", None)
    return module.logic() if module is not None else None


class Kept:
    """The frames of a sequence, to be put back; `CopyContent` leaves them out."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._copy = slicer.mrmlScene.CreateNodeByClass(CLASS)
        self._copy.UnRegister(None)
        self._copy.Copy(node)

    def back(self) -> None:
        """Replace what the sequence holds now."""
        self._node.RemoveAllDataNodes()
        self._node.CopySequenceIndex(self._copy)
        for number, item in enumerate(items(self._copy)):
            self._node.SetDataNodeAtValue(item, self._copy.GetNthIndexValue(number))

"""Pictures for pages from Slicer's own slice views. The volumes that are shown leave the scene afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer

from ..pages import plane_pictures
from ..pages.layers import SIDE, Draw, Layer, Picture, Ramp, colours, jpeg
from . import bridge, volumes
from .opengl import probe
from .views import ORIENTATIONS, SliceView

COUNT = 256


def drawer(warn: Callable[[str], None]) -> Draw:
    """`draw` where there is OpenGL, else the plain drawing, which is said once; asked when the first picture is due."""
    chosen: list[Draw] = []

    def drawn(picture: Picture) -> list[str]:
        if not chosen:
            reason = probe()
            if reason is not None:
                warn(f"The pictures are drawn without slice views: {reason}.")
            chosen.append(draw if reason is None else plane_pictures.draw)
        return chosen[0](picture)

    return drawn


def draw(picture: Picture) -> list[str]:
    """See `pages.layers.Draw`; the scene is as it was before."""
    if len(picture.point) == 2:
        return plane_pictures.draw(picture)
    scene = slicer.mrmlScene
    before = bridge.node_ids(scene)
    found = []
    try:
        below = _add(picture.below, "below")
        above = None if picture.above is None else _add(picture.above, "above")
        point = (-picture.point[0], -picture.point[1], picture.point[2])
        with tempfile.TemporaryDirectory(prefix="medimg-") as folder:
            for name, sides in ORIENTATIONS.items():
                path = Path(folder) / f"{name}.png"
                with SliceView(name, (SIDE, SIDE)) as view:
                    view.show(below, above, point, opacity=picture.opacity, add=picture.how == "sum")
                    view.mark(sides)
                    view.write(path)
                pixels = sitk.ReadImage(str(path))
                found.append(jpeg(sitk.GetArrayFromImage(pixels)[..., :3]))
    finally:
        bridge.remove_new(scene, before)
    return found


def _add(layer: Layer, name: str) -> Any:
    """A volume node with the colours and the range of a layer, hidden from lists and left out of saved scenes."""
    node = _hidden("vtkMRMLScalarVolumeNode", f"MedImg picture {name}")
    volumes.put_image(layer.image, node)
    volumes.new_display(node)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_colours(layer.ramp, name).GetID())
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(layer.low, layer.high)
    display.SetInterpolate(True)
    return node


def _hidden(kind: str, name: str) -> Any:
    """A new node that no list shows: it is hidden before it comes into the scene."""
    node = slicer.mrmlScene.CreateNodeByClass(kind)
    node.UnRegister(None)
    node.SetName(name)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return slicer.mrmlScene.AddNode(node)


def _colours(ramp: Ramp, name: str) -> Any:
    table = _hidden("vtkMRMLColorTableNode", f"MedImg colours {name}")
    table.SetTypeToUser()
    table.SetNumberOfColors(COUNT)
    for number, colour in enumerate(colours(ramp, COUNT)):
        table.SetColor(number, str(number), *colour.tolist(), 1.0)
    table.GetLookupTable().SetTableRange(0, COUNT - 1)
    return table

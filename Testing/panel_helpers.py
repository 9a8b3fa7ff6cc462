"""What tests of panels share: the modules, nodes for them, and what a user does with widgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from medimg_testing import oblique_grid

MODULES = Path(__file__).resolve().parents[1] / "MedImgAnalysis"
HOST = MODULES / "MedImgAnalysis.py"
FILTERING = MODULES / "MedImgFiltering" / "MedImgFiltering.py"


def noisy_image(shape: tuple[int, int, int] = (16, 20, 24), seed: int = 1) -> sitk.Image:
    """A float32 image (k, j, i) of a blob plus noise on an oblique anisotropic grid."""
    k, j, i = np.meshgrid(*(np.linspace(-2, 2, n) for n in shape), indexing="ij")
    noise = np.random.default_rng(seed).normal(0, 3, shape)
    return oblique_grid(sitk.GetImageFromArray((100 * np.exp(-(i**2 + j**2 + k**2)) + noise).astype(np.float32)))


def add_volume(name: str = "T1", image: sitk.Image | None = None) -> Any:
    """A volume node in the scene."""
    from MedImgAnalysisLib.scene import bridge

    return bridge.add_node(noisy_image() if image is None else image, name, kind="image")


def add_segmentation(volume: Any, name: str = "Brain") -> tuple[Any, str]:
    """A segmentation node with one segment in the middle of the volume, and the id of the segment."""
    from MedImgAnalysisLib.geometry import image_like
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Labels

    image = bridge.value_of(volume, "image")
    array = np.zeros(tuple(reversed(image.GetSize())), np.uint8)
    array[tuple(slice(n // 4, n - n // 4) for n in array.shape)] = 1
    node = bridge.add_node(
        Labels.from_masks([(name, image_like(array, image))]), f"{name} segmentation", kind="labels", like=volume
    )
    return node, node.GetSegmentation().GetNthSegmentID(0)


def voxels(node: Any) -> np.ndarray:
    """The voxels of a volume node (k, j, i)."""
    import slicer

    return np.array(slicer.util.arrayFromVolume(node))


def volumes() -> list[Any]:
    """All scalar volumes of the scene."""
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def node_ids() -> list[str]:
    """The ids of all nodes in the scene, in order."""
    import slicer

    return [slicer.mrmlScene.GetNthNode(number).GetID() for number in range(slicer.mrmlScene.GetNumberOfNodes())]


def choose(combo: Any, data: str) -> None:
    """Choose the entry of a combo box that stands for `data`."""
    index = combo.findData(data)
    assert index >= 0, f"{data!r} is not in the list"
    combo.setCurrentIndex(index)


def log_text(panel: Any) -> str:
    """All that the result log says."""
    return panel.run.log.browser.toPlainText()


def nodes_by_role() -> dict[tuple[str, str], Any]:
    """The nodes that operations made, by (role, id)."""
    import slicer
    from MedImgAnalysisLib.provenance import ATTRIBUTE

    kinds = ("vtkMRMLStorableNode", "vtkMRMLPlotChartNode")
    nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if node.GetAttribute(ATTRIBUTE)]
    return {(json.loads(node.GetAttribute(ATTRIBUTE))["scene"]["role"], node.GetID()): node for node in nodes}


def looks_drawn(path: Path) -> bool:
    """Whether the picture is as wide as a panel and shows more than a plain ground."""
    from PySide6.QtGui import QImage

    picture = QImage(str(path))
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
    return picture.width() >= 400 and picture.height() >= 300 and len(colours) > 20


def view_nodes(view: str = "Red") -> tuple[Any, Any]:
    """Slice node and composite node of a view."""
    from MedImgAnalysisLib.scene import previews

    return previews.view_nodes(view)


def look_at(volume: Any, index: int, axis: int = 2, view: str = "Red") -> None:
    """Turn a view so that it shows a slice of the volume."""
    import vtk

    slice_node, composite = view_nodes(view)
    composite.SetBackgroundVolumeID(volume.GetID())
    to_ras, point = vtk.vtkMatrix4x4(), [0.0, 0.0, 0.0, 1.0]
    volume.GetIJKToRASMatrix(to_ras)
    middle = [(n - 1) / 2 for n in volume.GetImageData().GetDimensions()]
    middle[axis] = index
    to_ras.MultiplyPoint([*middle, 1.0], point)
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    for row in range(3):
        for column, source in enumerate(order):
            length = volume.GetSpacing()[source]
            slice_node.GetSliceToRAS().SetElement(row, column, to_ras.GetElement(row, source) / length)
        slice_node.GetSliceToRAS().SetElement(row, 3, point[row])
    slice_node.UpdateMatrices()
    slice_node.Modified()

"""Which modality a volume node has, and how that is known; nothing is guessed where nothing says so."""

from __future__ import annotations

from typing import Any, NamedTuple

import slicer

from . import sequences

DICOM = "DICOM.Modality"
MODALITIES = ("CT", "MR", "PT", "NM", "US", "CR", "DX", "MG")
AIR_HU = -500.0
"""A CT of a body has air at -1000 HU; other images have no values so far below 0."""
LOWEST_HU, SOFT_HU = -10000.0, 50.0


class Modality(NamedTuple):
    """`name` is a DICOM word such as CT, MR or PT, empty where it is not known; `known_by` is dicom, unit or values."""

    name: str
    known_by: str
    low: float = 0.0
    high: float = 0.0


UNKNOWN = Modality("", "")


def modality_of(node: Any) -> Modality:
    """The modality of a volume node or of the frames of a sequence: by DICOM, by the unit, by the values.

    Values can only tell a CT (Hounsfield units have air far below 0); MR and PET look the same by their values.
    """
    if sequences.is_sequence(node):
        node = node.GetNthDataNode(0) if node.GetNumberOfDataNodes() else None
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLLabelMapVolumeNode"):
        return UNKNOWN
    word = _by_dicom(node)
    if word:
        return Modality(word, "dicom")
    word = _by_unit(node)
    return Modality(word, "unit") if word else _by_values(node)


def _by_dicom(node: Any) -> str:
    """The attribute of the node, or of its item in the subject hierarchy and those above it."""
    found = [node.GetAttribute(DICOM)]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is not None and node.GetScene() is slicer.mrmlScene:
        top = hierarchy.GetSceneItemID()
        item = hierarchy.GetItemByDataNode(node)
        while item not in (0, top):
            found.append(hierarchy.GetItemAttribute(item, DICOM))
            item = hierarchy.GetItemParent(item)
    words = [(word or "").strip().upper() for word in found]
    return next((word for word in words if word in MODALITIES), "")


def _by_unit(node: Any) -> str:
    texts = []
    for entry in (node.GetVoxelValueUnits(), node.GetVoxelValueQuantity()):
        if entry is not None:
            texts += [entry.GetCodeValue() or "", entry.GetCodeMeaning() or ""]
    text = " ".join(texts).casefold()
    if "hnsf" in text or "hounsfield" in text or "hu" in text.split():
        return "CT"
    return "PT" if "suv" in text or "standardized uptake" in text else ""


def _by_values(node: Any) -> Modality:
    data = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None or data.GetNumberOfScalarComponents() != 1:
        return UNKNOWN
    low, high = data.GetScalarRange()
    return Modality("CT", "values", low, high) if LOWEST_HU <= low <= AIR_HU and high > SOFT_HU else UNKNOWN

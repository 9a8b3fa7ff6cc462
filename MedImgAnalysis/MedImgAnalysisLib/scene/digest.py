"""What a scene holds, as one SHA-256 per node: to show that a run changed what it should and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any
from xml.etree import ElementTree

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from . import frames, segmentations, sequences


def scene_digest(scene: Any = None) -> dict[str, str]:
    """SHA-256 by node id of everything about each node of the scene: properties, attributes, references,
    voxels, geometry, segments, transforms, points, table cells and place in the subject hierarchy.

    Modification times and the id that the next new node will get are left out.
    """
    scene = scene or slicer.mrmlScene
    texts = _properties(scene)
    found: dict[str, str] = {}
    for number in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(number)
        digest = hashlib.sha256()
        for part in (number, node.GetClassName(), node.GetName(), texts.get(node.GetID(), ""), *_common(node)):
            digest.update(f"{part}\n".encode())
        for part in _content(node):
            digest.update(part if isinstance(part, bytes) else repr(part).encode())
        found[node.GetID()] = digest.hexdigest()
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """Node ids that came, went or differ between two digests."""
    return {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(key for key in before.keys() & after.keys() if before[key] != after[key]),
    }


def _properties(scene: Any) -> dict[str, str]:
    """What a scene file would say of each node."""
    saved = scene.GetSaveToXMLString()
    scene.SetSaveToXMLString(1)
    scene.Commit()
    text = scene.GetSceneXMLString()
    scene.SetSaveToXMLString(saved)
    scene.SetSceneXMLString("")
    tree = ElementTree.fromstring(text)
    return {child.get("id", ""): ElementTree.tostring(child, encoding="unicode").strip() for child in tree}


def _common(node: Any) -> list[Any]:
    attributes = [(name, node.GetAttribute(name)) for name in sorted(node.GetAttributeNames())]
    roles = sorted(node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles()))
    references = [
        (role, [node.GetNthNodeReferenceID(role, n) for n in range(node.GetNumberOfNodeReferences(role))])
        for role in roles
    ]
    return [attributes, [entry for entry in references if entry[1]]]


def _content(node: Any) -> list[Any]:
    if sequences.is_sequence(node):
        return [
            part
            for number, item in enumerate(sequences.items(node))
            for part in (node.GetNthIndexValue(number), item.GetClassName(), *_content(item))
        ]
    if node.IsA("vtkMRMLVolumeNode"):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        return [frames.to_array(matrix).tolist(), *_pixels(node.GetImageData())]
    if node.IsA("vtkMRMLSegmentationNode"):
        return _segments(node.GetSegmentation())
    if node.IsA("vtkMRMLTransformNode"):
        points = np.random.default_rng(0).uniform(-200, 200, (50, 3))
        transform = node.GetTransformFromParent()
        return [transform.GetClassName(), frames.map_points(transform, points).tobytes()] if transform else []
    if node.IsA("vtkMRMLMarkupsNode"):
        return [
            (
                node.GetNthControlPointLabel(n),
                node.GetNthControlPointPositionStatus(n),
                tuple(node.GetNthControlPointPosition(n)),
            )
            for n in range(node.GetNumberOfControlPoints())
        ]
    if node.IsA("vtkMRMLTableNode"):
        return _cells(node)
    if node.IsA("vtkMRMLModelNode"):
        return _mesh(node.GetPolyData())
    return []


def _mesh(data: Any) -> list[Any]:
    if data is None or data.GetPoints() is None:
        return [None]
    arrays = [data.GetPointData().GetArray(number) for number in range(data.GetPointData().GetNumberOfArrays())]
    return [
        vtk_to_numpy(data.GetPoints().GetData()).tobytes(),
        vtk_to_numpy(data.GetPolys().GetConnectivityArray()).tobytes(),
        *[(array.GetName(), vtk_to_numpy(array).tobytes()) for array in arrays if array is not None],
    ]


def _pixels(data: Any) -> list[Any]:
    scalars = data.GetPointData().GetScalars() if data is not None else None
    if scalars is None:
        return [None]
    return [scalars.GetDataType(), scalars.GetNumberOfComponents(), data.GetExtent(), vtk_to_numpy(scalars).tobytes()]


def _segments(segmentation: Any) -> list[Any]:
    found: list[Any] = [segmentation.GetSourceRepresentationName(), segmentation.SerializeAllConversionParameters()]
    for number in range(segmentation.GetNumberOfSegments()):
        identity = segmentation.GetNthSegmentID(number)
        segment = segmentation.GetSegment(identity)
        found += [
            identity,
            segment.GetName(),
            segment.GetColor(),
            segment.GetLabelValue(),
            segmentations.all_tags_of(segment),
            segmentation.GetLayerIndex(identity),
        ]
        image = segment.GetRepresentation(segmentations.BINARY)
        if image is not None:
            matrix = vtk.vtkMatrix4x4()
            image.GetImageToWorldMatrix(matrix)
            found += [frames.to_array(matrix).tolist(), *_pixels(image)]
    return found


def _cells(node: Any) -> list[Any]:
    table = node.GetTable()
    found: list[Any] = []
    for number in range(table.GetNumberOfColumns() if table is not None else 0):
        array = table.GetColumn(number)
        key = array.GetName()
        cells = [str(array.GetVariantValue(row)) for row in range(table.GetNumberOfRows())]
        found += [
            key,
            array.GetClassName(),
            node.GetColumnTitle(key),
            node.GetColumnUnitLabel(key),
            node.GetColumnDescription(key),
            cells,
        ]
    return found

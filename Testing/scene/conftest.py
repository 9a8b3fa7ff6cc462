"""Every test of this ring has an empty MRML scene of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.scene import standalone
from scene_operations import Everything


@pytest.fixture(autouse=True)
def scene() -> Iterator[Any]:
    """The real MRML scene, empty."""
    standalone.start()
    import slicer

    standalone.clear()
    yield slicer.mrmlScene
    standalone.clear()


@pytest.fixture(autouse=True)
def everything(monkeypatch: pytest.MonkeyPatch) -> type[Everything]:
    """An operation with a result of every kind, in the catalog."""
    monkeypatch.setitem(catalog.OPERATIONS, "everything", Everything)
    return Everything


@pytest.fixture
def volume() -> Any:
    """A volume with a bright blob on an oblique grid."""
    from MedImgAnalysisLib.scene import bridge

    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (12, 14, 16)), indexing="ij")
    array = (100 * np.exp(-(((i - 8) / 4) ** 2 + ((j - 7) / 3) ** 2 + ((k - 6) / 3) ** 2))).astype(np.float32)
    return bridge.add_node(oblique_grid(sitk.GetImageFromArray(array)), "T1", kind="image")

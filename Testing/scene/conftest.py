"""Every test of this ring has an empty MRML scene of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from MedImgAnalysisLib.scene import standalone


@pytest.fixture(autouse=True)
def scene() -> Iterator[Any]:
    """The real MRML scene, empty."""
    standalone.start()
    import slicer

    standalone.clear()
    yield slicer.mrmlScene
    standalone.clear()

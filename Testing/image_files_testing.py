"""Helpers of the tests that read and write image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress

ARRAY = (np.arange(4 * 5 * 6).reshape(6, 5, 4) * 2 % 127).astype(np.int16)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def read_with_warnings(path: Path | str) -> tuple[sitk.Image, list[str]]:
    said: list[str] = []
    return files.read(path, "image", Progress(on_warning=said.append)), said


def same(first: sitk.Image, second: sitk.Image, mm: float = 1e-4) -> bool:
    """Equal type, voxels and corners within `mm`."""
    a, b = sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second)
    corners = np.abs(Grid.of(first).corners - Grid.of(second).corners).max()
    return first.GetPixelID() == second.GetPixelID() and np.array_equal(a, b) and corners < mm

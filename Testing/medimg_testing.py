"""Helpers that tests import: where the test data is, and awkward grids."""

from __future__ import annotations

import os
from pathlib import Path

import SimpleITK as sitk


def find_data() -> Path | None:
    """The test data folder: MEDIMG_TEST_DATA, or shared/data beside the checkout."""
    named = os.environ.get("MEDIMG_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "MANIFEST.json").is_file() else None


def oblique_grid(image: sitk.Image) -> sitk.Image:
    """Give `image` an anisotropic, rotated, shifted grid (changed in place and returned)."""
    if image.GetDimension() == 3:
        rotation = sitk.Euler3DTransform()
        rotation.SetRotation(0.3, -0.2, 0.5)
        image.SetDirection(rotation.GetMatrix())
        image.SetSpacing((0.7, 1.1, 2.5))
        image.SetOrigin((-31.0, 12.5, 140.0))
    else:
        turn = sitk.Euler2DTransform()
        turn.SetAngle(0.4)
        image.SetDirection(turn.GetMatrix())
        image.SetSpacing((0.7, 1.1))
        image.SetOrigin((-31.0, 12.5))
    return image

"""What all test rings share: where the test data is, and small images with known content."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk


def find_data() -> Path | None:
    """The test data folder: MEDIMG_TEST_DATA, or shared/data beside the checkout."""
    named = os.environ.get("MEDIMG_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "MANIFEST.json").is_file() else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The test data folder; the test is skipped where there is none."""
    folder = find_data()
    if folder is None:
        pytest.skip("the test data folder is not here (set MEDIMG_TEST_DATA)")
    return folder


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


@pytest.fixture
def oblique_image() -> sitk.Image:
    """A float32 image (24, 20, 16) of smooth structure plus noise on an oblique anisotropic grid."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in (16, 20, 24)), indexing="ij")
    noise = np.random.default_rng(1).normal(0, 3, k.shape)
    array = 100 * np.exp(-(((i - 12) / 6) ** 2 + ((j - 9) / 5) ** 2 + ((k - 8) / 4) ** 2)) + noise
    return oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))

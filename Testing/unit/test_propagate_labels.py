"""Segments of an atlas on a patient: in the right place, with the volume that the transform gives them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.registration import PropagateLabels
from MedImgAnalysisLib.values import Labels

IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


def ball(grid: Grid, middle: np.ndarray, radius: float) -> sitk.Image:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1)
    far = np.linalg.norm(grid.to_physical(index.reshape(-1, grid.dimension)) - middle, axis=1)
    return image_like((far < radius).reshape(grid.size).T.astype(np.uint8), grid)


def atlas() -> tuple[Labels, np.ndarray]:
    grid = Grid.of(oblique_grid(sitk.Image([60, 40, 20], sitk.sitkUInt8)))
    middle = grid.corners.mean(axis=0)
    labels = Labels.from_masks(
        [("Large", ball(grid, middle, 14.0)), ("Within", ball(grid, middle + 2, 6.0)), ("Empty", grid.blank())]
    )
    return labels, middle


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_volumes_follow_the_transform(interpolation):
    labels, middle = atlas()
    patient = Grid((50, 50, 50), (1.1, 0.9, 1.0), tuple((middle - np.array([27.0, 22.0, 24.5])).tolist()),
                   (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))  # fmt: skip
    larger = sitk.Similarity3DTransform()
    larger.SetCenter(middle.tolist())
    larger.SetScale(0.8)
    larger.SetRotation((0, 0, 1), 0.3)
    outputs = execute(
        PropagateLabels(interpolation=interpolation),
        {"labels": labels, "transform": larger, "reference": patient.blank()},
    ).outputs
    rows = {row["segment"]: row for row in outputs["table"].rows}
    assert rows["Large"]["volume_before_ml"] == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.03)
    assert rows["Large"]["volume_ratio"] == pytest.approx(0.8**-3, rel=0.03)
    assert rows["Within"]["volume_ratio"] == pytest.approx(0.8**-3, rel=0.08)
    assert np.isnan(rows["Empty"]["volume_ratio"]) and rows["Empty"]["status"] == "empty_before"
    found = outputs["labels"]
    assert found.grid == patient and found.segments == labels.segments
    both = sitk.GetArrayFromImage(found.mask("Large")) & sitk.GetArrayFromImage(found.mask("Within"))
    assert both.sum() == sitk.GetArrayFromImage(found.mask("Within")).sum() > 0


def test_what_is_cut_or_gone_is_told():
    labels, _ = atlas()
    half = Grid((60, 40, 10), labels.grid.spacing, labels.grid.origin, labels.grid.direction)
    result = execute(PropagateLabels(), {"labels": labels, "transform": IDENTITY, "reference": half.blank()})
    rows = {row["segment"]: row for row in result.outputs["table"].rows}
    assert rows["Large"]["at_border"] == 1 and rows["Large"]["volume_ratio"] < 0.6
    assert any("may be cut off: Large" in warning for warning in result.warnings)
    corner = Grid((8, 8, 4), labels.grid.spacing, labels.grid.origin, labels.grid.direction)
    result = execute(PropagateLabels(), {"labels": labels, "transform": IDENTITY, "reference": corner.blank()})
    assert any("Nothing is left of these segments in the fixed image: Large, Within" in w for w in result.warnings)


def test_flat_segments_have_an_area():
    flat = Grid((20, 16), (0.7, 1.1), (-31.0, 12.5), sitk.Euler2DTransform((0, 0), 0.4).GetMatrix())
    array = np.zeros((16, 20), np.uint8)
    array[4:10, 5:15] = 1
    labels = Labels.from_masks([("Box", image_like(array, flat))])
    row = execute(
        PropagateLabels(),
        {"labels": labels, "transform": sitk.Transform(2, sitk.sitkIdentity), "reference": flat.blank()},
    ).outputs["table"].rows[0]  # fmt: skip
    assert row["area_before_mm2"] == row["area_after_mm2"] == pytest.approx(60 * 0.77)

"""What was drawn on some slices is continued between them: cones, oblique tubes, neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation import PropagateBetweenSlices
from MedImgAnalysisLib.values import Labels

SHAPE = (21, 60, 64)
K, J, I = np.indices(SHAPE)  # noqa: E741
DRAWN = np.isin(np.arange(SHAPE[0]), (0, 10, 20))[:, None, None]


def labels_of(spacing=(1.0, 1.0, 4.0), **masks: np.ndarray) -> Labels:
    images = []
    for name, mask in masks.items():
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(spacing)
        images.append((name, image))
    return Labels.from_masks(images)


def filled(labels: Labels, **parameters) -> tuple[dict[str, np.ndarray], tuple[dict, ...]]:
    outputs = execute(PropagateBetweenSlices(**parameters), {"labels": labels}).outputs
    found = outputs["labels"]
    return {s.name: sitk.GetArrayFromImage(found.mask(s)) != 0 for s in found.segments}, outputs["table"].rows


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_cone_becomes_whole():
    cone = (J - 30) ** 2 + (I - 32) ** 2 < (20 - 0.7 * K) ** 2
    found, rows = filled(labels_of(A=cone & DRAWN))
    assert dice(found["A"], cone) > 0.98
    np.testing.assert_array_equal(found["A"][::10], cone[::10])
    assert (rows[0]["axis"], rows[0]["drawn"], rows[0]["made"]) == ("k", 3, 18)


def test_a_tube_that_runs_obliquely_is_not_lost():
    # From slice to slice it moves by more than its width: the drawn circles do not overlap.
    tube = (J - 10 - 2 * K) ** 2 + (I - 12 - 1.5 * K) ** 2 < 6.0**2
    found, _ = filled(labels_of(A=tube & DRAWN))
    assert dice(found["A"], tube) > 0.95


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_every_axis_and_slices_of_any_distance(axis):
    at = "kji".index(axis)
    cone = np.moveaxis((J - 30) ** 2 + (I - 32) ** 2 < (20 - 0.7 * K) ** 2, 0, at)
    drawn = np.moveaxis(np.broadcast_to(np.isin(K, (0, 3, 4, 11, 20)), SHAPE), 0, at)
    for chosen in ("auto", axis):
        found, rows = filled(labels_of(A=cone & drawn), axis=chosen)
        assert dice(found["A"], cone) > 0.97 and rows[0]["axis"] == axis


def test_one_slice_resampled_anisotropically_gives_the_same_shape():
    ellipse = ((J - 30) / 15) ** 2 + ((I - 32) / 10) ** 2 < (1 - 0.02 * K) ** 2
    fine, _ = filled(labels_of((1.0, 1.0, 4.0), A=ellipse & DRAWN))
    wide = np.repeat(ellipse & DRAWN, 3, axis=2)
    stretched, _ = filled(labels_of((1 / 3, 1.0, 4.0), A=wide))
    assert dice(stretched["A"][:, :, 1::3], fine["A"]) > 0.98


def test_two_neighbours_share_the_slices_between_without_overlap():
    left = (np.abs(J - 30) < 12) & (I >= 10) & (I < 32)
    right = (np.abs(J - 30) < 12) & (I >= 32) & (I < 54)
    found, _ = filled(labels_of(Left=left & DRAWN, Right=right & DRAWN))
    assert not (found["Left"] & found["Right"]).any()
    assert dice(found["Left"], left) > 0.97 and dice(found["Right"], right) > 0.97


def test_segments_that_overlap_where_drawn_overlap_between():
    organ = (J - 30) ** 2 + (I - 32) ** 2 < 20**2
    lesion = (J - 30) ** 2 + (I - 32) ** 2 < 8**2
    found, _ = filled(labels_of(Organ=organ & DRAWN, Lesion=lesion & DRAWN))
    assert dice(found["Organ"], organ) > 0.99 and dice(found["Lesion"], lesion) > 0.97


def test_a_neighbour_that_is_whole_keeps_its_voxels():
    tube = (J - 30) ** 2 + (I - 32) ** 2 < 10**2
    wall = (np.abs(I - 32) < 2) & (K > 3) & (K < 7)
    found, rows = filled(labels_of(Tube=tube & DRAWN, Wall=wall), segments="Tube")
    np.testing.assert_array_equal(found["Wall"], wall)
    assert not (found["Tube"] & wall).any() and [row["segment"] for row in rows] == ["Tube"]


def test_names_colours_values_above_255_and_an_oblique_grid_are_kept():
    array = np.where((J - 30) ** 2 + (I - 32) ** 2 < 100, 900, 0) * DRAWN
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.uint16)))
    labels = Labels.from_labelmap(image, {900: "Vessel"})
    made = execute(PropagateBetweenSlices(), {"labels": labels}).outputs["labels"]
    assert made.segments == labels.segments and made.grid.same_as(labels.grid)
    assert sitk.GetArrayFromImage(made.mask("Vessel")).sum() > 6 * (array > 0).sum()


def test_nothing_between_is_refused():
    whole = np.zeros(SHAPE, bool)
    whole[3:9, 3:9, 3:9] = True
    with pytest.raises(InputError, match="No segment has slices missing"):
        filled(labels_of(A=whole))
    with pytest.raises(InputError, match="along j"):
        filled(labels_of(A=whole & DRAWN), axis="j")
    flat = Labels.from_labelmap(sitk.GetImageFromArray(np.ones((4, 4), np.uint8)))
    with pytest.raises(InputError, match="2-D"):
        filled(flat)

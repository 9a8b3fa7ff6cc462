"""Integrity: every fault that is planted is found where it is, a sound image is clean; uneven slices become even."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import CheckIntegrity, RegulariseSlices
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.values import Column, Measurements


def sound(dtype=np.int16, size=(20, 24, 26)) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    smooth = 900 * np.exp(-(k**2 + j**2 + i**2))
    return (smooth + np.random.default_rng(0).normal(0, 10, size)).astype(dtype)


def checked(array, positions=None, **parameters):
    image = oblique_grid(sitk.GetImageFromArray(array))
    outputs = execute(CheckIntegrity(**parameters), {"image": image, "positions": positions}).outputs
    row = outputs["table"].rows[0]
    return row, {(r["slice"], r["finding"]) for r in outputs["slices"].rows}, outputs["slices"]


def at(values, name="position_mm") -> Measurements:
    return Measurements((Column(name, name, "mm"),), tuple({name: float(v)} for v in values))


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint16])
def test_a_sound_image_is_clean(dtype):
    row, slices, _ = checked(np.abs(sound(np.float32)).astype(dtype))
    assert row["warnings"] == "" and not slices
    assert row["constant_slices"] == row["duplicate_slices"] == row["odd_slices"] == row["n_nan"] == 0


def test_planted_faults_are_found_where_they_are():
    array = sound(np.float32)
    array[3] = array[2]
    array[7] = 0
    array[12] = np.nan
    array[16] += 300
    array[18, 4, 5] = np.inf
    row, slices, table = checked(array)
    assert slices == {(3, "duplicate"), (7, "constant"), (12, "nonfinite"), (16, "odd")}
    assert (row["n_nan"], row["n_inf"]) == (24 * 26, 1)
    words = row["warnings"].split(", ")
    assert set(words) == {"nonfinite", "constant_slices", "duplicate_slices", "nonfinite_slices", "odd_slices"}
    grid = Grid.of(oblique_grid(sitk.GetImageFromArray(array)))
    place = table.place([r["finding"] for r in table.rows].index("odd"))
    np.testing.assert_allclose(place, grid.to_physical(np.array([[12.5, 11.5, 16.0]]))[0])


def test_empty_slices_at_the_ends_are_no_fault():
    array = sound()
    array[:2] = 0
    array[-3:] = 0
    row, slices, _ = checked(array)
    assert row["border_slices"] == 5 and row["constant_slices"] == 0 and not slices


def test_values_cut_off_at_the_top_are_said_but_labels_are_not():
    array = np.minimum(sound(), 500)
    row, _, _ = checked(array)
    assert "clipped_high" in row["warnings"] and row["at_maximum_percent"] == pytest.approx(100 * (array == 500).mean())
    labels, _, _ = checked((sound() > 400).astype(np.uint8))
    assert "clipped_high" not in labels["warnings"]


def test_range_and_type_are_told():
    row, _, _ = checked(np.clip(sound(), 0, 255).astype(np.uint8))
    assert (row["type_low"], row["type_high"]) == (0, 255)
    assert row["range_used_percent"] == pytest.approx(100 * (row["maximum"] - row["minimum"]) / 255)
    floating, _, _ = checked(sound(np.float32))
    assert np.isnan(floating["type_low"]) and "float_type" in floating["status"]


def test_a_constant_image_and_one_without_numbers():
    row, _, _ = checked(np.full((4, 5, 6), 7, np.int16))
    assert row["constant"] == 1 and "constant" in row["warnings"]
    row, _, _ = checked(np.full((4, 5, 6), np.nan, np.float32))
    assert row["n_nan"] == 120 and np.isnan(row["minimum"]) and row["status"]


def test_an_image_without_geometry_is_doubted():
    outputs = execute(CheckIntegrity(), {"image": sitk.GetImageFromArray(sound())}).outputs
    assert outputs["table"].rows[0]["warnings"] == "spacing_may_be_unknown"


def test_positions_show_gaps_and_missing_slices():
    places = np.arange(23.0) * 2.5
    row, slices, _ = checked(sound(), at(np.delete(places, [5, 6, 11])))
    assert row["missing_slices"] == 3 and (row["step_median"], row["step_max"]) == (2.5, 7.5)
    assert slices == {(4, "gap_after"), (8, "gap_after")}
    assert set(row["warnings"].split(", ")) == {"uneven_spacing", "missing_slices"}
    even, none, _ = checked(sound(), at(places[:20]))
    assert even["warnings"] == "" and not none


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (at(range(5)), "5 positions for 20 slices"),
        (at(range(20, 0, -1)), "must .*rise"),
        (Measurements((Column("a", "A"), Column("b", "B")), ({"a": 1.0, "b": 2.0},)), "name one of a, b"),
    ],
)
def test_positions_that_do_not_fit_are_refused(table, words):
    with pytest.raises(InputError, match=words):
        checked(sound(), table)


def regular(array, places, **parameters):
    image = oblique_grid(sitk.GetImageFromArray(array))
    result = execute(RegulariseSlices(**parameters), {"image": image, "positions": at(places)})
    return result.outputs["image"], result.warnings


def ramp(places, dtype=np.float64) -> np.ndarray:
    pattern = np.random.default_rng(0).normal(0, 1, (1, 6, 7))
    return (100 + 3 * np.asarray(places)[:, None, None] + pattern).astype(dtype)


def test_a_ramp_in_space_is_exact_after_regularising():
    places = np.array([0, 2.0, 4.0, 9.0, 10.0, 12.0, 14.0]) + 33.0
    found, warnings = regular(ramp(places), places)
    np.testing.assert_allclose(sitk.GetArrayFromImage(found), ramp(33 + np.arange(8) * 2.0), rtol=1e-12)
    assert found.GetSpacing() == (0.7, 1.1, 2.0)
    assert any("8 slices 2 mm apart were made from 7; 2 of them are interpolated" in w for w in warnings)
    assert any("2 to 3 (5 mm)" in w for w in warnings)


def test_the_first_slice_stays_in_place():
    places = np.array([0.0, 1.0, 3.0, 4.0])
    found, _ = regular(ramp(places), places)
    image = oblique_grid(sitk.GetImageFromArray(ramp(places)))
    assert found.GetOrigin() == image.GetOrigin() and found.GetDirection() == image.GetDirection()


def test_even_slices_stay_as_they_are_and_the_spacing_becomes_the_measured_one():
    places = np.arange(6) * 3.0
    found, warnings = regular(ramp(places), places)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), ramp(places))
    assert found.GetSpacing()[2] == 3.0 and any("none was interpolated" in w for w in warnings)


def test_labels_take_the_nearest_slice_and_whole_numbers_are_rounded():
    places = np.array([0.0, 1.0, 2.0, 5.0, 6.0])
    labels = (np.arange(5)[:, None, None] * np.ones((1, 3, 3))).astype(np.uint8)
    nearest, _ = regular(labels, places, interpolation="nearest")
    assert sitk.GetArrayFromImage(nearest)[:, 0, 0].tolist() == [0, 1, 2, 2, 3, 3, 4]
    linear, _ = regular(labels * 3, places)
    assert sitk.GetArrayFromImage(linear)[:, 0, 0].tolist() == [0, 3, 6, 7, 8, 9, 12]


def test_a_gap_that_is_too_wide_is_refused():
    with pytest.raises(InputError, match="6 usual steps"):
        regular(ramp(range(5)), [0, 1, 2, 8, 9])

"""Features of segments: reference values of IBSI and of real data, settings, refusals, segments without voxels."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import reference_checks
import SimpleITK as sitk
from contract_inputs import image_of, structure
from medimg_testing import find_data, find_reference_values, reference_cases
from MedImgAnalysisLib.errors import Cancelled, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.quality.features.feature import AGGREGATIONS
from MedImgAnalysisLib.quality.features.measure_features import MeasureFeatures
from MedImgAnalysisLib.values import Labels

needs_reference = pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")


@cache
def read(name: str) -> sitk.Image:
    return sitk.ReadImage(str(find_data() / name))


def measure(image: sitk.Image, labels, **parameters) -> list[dict]:
    table = execute(MeasureFeatures(**parameters), {"image": image, "labels": labels}).outputs["table"]
    return [dict(row) for row in table.rows]


def three_digits(value: float) -> float:
    return float(f"{value:.2e}")


def digital_phantom() -> dict[str, float]:
    """All features of the digital phantom of IBSI, to three significant digits as its rule says."""
    (row,) = measure(
        read("ibsi/ibsi1_digital_phantom.nii.gz"),
        sitk.Cast(read("ibsi/ibsi1_digital_mask.nii.gz"), sitk.sitkUInt8),
        discretisation="bin_width",
        bin_width=1.0,
        aggregation="all",
    )
    assert row["status"] == "" and row["n_levels"] == 6
    return {f"/{key}": three_digits(value) for key, value in row.items() if isinstance(value, float)}


def real_lesion() -> dict[str, float]:
    (row,) = measure(
        read("radiomics/brain1_image.nrrd"), read("radiomics/brain1_label.nrrd"), bins=32, aggregation="all"
    )
    assert row["status"] == "" and row["n_voxels"] == 4137
    return {f"/{key}": value for key, value in row.items() if isinstance(value, float)}


FAMILIES = {
    "features-IBSI1": ("ibsi1_digital_phantom", digital_phantom),
    "features-real": ("feat03", real_lesion),
}


@needs_reference
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reference_value_of_the_family_is_met(family, figures):
    case, found = FAMILIES[family]
    wrong = reference_checks.compare(family, {case: found()})
    there = reference_checks.there_are(family)
    figures.say(f"{family}: {reference_checks.MET[family]} of {there} reference values met")
    assert wrong == []
    assert reference_checks.MET[family] == there > 100


@needs_reference
def test_columns_carry_the_tags_of_ibsi():
    wanted = reference_cases("features-IBSI1")["ibsi1_digital_phantom"]["expected"]
    columns = {column.key: column for column in MeasureFeatures(aggregation="all").columns()}
    assert set(wanted) <= set(columns)
    for key in wanted:
        tag = key
        for ending in (*AGGREGATIONS, "3D", "2_5D", "2D"):
            tag = tag.removesuffix(f"_{ending}")
        assert f"IBSI {tag}, " in columns[key].description
    texts = [column.description for column in MeasureFeatures().columns() if "IBSI" in column.description]
    codes = [text.rsplit(", ", 1)[1] for text in texts]
    assert all(len(code) == 4 for code in codes)
    # The two points of the intensity-volume histogram share the code of their kind.
    assert len(codes) - len(set(codes)) == 2


def lesion(size=(14, 18, 20)) -> tuple[sitk.Image, Labels]:
    image = image_of(structure(size).astype(np.int16))
    masks = [("Bright", image_like(np.uint8(structure(size) > 60), image))]
    box = np.zeros(size, np.uint8)
    box[3:9, 4:12, 5:15] = 1
    return image, Labels.from_masks([*masks, ("Box", image_like(box, image))])


def test_each_segment_has_its_row_and_overlapping_ones_are_measured_alone():
    image, labels = lesion()
    rows = measure(image, labels)
    assert [row["segment"] for row in rows] == ["Bright", "Box"]
    assert rows[1]["n_voxels"] == 6 * 8 * 10
    alone = measure(image, Labels.from_masks([("Box", labels.mask("Box"))]))
    assert alone[0] == rows[1]


def test_numbers_do_not_change_with_the_direction_of_the_image():
    image, labels = lesion()
    (first, _), straight = measure(image, labels), sitk.Image(image)
    straight.SetDirection(np.eye(3).ravel().tolist())
    mask = labels.mask("Bright")
    mask.SetDirection(straight.GetDirection())
    (second,) = measure(straight, Labels.from_masks([("Bright", mask)]))
    assert first == second


def test_units_of_intensity_and_length_scale_the_features_as_they_should():
    image, labels = lesion()
    one = measure(image, labels)[0]
    bright = measure(sitk.Cast(image, sitk.sitkFloat64) * 2 + 100, labels)[0]
    assert bright["stat_mean"] == pytest.approx(2 * one["stat_mean"] + 100)
    assert bright["stat_var"] == pytest.approx(4 * one["stat_var"])
    for key in ("cm_contrast_3D_comb", "rlm_sre_3D_comb", "szm_lze_3D", "morph_moran_i", "stat_skew", "ih_entropy"):
        assert bright[key] == pytest.approx(one[key], rel=1e-9), key
    large, mask = sitk.Image(image), labels.mask("Bright")
    for volume in (large, mask):
        volume.SetSpacing([2 * s for s in image.GetSpacing()])
        volume.SetOrigin(image.GetOrigin())
    twice = measure(large, Labels.from_masks([("Bright", mask)]))[0]
    assert twice["morph_volume"] == pytest.approx(8 * one["morph_volume"])
    assert twice["morph_diam"] == pytest.approx(2 * one["morph_diam"])
    assert twice["morph_sphericity"] == pytest.approx(one["morph_sphericity"])
    assert twice["cm_contrast_3D_comb"] == pytest.approx(one["cm_contrast_3D_comb"])


def test_labels_on_another_grid_are_resampled_and_that_is_told():
    image, labels = lesion()
    fine = sitk.Expand(labels.mask("Box"), [2, 2, 1], sitk.sitkNearestNeighbor)
    result = execute(MeasureFeatures(), {"image": image, "labels": Labels.from_masks([("Box", fine)])})
    assert any("resampled" in warning for warning in result.warnings)
    assert result.outputs["table"].rows[0]["n_voxels"] == 6 * 8 * 10


def test_resegmentation_changes_intensity_and_texture_but_not_the_shape():
    image, labels = lesion()
    whole, cut = measure(image, labels)[0], measure(image, labels, range_low=80.0, range_high=110.0)[0]
    assert cut["n_voxels"] < whole["n_voxels"] == cut["n_voxels_shape"]
    assert cut["morph_volume"] == whole["morph_volume"] and cut["stat_min"] >= 80 and cut["stat_max"] <= 110
    steady = measure(image, labels, outliers_sd=1.0)[0]
    assert steady["n_voxels"] < whole["n_voxels"]
    nothing = measure(image, labels, range_low=5000.0)[0]
    assert nothing["n_voxels"] == 0 and nothing["morph_volume"] == whole["morph_volume"]
    assert math.isnan(nothing["stat_mean"]) and "empty_region" in nothing["status"]
    assert math.isnan(nothing["cm_contrast_3D_comb"]) and math.isnan(nothing["loc_peak_glob"])


def test_resampling_with_the_size_of_the_voxels_changes_nothing():
    image, labels = lesion()
    assert measure(image, labels, resample_mm=image.GetSpacing()) == measure(image, labels)


def test_resampled_features_are_those_of_the_voxel_size_that_was_asked_for():
    image, labels = lesion()
    row = measure(image, labels, resample_mm=(1.0,))[0]
    assert [row[f"spacing_{axis}_mm"] for axis in "ijk"] == [1.0, 1.0, 1.0]
    before = measure(image, labels)[0]
    assert row["morph_volume"] == pytest.approx(before["morph_volume"], rel=0.1)
    assert row["stat_mean"] == pytest.approx(before["stat_mean"], rel=0.15)
    assert row["stat_median"] == int(row["stat_median"]), "an image of whole numbers is rounded"
    flat = measure(image, labels, resample_mm=(1.0, 1.5), round_intensities="never")[0]
    assert [flat[f"spacing_{axis}_mm"] for axis in "ijk"] == [1.0, 1.5, image.GetSpacing()[2]]
    assert measure(image, labels, resample_mm=(1.0,), interpolation="cubic")[0]["stat_max"] != row["stat_max"]


def test_a_single_voxel_has_a_shape_and_no_texture_of_neighbours():
    image, _ = lesion()
    dot = np.zeros((14, 18, 20), np.uint8)
    dot[7, 9, 10] = 1
    (row,) = measure(image, Labels.from_masks([("Dot", image_like(dot, image))]), aggregation="all")
    assert row["morph_volume"] > 0 and row["stat_var"] == 0 and row["stat_skew"] == 0 and row["ih_uniformity"] == 1
    assert row["rlm_sre_3D_comb"] == 1 and row["szm_z_perc_3D"] == 1
    for key in ("cm_joint_max_3D_comb", "ngt_coarseness_3D", "morph_pca_maj_axis", "morph_moran_i", "ih_max_grad"):
        assert math.isnan(row[key]) and key in row["status"], key
    for reason in ("no_neighbours", "single_voxel", "single_level"):
        assert reason in row["status"]


def test_constant_intensity_has_the_values_that_ibsi_gives():
    image, labels = lesion()
    flat = sitk.Image(image.GetSize(), sitk.sitkInt16) + 40
    flat.CopyInformation(image)
    row = measure(flat, labels)[1]
    assert row["stat_var"] == row["stat_skew"] == row["stat_kurt"] == row["ih_entropy"] == 0
    assert (
        row["ih_uniformity"] == row["cm_joint_max_3D_comb"] == row["cm_corr_3D_comb"] == row["cm_energy_3D_comb"] == 1
    )
    assert row["ngt_coarseness_3D"] == 1e6 and row["ngt_contrast_3D"] == row["ngt_busyness_3D"] == 0
    assert row["cm_joint_entr_3D_comb"] == 0 and math.isnan(row["cm_info_corr1_3D_comb"])
    assert "zero_variance (morph_moran_i" in row["status"] and row["szm_lze_3D"] == (6 * 8 * 10) ** 2


def test_an_empty_segment_and_one_with_nan_have_a_row_with_the_reason():
    image, labels = lesion()
    broken = sitk.Cast(image, sitk.sitkFloat32)
    broken[10, 8, 5] = math.nan
    empty = image_like(np.zeros((14, 18, 20), np.uint8), image)
    result = execute(MeasureFeatures(), {"image": broken, "labels": labels})
    rows = {row["segment"]: row for row in result.outputs["table"].rows}
    assert rows["Box"]["status"] == "nonfinite_input" and math.isnan(rows["Box"]["morph_volume"])
    assert any("1 voxels that are NaN or infinite" in warning for warning in result.warnings)
    (row,) = measure(image, Labels.from_masks([("None", empty)]))
    assert row["status"] == "empty_region" and row["n_voxels"] == 0 and math.isnan(row["stat_mean"])


def test_nan_beside_a_segment_only_costs_the_local_peaks():
    image, labels = lesion()
    broken = sitk.Cast(image, sitk.sitkFloat32)
    broken[10, 8, 1] = math.nan
    row = measure(broken, labels)[1]
    whole = measure(image, labels)[1]
    assert row["status"] == "nonfinite_input" and math.isnan(row["loc_peak_loc"]) and math.isnan(row["loc_peak_glob"])
    assert row["cm_contrast_3D_comb"] == whole["cm_contrast_3D_comb"]


def test_what_makes_no_sense_is_refused():
    image, labels = lesion()
    with pytest.raises(ParameterError, match="low must be below high"):
        MeasureFeatures(range_low=3.0, range_high=3.0)
    with pytest.raises(ParameterError, match="one, two or three"):
        MeasureFeatures(resample_mm=(1.0, 1.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match="all off"):
        MeasureFeatures(shape=False, intensity=False, texture=False)
    with pytest.raises(InputError, match="choose a larger width"):
        measure(image, labels, discretisation="bin_width", bin_width=1e-4)


def test_parts_can_be_left_out_and_the_rest_stays_the_same():
    image, labels = lesion()
    whole = measure(image, labels)[0]
    for parts, key in (
        ({"shape": False, "texture": False}, "stat_mean"),
        ({"shape": False, "intensity": False}, "cm_contrast_3D_comb"),
        ({"intensity": False, "texture": False}, "morph_volume"),
    ):
        row = measure(image, labels, **parts)[0]
        assert row[key] == whole[key] and len(row) < len(whole)


def test_a_cancel_in_the_middle_stops_the_texture():
    image, labels = lesion()
    progress = Progress(lambda fraction, message: progress.cancel() if fraction > 0.3 else None)
    with pytest.raises(Cancelled):
        execute(MeasureFeatures(), {"image": image, "labels": labels}, progress=progress)

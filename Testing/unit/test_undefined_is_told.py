"""Whatever is left empty has a status in its row and a sentence among the warnings."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import find_data
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import CompareLesions, CompareMany, CompareSegmentations
from MedImgAnalysisLib.agreement.lesion_scores import SENTENCES as LESION_SENTENCES
from MedImgAnalysisLib.agreement.overlap import SENTENCES as SEGMENT_SENTENCES
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.quality import CompareImages, MeasureSignal
from MedImgAnalysisLib.quality.findings import SENTENCES, Findings
from MedImgAnalysisLib.values import Labels

FULL = np.ones((4, 5, 6), np.uint8)
EMPTY = np.zeros_like(FULL)
BOX = EMPTY.copy()
BOX[1:3, 1:3, 1:3] = 1


def labels(**masks: np.ndarray) -> Labels:
    return Labels.from_masks([(name, sitk.GetImageFromArray(mask)) for name, mask in masks.items()])


@pytest.mark.parametrize(
    ("reference", "test", "word"),
    [
        (EMPTY, EMPTY, "both_empty"),
        (EMPTY, BOX, "reference_empty"),
        (BOX, EMPTY, "prediction_empty"),
        (FULL, BOX, "no_background"),
        (FULL, FULL, "no_background"),
    ],
)
def test_a_pair_that_leaves_numbers_undefined_has_a_status_and_a_sentence(reference, test, word):
    result = execute(CompareSegmentations(), {"reference": labels(liver=reference), "test": labels(liver=test)})
    row = result.outputs["table"].rows[0]
    assert row["status"] == word
    assert f"liver: {SEGMENT_SENTENCES[word]}." in result.warnings
    assert any(isinstance(value, float) and np.isnan(value) for value in row.values())


def test_a_pair_of_which_all_is_defined_says_nothing():
    other = np.roll(BOX, 1, axis=2)
    result = execute(CompareSegmentations(), {"reference": labels(liver=BOX), "test": labels(liver=other)})
    assert result.outputs["table"].rows[0]["status"] == "" and result.warnings == ()


def test_names_that_never_meet_are_told_with_what_to_do():
    a, b = labels(liver=BOX, spleen=1 - BOX), labels(foie=BOX, rate=1 - BOX)
    assert any(
        "pair_by" in sentence for sentence in execute(CompareSegmentations(), {"reference": a, "test": b}).warnings
    )
    paired = execute(CompareSegmentations(pair_by="overlap"), {"reference": a, "test": b})
    assert [row["dice"] for row in paired.outputs["table"].rows] == [1, 1] and paired.warnings == ()


def test_a_cohort_says_which_case_it_is():
    given = [labels(liver=BOX), labels(liver=BOX)]
    result = execute(CompareMany(surfaces="none"), {"reference": given, "test": [given[0], labels(liver=EMPTY)]})
    assert result.warnings == (f"Case 2: liver: {SEGMENT_SENTENCES['prediction_empty']}.",)


@pytest.mark.parametrize(
    ("reference", "test", "word"),
    [
        (EMPTY, EMPTY, "both_empty"),
        (EMPTY, BOX, "reference_empty"),
        (BOX, EMPTY, "prediction_empty"),
        (BOX, FULL, "no_match"),
    ],
)
def test_lesions_that_are_not_there_have_a_status_and_a_sentence(reference, test, word):
    result = execute(CompareLesions(), {"reference": labels(lesion=reference), "test": labels(lesion=test)})
    assert result.outputs["summary"].rows[0]["status"] == word
    assert LESION_SENTENCES[word] in result.warnings


def test_a_region_of_one_voxel_or_of_equal_values_is_told_by_name():
    dot = EMPTY.copy()
    dot[2, 2, 2] = 1
    image = sitk.GetImageFromArray(BOX.astype(np.float32))
    warnings = execute(MeasureSignal(), {"image": image, "regions": labels(dot=dot, box=BOX)}).warnings
    assert f"dot: {SENTENCES['single_voxel']}" in warnings
    assert f"box: {SENTENCES['zero_variance']}" in warnings


def test_equal_images_are_told():
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(12, 12, 12)))
    result = execute(CompareImages(), {"reference": image, "test": image})
    assert result.outputs["table"].rows[0]["status"] == "identical"
    assert any("PSNR" in sentence for sentence in result.warnings)


def test_a_row_tells_each_reason_once_and_only_when_there_is_one():
    class Heard:
        said: list[str]

        def __init__(self):
            self.said = []

        def warn(self, sentence):
            self.said.append(sentence)

    heard = Heard()
    fine = Findings()
    fine.put("mean", 1.0)
    fine.row(heard)
    assert heard.said == []
    found = Findings()
    found.missing("no_edge", "mtf50", "mtf10")
    found.row(heard)
    assert len(heard.said) == 1 and heard.said[0].startswith("No edge stands out")


DATA = find_data()
HOSTILE = DATA / "hostile/masks/mask_two_components.nrrd" if DATA else None


@pytest.mark.skipif(DATA is None, reason="the test data folder is not here")
@pytest.mark.parametrize("name", ["mask_empty", "mask_full", "mask_negative_and_1000", "mask_shifted_5mm"])
def test_hostile_masks_as_test_and_as_reference_are_told(name):
    fine, other = (files.read(path, "labels") for path in (HOSTILE, HOSTILE.with_name(f"{name}.nrrd")))
    for pair in ({"reference": fine, "test": other}, {"reference": other, "test": fine}):
        result = execute(CompareSegmentations(tolerances_mm=(2.0,)), pair)
        for row in result.outputs["table"].rows:
            undefined = any(isinstance(value, float) and np.isnan(value) for value in row.values())
            assert bool(row["status"]) == undefined
            assert not undefined or any(SEGMENT_SENTENCES[row["status"]] in sentence for sentence in result.warnings)
        assert name != "mask_shifted_5mm" or any("different grids" in sentence for sentence in result.warnings)

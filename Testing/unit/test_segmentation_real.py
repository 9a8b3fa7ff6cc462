"""Segmentation on real images: what experts and other programs drew, and organs of a CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.quality import MeasureFeatures
from MedImgAnalysisLib.segmentation import (
    CleanSegments,
    CombineSegments,
    MeasureSegments,
    PropagateBetweenSlices,
    SplitComponents,
    Threshold,
)
from MedImgAnalysisLib.values import Labels


def read(path: Path, kind: str):
    return files.read(path, kind, Progress(on_warning=lambda sentence: None))


def inside(labels: Labels, name: str) -> np.ndarray:
    return sitk.GetArrayFromImage(labels.mask(name)) != 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_lesion_in_pet_at_41_percent_is_that_of_another_program(data_dir):
    folder = data_dir / "petctmr_sts003"
    pet = read(folder / "PET_image.nii.gz", "image")
    expert, other = (read(folder / name, "mask") for name in ("PET_mask.nii.gz", "PET_auto41.nii.gz"))
    largest = float(sitk.GetArrayFromImage(pet)[sitk.GetArrayFromImage(expert) != 0].max())
    near = execute(CombineSegments(margin_mm=10.0, keep=False), {"labels": expert}).outputs["labels"].mask("Combined")
    found = execute(Threshold(lower=0.41 * largest), {"image": pet, "mask": near}).outputs["labels"]
    np.testing.assert_array_equal(inside(found, "Foreground"), sitk.GetArrayFromImage(other) != 0)
    assert dice(inside(found, "Foreground"), sitk.GetArrayFromImage(expert) != 0) > 0.85


def test_the_lungs_in_ct_are_a_range_of_values_cleaned(data_dir):
    ct = read(data_dir / "reg_lung" / "fixed.mha", "image")
    expected = sitk.GetArrayFromImage(read(data_dir / "reg_lung" / "fixed_mask.mha", "mask")) != 0
    air = execute(Threshold(lower=-1020.0, upper=-400.0, segment="Lungs"), {"image": ct}).outputs["labels"]
    clean = CleanSegments(opening_mm=3.0, closing_mm=4.0, keep_largest=2, smallest_ml=50.0)
    lungs = execute(clean, {"labels": air}).outputs["labels"]
    assert dice(inside(lungs, "Lungs"), expected) > 0.97


def test_organs_of_a_ct_have_the_numbers_of_the_radiomic_features(data_dir):
    folder = data_dir / "ct_abdomen"
    ct, organs = read(folder / "ct.nii.gz", "image"), read(folder / "seg_auto_fast.nii.gz", "labels")
    rows = execute(MeasureSegments(), {"labels": organs, "image": ct}).outputs["table"].rows
    assert len(rows) == len(organs.segments) > 50 and all(row["voxels"] for row in rows)
    some = Labels(organs.layers, organs.segments[:6])
    features = execute(MeasureFeatures(texture=False), {"labels": some, "image": ct}).outputs["table"].rows
    for mine, theirs in zip(rows, features):
        assert mine["max_diameter_mm"] == pytest.approx(theirs["morph_diam"])
        assert mine["surface_mm2"] == pytest.approx(theirs["morph_area_mesh"])
        assert mine["sphericity"] == pytest.approx(theirs["morph_sphericity"])
        assert mine["mean"] == pytest.approx(theirs["stat_mean"])


def test_an_organ_that_was_drawn_on_every_fifth_slice_comes_back(data_dir):
    organs = read(data_dir / "ct_abdomen" / "seg_auto_fast.nii.gz", "labels")
    whole = inside(organs, "Segment_5")
    slices = np.flatnonzero(whole.any(axis=(1, 2)))
    drawn = np.isin(np.arange(len(whole)), [*slices[::5], slices[-1]])[:, None, None] & whole
    image = sitk.GetImageFromArray(drawn.astype(np.uint8))
    image.CopyInformation(organs.layers[0])
    labels = Labels.from_masks([("Liver", image)])
    found = execute(PropagateBetweenSlices(), {"labels": labels}).outputs["labels"]
    assert dice(inside(found, "Liver"), whole) > 0.93


def test_every_lesion_of_a_brain_becomes_a_segment(data_dir):
    from scipy.ndimage import label

    lesions = read(data_dir / "mr_brain_ms_p01" / "gt.nii.gz", "labels")
    found = execute(SplitComponents(corners=False), {"labels": lesions}).outputs
    assert len(found["table"].rows) == label(inside(lesions, lesions.names[0]))[1]


@pytest.mark.parametrize("operation", [CleanSegments, SplitComponents, CombineSegments, MeasureSegments])
def test_awkward_masks_are_taken_or_refused_with_a_sentence(data_dir, operation):
    for path in sorted((data_dir / "hostile" / "masks").glob("*.nrrd")):
        try:
            labels = read(path, "labels")
            outputs = execute(operation(), {"labels": labels}).outputs
        except InputError as error:
            assert len(str(error)) > 20
            continue
        made = outputs.get("labels")
        assert made is None or all(inside(made, segment.id).any() for segment in made.segments)

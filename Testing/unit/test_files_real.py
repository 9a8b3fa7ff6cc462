"""Every real image of the test data is read like SimpleITK reads it, and survives writing in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress

FOLDERS = (
    "atlas",
    "ct_abdomen",
    "ibsi",
    "metrics",
    "mr_brain_mni_p19",
    "mr_brain_ms_p01",
    "petctmr_sts003",
    "phantom",
    "radiomics",
    "reg_2d",
    "reg_ct_synth",
    "reg_lung",
    "spinalcord",
    "two_raters_TCGA-CV-7236",
)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_images_agree_with_simpleitk(folder: str, data_dir: Path) -> None:
    paths = [p for p in sorted((data_dir / folder).rglob("*")) if p.name.endswith((".nii", ".nii.gz", ".nrrd", ".mha"))]
    assert paths
    for path in paths:
        image, other = files.read(path, "image", quiet()), sitk.ReadImage(str(path))
        assert image.GetPixelID() == other.GetPixelID(), path
        assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other), equal_nan=True), path
        assert np.abs(Grid.of(image).corners - Grid.of(other).corners).max() < 1e-4, path


@pytest.mark.parametrize(
    "name", ("ct_abdomen/ct_sm.nii.gz", "petctmr_sts003/PET_image.nii.gz", "mr_brain_mni_p19/T1.nii.gz")
)
@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_real_images_survive_writing(name: str, ending: str, data_dir: Path, tmp_path: Path) -> None:
    image = files.read(data_dir / name, "image", quiet())
    back = files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    assert np.abs(Grid.of(back).corners - Grid.of(image).corners).max() < 1e-3


def test_real_label_images_survive_as_segmentations(data_dir: Path, tmp_path: Path) -> None:
    labels = files.read(data_dir / "ct_abdomen/ct_sm_seg_auto_fast.nii.gz", "labels", quiet())
    assert len(labels.segments) > 5
    back = files.read(files.write(labels, tmp_path / "a.seg.nrrd"), "labels", quiet())
    assert back.segments == labels.segments
    assert np.array_equal(sitk.GetArrayFromImage(back.layers[0]), sitk.GetArrayFromImage(labels.layers[0]))


def test_a_real_sequence_has_eight_frames(data_dir: Path) -> None:
    path = data_dir / "fourd/fmri_8vol.nii.gz"
    plain = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    frames = files.read(path, "image", quiet())
    assert frames.positions == tuple(2.0 * n for n in range(8)) and (frames.title, frames.unit) == ("time", "s")
    assert all(np.array_equal(sitk.GetArrayFromImage(f), p) for f, p in zip(frames.values, plain, strict=True))
    assert np.array_equal(sitk.GetArrayFromImage(files.read(f"{path}#5", "image", quiet())), plain[5])

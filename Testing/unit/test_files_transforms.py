"""Transforms on disk map points as before, and files that lack numbers are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.progress import Progress

POINTS = np.random.default_rng(1).uniform(-20, 20, (20, 3))
TEXT = "#Insight Transform File V1.0\n#Transform 0\nTransform: {}_double_3_3\nParameters: {}\nFixedParameters: {}\n"


def bspline() -> sitk.Transform:
    transform = sitk.BSplineTransformInitializer(sitk.Image(20, 20, 20, sitk.sitkFloat32), [3, 4, 5], 3)
    transform.SetParameters(np.random.default_rng(2).normal(size=len(transform.GetParameters())).tolist())
    return transform


def field() -> sitk.Transform:
    array = np.random.default_rng(3).normal(size=(10, 12, 14, 3))
    return sitk.DisplacementFieldTransform(oblique_grid(sitk.GetImageFromArray(array, isVector=True)))


def transforms() -> dict[str, sitk.Transform]:
    rigid, affine = sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6)), sitk.AffineTransform(3)
    affine.SetMatrix((1.1, 0.1, 0, 0, 0.9, 0.2, 0, 0, 1.05))
    return {
        "rigid": rigid,
        "affine": affine,
        "versor": sitk.VersorRigid3DTransform((0, 0, 1), 0.2),
        "similarity": sitk.Similarity3DTransform(1.2, (0, 1, 0), 0.3),
        "translation": sitk.TranslationTransform(3, (1, 2, 3)),
        "bspline": bspline(),
        "identity": sitk.Transform(3, sitk.sitkIdentity),
        "quadratic": sitk.BSplineTransform(3, 2),
        "field": field(),
        "composite": sitk.CompositeTransform([rigid, bspline()]),
    }


def mapped(transform: sitk.Transform) -> np.ndarray:
    return np.array([transform.TransformPoint(point) for point in POINTS.tolist()])


@pytest.mark.parametrize("ending", (".h5", ".tfm", ".txt"))
@pytest.mark.parametrize("name", sorted(transforms()))
def test_every_transform_maps_as_before(name: str, ending: str, tmp_path: Path) -> None:
    transform = transforms()[name]
    back = files.read(files.write(transform, tmp_path / f"a{ending}"), "transform")
    assert np.abs(mapped(back) - mapped(transform)).max() < 1e-9


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_a_displacement_field_is_an_image_too(ending: str, tmp_path: Path) -> None:
    back = files.read(files.write(field(), tmp_path / f"a{ending}"), "transform")
    assert np.abs(mapped(back) - mapped(field())).max() < 1e-4


def test_only_a_displacement_field_becomes_an_image(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"has no displacement field; write \.h5"):
        files.write(transforms()["rigid"], tmp_path / "a.nrrd")


def test_a_field_that_points_the_other_way_is_refused(tmp_path: Path) -> None:
    path = files.write(field(), tmp_path / "a.nrrd")
    path.write_bytes(path.read_bytes().replace(b"field type:=resampling", b"field type:=modeling"))
    with pytest.raises(FileError, match="invert the transform"):
        files.read(path, "transform")


def test_an_image_is_no_displacement_field(tmp_path: Path) -> None:
    path = files.write(sitk.Image(3, 3, 3, sitk.sitkInt16), tmp_path / "a.nrrd")
    with pytest.raises(FileError, match="needs 3 components"):
        files.read(path, "transform")


@pytest.mark.parametrize(
    ("kind", "parameters", "fixed", "word"),
    (
        ("AffineTransform", "1 0 0 0 1 0 0", "0 0 0", "needs 12 parameters, the file has 7"),
        ("Euler3DTransform", "1 0 0 0 1", "0 0 0 0", "needs 6 parameters, the file has 5"),
        ("TranslationTransform", "1 2 nan", "", "NaN"),
        ("TranslationTransform", "1 2 x", "", "'x'"),
        ("BSplineTransform", "1 2 3", "1e5 1e5 1e5 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1", "needs 3000000000000000 parameters"),
        ("AffineTransform", "1 0 0 0 1 0 0 0 1 0 0 0", "0 0", "needs 3 fixed parameters"),
        ("WarpTransform", "1 2", "0", "not supported"),
    ),
)
def test_numbers_that_are_missing_are_noticed(
    kind: str, parameters: str, fixed: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tfm"
    path.write_text(TEXT.format(kind, parameters, fixed))
    with pytest.raises(FileError, match=word):
        files.read(path, "transform")


def test_a_composite_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = files.write(sitk.CompositeTransform([transforms()["rigid"], bspline()]), tmp_path / "a.tfm")
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(FileError, match=r"a\.tfm: "):
        files.read(path, "transform")


@pytest.mark.parametrize(
    ("name", "content", "word"),
    (
        ("a.tfm", '(Transform "AffineTransform")\n', "elastix"),
        ("a.txt", "hello", "no ITK transform"),
        ("a.h5", "no hdf5 at all", "not an HDF5 file"),
        ("a.mat", "1 0 0 0\n0 1 0 0", "cannot be read"),
        ("a.tfm", "", "empty"),
        ("a.nrrd", "x", "no image"),
    ),
)
def test_what_is_no_transform_is_refused(name: str, content: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FileError, match=word):
        files.read(path, "transform")


def test_a_singular_matrix_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "a.tfm"
    path.write_text(TEXT.format("AffineTransform", "1 0 0 0 1 0 0 0 0 0 0 0", "0 0 0"))
    files.read(path, "transform", Progress(on_warning=said.append))
    assert "singular" in said[0]


def test_real_transforms_are_read(data_dir: Path) -> None:
    for path in (*sorted((data_dir / "mr_brain_ms_p01").glob("*.txt")), data_dir / "reg_ct_synth/truth_transform.tfm"):
        assert np.array_equal(mapped(files.read(path, "transform")), mapped(sitk.ReadTransform(str(path))))
    with pytest.raises(FileError, match="elastix"):
        files.read(data_dir / "reg_lung/elastix_affine_example.txt", "transform")

"""A registration in pictures: aligned images leave no colour, and the page has them."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.pages import layers, plane_pictures
from MedImgAnalysisLib.pages.registration_pictures import Aligned, aligned_of, rows
from MedImgAnalysisLib.pages.result_page import result_page
from MedImgAnalysisLib.registration import EvaluateRegistration
from MedImgAnalysisLib.resampling import resample
from registration_testing import field, fixed_grid, grid_of, moving_grid, rigid, spot


def pixels(address: str) -> np.ndarray:
    """The pixels (rows, columns, 3) of a `data:` address."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jpg"
        path.write_bytes(base64.b64decode(address.partition(",")[2]))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(int)


def pair() -> tuple[sitk.Image, sitk.Image, sitk.Transform]:
    """Two smooth images and the rigid transform between them."""
    middle = np.array(rigid().TransformPoint(fixed_grid().corners.mean(axis=0).tolist()))
    moving = image_like((500 * spot(moving_grid(), middle, 5.0)).astype(np.float32), moving_grid())
    return resample(moving, fixed_grid(), rigid()), moving, rigid()


def colour(address: str) -> float:
    """Mean difference between the red and the green channel."""
    image = pixels(address)
    return float(np.abs(image[..., 0] - image[..., 1]).mean())


def test_an_aligned_pair_is_grey_and_one_that_is_not_has_colours():
    found = {row.title: plane_pictures.draw(row.picture) for row in rows(Aligned(*pair()))}
    assert list(found) == ["Before", "After", "Checkerboard", "Difference before", "Difference after"]
    for number in range(3):
        assert colour(found["After"][number]) < 3 < colour(found["Before"][number])
        assert colour(found["Difference after"][number]) < 4 < colour(found["Difference before"][number])
    squares = pixels(found["Checkerboard"][0])
    assert squares.std() > 20 and np.abs(squares[..., 0] - squares[..., 1]).max() < 12


def test_folded_voxels_are_magenta_and_others_never():
    grid = grid_of((24, 20, 12))
    fixed = image_like(np.full(grid.size[::-1], 100, np.float32), grid)
    for strength, folds in ((1.0, False), (8.0, True)):
        bend = field(grid, lambda p, s=strength: np.column_stack([s * np.sin(p[:, 0] / 3), 0 * p[:, 1], 0 * p[:, 2]]))
        made = execute(EvaluateRegistration(), {"transform": bend, "fixed": fixed, "moving": fixed}).outputs
        assert (made["table"].rows[0]["folding_percent"] > 0) is folds
        row = rows(Aligned(fixed, fixed, bend, made["jacobian"]))[-1]
        assert row.title == "Jacobian determinant" and ("(0 % of" not in row.caption) is folds
        image = pixels(plane_pictures.draw(row.picture)[0])
        magenta = (image[..., 0] > 110) & (image[..., 1] < 90) & (image[..., 2] > 110)
        assert magenta.any() == folds


def test_left_and_right_are_where_radiologists_look_for_them():
    grid = Grid((40, 40, 40), (2.0,) * 3, (-39.0,) * 3, tuple(np.eye(3).ravel()))
    left_front_top = image_like(spot(grid, np.array([25.0, -20.0, 15.0]), 4.0).astype(np.float32), grid)
    picture = layers.Picture(layers.Layer(left_front_top, 0.0, 1.0), (25.0, -20.0, 15.0))
    places = []
    for address in plane_pictures.draw(picture):
        image = pixels(address)[..., 0]
        places.append(np.array(np.unravel_index(image.argmax(), image.shape)) / image.shape)
    (axial_row, axial_column), (coronal_row, coronal_column), (sagittal_row, sagittal_column) = places
    assert axial_column > 0.7 and axial_row < 0.3  # the patient's left is on the right, front at the top
    assert coronal_column > 0.7 and coronal_row < 0.4  # head at the top
    assert sagittal_column < 0.3 and sagittal_row < 0.4  # front on the left


def test_flat_images_have_one_picture_and_images_that_do_not_fit_none():
    flat = fixed_grid().blank(sitk.sitkFloat32)[:, :, 3] + 5
    found = rows(Aligned(flat, flat, sitk.Transform(2, sitk.sitkIdentity)))
    assert [len(plane_pictures.draw(row.picture)) for row in found] == [1] * 5
    fixed, moving, transform = pair()
    given = {"fixed": fixed, "moving": moving}
    assert aligned_of(given, {"transform": transform}) is not None
    assert aligned_of(given, {}) is None
    assert aligned_of({"fixed": flat, "moving": moving}, {"transform": transform}) is None
    rgb = sitk.Compose([fixed] * 3)
    assert aligned_of({"fixed": rgb, "moving": moving}, {"transform": transform}) is None


def test_voxels_that_are_no_numbers_do_not_stop_a_page():
    fixed, moving, transform = pair()
    fixed[3, 3, 3] = float("nan")
    text = result_page(EvaluateRegistration(), {"transform": transform, "fixed": fixed, "moving": moving}, {})
    assert text.count("data:image/jpeg") == 15


@pytest.mark.parametrize("suffix", ["", "#constant"])
def test_the_page_of_an_evaluation_shows_verdicts_then_pictures_then_numbers(tmp_path, suffix):
    fixed, moving, transform = pair()
    if suffix:
        moving = moving * 0 + 7
    paths = {name: files.write(value, tmp_path / f"{name}.{'h5' if name == 'transform' else 'nrrd'}")
             for name, value in (("fixed", fixed), ("moving", moving), ("transform", transform))}  # fmt: skip
    page = tmp_path / "dossier.html"
    line = [word for name, path in paths.items() for word in ("--in", f"{name}={path}")]
    assert main(["apply", "evaluate_registration", *line, "--page", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    order = [text.index(words) for words in (">Criteria<", ">Before<", ">Jacobian determinant<", ">Table<")]
    assert order == sorted(order)
    assert len(re.findall(r'<img src="data:image/jpeg', text)) == 18
    assert '<b class="good">pass</b>' in text and "not_measured</td>" in text
    assert 'src="http' not in text and 'href="http' not in text

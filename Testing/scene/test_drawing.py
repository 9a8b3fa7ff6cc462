"""Pictures for pages from the slice views: the same planes as the plain ones, and the scene stays as it was."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.pages import layers, plane_pictures
from MedImgAnalysisLib.pages.layers import GREEN, MAGENTA, Layer, Picture
from MedImgAnalysisLib.registration import EvaluateRegistration
from MedImgAnalysisLib.scene import bridge, drawing, pages
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.opengl import probe
from MedImgAnalysisLib.scene.run import run_in_scene
from registration_testing import fixed_grid, moving_grid, rigid, spot

pytestmark = pytest.mark.skipif(probe() is not None, reason=str(probe()))


def pixels(address: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jpg"
        path.write_bytes(base64.b64decode(address.partition(",")[2]))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(int)


def cube(grid: Grid, point: tuple[float, float, float]) -> sitk.Image:
    return image_like((100 * spot(grid, np.array(point), 6.0)).astype(np.float32), grid)


def test_both_ways_of_drawing_show_the_mark_at_the_same_place():
    grid = Grid((60, 60, 60), (2.0,) * 3, (-59.0,) * 3, tuple(np.eye(3).ravel()))
    picture = Picture(Layer(cube(grid, (25.0, -20.0, 15.0)), 0.0, 100.0), (25.0, -20.0, 15.0))
    for real, plain in zip(drawing.draw(picture), plane_pictures.draw(picture)):
        places = []
        for image in (pixels(real)[30:-30, 30:-30, 2], pixels(plain)[..., 2]):
            row, column = (np.argwhere(image > 150).mean(axis=0) + (30 if image.shape[0] == 300 else 0)).tolist()
            full = 360
            places.append(np.array([row, column]) / full)
        assert np.abs(places[0] - places[1]).max() < 0.03


def test_added_colours_of_equal_images_are_grey_and_nothing_stays_in_the_scene():
    grid = fixed_grid()
    image = cube(grid, tuple(grid.corners.mean(axis=0).tolist()))
    before = scene_digest()
    point = tuple(grid.corners.mean(axis=0).tolist())
    picture = Picture(Layer(image, 0.0, 100.0, GREEN), point, Layer(image, 0.0, 100.0, MAGENTA), "sum")
    for address in drawing.draw(picture):
        found = pixels(address)[30:-30, 30:-30]
        assert found.max() > 150 and np.abs(found[..., 0] - found[..., 1]).mean() < 4
    found = changes(before, scene_digest())
    assert not found["added"] and not found["removed"] and not found["changed"]


def test_the_saved_page_of_an_evaluation_has_the_pictures_of_the_views(tmp_path, monkeypatch):
    middle = np.array(rigid().TransformPoint(fixed_grid().corners.mean(axis=0).tolist()))
    moving = bridge.add_node(cube(moving_grid(), tuple(middle.tolist())), "Follow-up", kind="image")
    fixed = bridge.add_node(cube(fixed_grid(), tuple(fixed_grid().corners.mean(axis=0).tolist())), "Base", kind="image")
    node = bridge.add_node(rigid(), "T", kind="transform")
    made = run_in_scene(EvaluateRegistration(), {"transform": node, "fixed": fixed, "moving": moving})
    drawn: list[Picture] = []
    true_draw = drawing.draw
    monkeypatch.setattr(drawing, "draw", lambda picture: (drawn.append(picture), true_draw(picture))[1])
    text = pages.write_page(tmp_path / "page.html", list(made.values())).read_text(encoding="utf-8")
    assert len(drawn) == 6 and text.count("data:image/jpeg") == 18
    assert "Follow-up" in text and layers.SIDE == 360

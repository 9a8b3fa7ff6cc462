"""Alignment of a group: the template lies in the middle, and transforms lead from one image to the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.registration import RegisterGroup
from MedImgAnalysisLib.registration.averaging import correlation_with, mean_image, mean_linear, moved_grid
from MedImgAnalysisLib.registration.definition import displacement
from MedImgAnalysisLib.registration.group_deforming import deform_to_template
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Frames
from motion_testing import GRID, farthest, moving_phantom, phantom_image, rigid_motion

MOTIONS = [
    rigid_motion((0, 0, 0), (0, 0, 0)),
    rigid_motion((6, -3, 2), (5, 0, -6)),
    rigid_motion((3, 3, -4), (-4, 6, 3)),
]


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def between(transforms, one: int, other: int) -> sitk.Transform:
    """From points of one image through the template to points of the other one."""
    return sitk.CompositeTransform([transforms[other], transforms[one].GetInverse()])


@pytest.fixture(scope="module")
def result():
    operation = RegisterGroup(start="geometry", metric="correlation", iterations=2)
    return execute(operation, {"images": moving_phantom(MOTIONS)}, progress=quiet())


def test_transforms_lead_from_one_image_to_the_other_as_they_were_moved(result):
    found = result.outputs["transforms"]
    assert len(found) == 3 and found.title == "image"
    for one, other in ((0, 1), (0, 2), (1, 2)):
        expected = sitk.CompositeTransform([MOTIONS[other], MOTIONS[one].GetInverse()])
        assert farthest(between(found.values, one, other), expected) < 0.45


def test_the_template_is_in_the_middle_of_the_images(result):
    pairs = [matrix_of(transform) for transform in result.outputs["transforms"].values]
    matrix, offset = mean_linear(pairs)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(offset, 0, atol=5e-3)
    # Where the mean motion takes the phantom, there it is in the template.
    mean = sitk.AffineTransform(3)
    matrix, offset = mean_linear([matrix_of(motion) for motion in MOTIONS])
    mean.SetMatrix(matrix.ravel().tolist())
    mean.SetTranslation(offset.tolist())
    expected = phantom_image(mean, grid=Grid.of(result.outputs["template"]))
    inner = (slice(6, -6),) * 3
    gap = sitk.GetArrayFromImage(expected)[inner] - sitk.GetArrayFromImage(result.outputs["template"])[inner]
    assert np.abs(gap).mean() < 0.6


def test_the_table_tells_how_the_template_converged(result):
    table = result.outputs["table"]
    assert table.column("iteration")[0] == 0 and table.rows[0]["status"] == "first_alignment"
    assert math.isnan(table.column("change_mm")[0]) and table.column("change_mm")[-1] < 0.3
    assert table.column("drift_mm")[0] > 10 * table.column("drift_mm")[-1]
    assert all(value > 0.995 for value in table.column("lowest_correlation"))


def test_it_ends_when_nothing_changes():
    images = [phantom_image(noise=0.5, seed=n) for n in (1, 2)]
    operation = RegisterGroup(start="none", metric="correlation", iterations=20, tolerance_mm=0.5)
    made = operation.run(images, progress=quiet())
    assert len(made.table.rows) == 2 and made.table.rows[-1]["change_mm"] < 0.5


@settings(max_examples=12)
@given(st.lists(st.lists(st.integers(-40, 40), min_size=6, max_size=6), min_size=1, max_size=4))
def test_the_mean_of_rigid_transforms_is_rigid_and_that_of_a_pair_of_inverses_is_nothing(numbers):
    moves = [sitk.Euler3DTransform((5.0, 6.0, 7.0), *(v / 100 for v in n[:3]), [v / 5 for v in n[3:]]) for n in numbers]
    matrix, _ = mean_linear([matrix_of(move) for move in moves])
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-9)
    both = [matrix_of(move) for move in (moves[0], moves[0].GetInverse())]
    matrix, offset = mean_linear(both)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(offset, 0, atol=1e-8)
    alone = mean_linear(both[:1])
    np.testing.assert_allclose(alone[0], both[0][0], atol=1e-9)
    np.testing.assert_allclose(alone[1], both[0][1], atol=1e-7)


def test_a_mean_image_counts_every_image_only_where_it_reaches():
    ones = GRID.put_on(sitk.GetImageFromArray(np.ones((30, 36, 40), np.float32)))
    threes = ones[20:, :, :] * 3
    still = sitk.TranslationTransform(3)
    array = sitk.GetArrayFromImage(mean_image(GRID, [ones, threes], [still, still], SILENT))
    assert (array[..., :20] == 1).all() and (array[..., 20:] == 2).all()
    assert correlation_with(phantom_image(), phantom_image() * 3 + 7, still, SILENT) == pytest.approx(1)
    assert math.isnan(correlation_with(phantom_image(), ones, still, SILENT))


def test_a_moved_grid_has_its_middle_where_the_transform_leads():
    matrix, offset = matrix_of(MOTIONS[1])
    grid = moved_grid(GRID, matrix, offset)
    np.testing.assert_allclose(grid.corners.mean(axis=0), MOTIONS[1].TransformPoint(GRID.corners.mean(axis=0).tolist()))
    assert (grid.size, grid.spacing, grid.direction) == (GRID.size, GRID.spacing, GRID.direction)


def bend(amount: float, image: sitk.Image) -> sitk.Image:
    """`image` at x + amount times a smooth bump along L."""
    points = np.stack(np.meshgrid(*(np.arange(n) for n in GRID.size[::-1]), indexing="ij"), axis=-1)[..., ::-1]
    there = GRID.to_physical(points.reshape(-1, 3).astype(float))
    field = np.zeros((len(there), 3))
    field[:, 0] = amount * np.exp(-0.5 * (np.linalg.norm(there - (4, 0, 0), axis=1) / 14) ** 2)
    way = sitk.DisplacementFieldTransform(
        GRID.put_on(sitk.GetImageFromArray(field.reshape(*GRID.size[::-1], 3), isVector=True))
    )
    return sitk.Resample(image, image, way, sitk.sitkBSpline)


def test_the_shape_of_a_deformable_template_is_between_those_of_the_images():
    plain = phantom_image()
    images = [bend(4.0, plain), bend(-4.0, plain)]
    still = [sitk.AffineTransform(3), sitk.AffineTransform(3)]
    template = mean_image(GRID, images, still, SILENT)
    made = deform_to_template(template, images, still, quiet())
    fields = [displacement(transform, GRID) for transform in made.transforms]
    inner = (slice(8, -8),) * 3
    assert np.abs(sum(fields)[inner]).mean() < 0.15 < np.abs(fields[0][inner]).mean()
    apart = [sitk.GetArrayFromImage(images[0]) - sitk.GetArrayFromImage(images[1])]
    aligned = [resample(image, GRID, way) for image, way in zip(images, made.transforms, strict=True)]
    apart.append(sitk.GetArrayFromImage(aligned[0]) - sitk.GetArrayFromImage(aligned[1]))
    assert np.abs(apart[1][inner]).mean() < 0.35 * np.abs(apart[0][inner]).mean()
    errors = [sitk.GetArrayFromImage(t) - sitk.GetArrayFromImage(plain) for t in (template, aligned[0], images[0])]
    assert np.abs(errors[1][inner]).mean() < 0.35 * np.abs(errors[2][inner]).mean()
    assert made.change_mm > 0.1


def test_what_is_no_group_is_refused():
    with pytest.raises(InputError, match="at least two images"):
        RegisterGroup().run([phantom_image()])
    with pytest.raises(InputError, match="one dimension"):
        RegisterGroup().run([phantom_image(), phantom_image()[:, :, 3]])
    with pytest.raises(InputError, match=r"Image #1 of the group: .*constant"):
        RegisterGroup(start="none").run([phantom_image(), phantom_image() * 0], progress=quiet())


def test_frames_of_a_4d_image_are_a_group_and_several_of_them_are_a_question():
    frames = Frames((phantom_image(), phantom_image()[:, :, :2]))
    with pytest.raises(InputError, match="one of the images has several frames"):
        execute(RegisterGroup(), {"images": [frames, phantom_image()]})

"""Alignment of a sequence: known motion is recovered, and told in the right numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.registration import RegisterSequence
from MedImgAnalysisLib.registration.motion import motion_curves, motion_table, rms_displacement
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Frames
from motion_testing import GRID, farthest, moving_phantom, phantom_image, rigid_motion

MOTIONS = [
    rigid_motion((0, 0, 0), (0, 0, 0)),
    rigid_motion((2, -1, 1), (3, 0, -2)),
    rigid_motion((5, -3, 2), (7, -4, -5)),
    rigid_motion((9, -4, 4), (12, -8, -9)),
]
STILL = [(math.nan, math.nan)] * 4


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


@pytest.fixture(scope="module")
def frames() -> Frames:
    return moving_phantom(MOTIONS, positions=(0, 2, 4, 8), title="time", unit="s")


@pytest.fixture(scope="module")
def result(frames):
    return execute(RegisterSequence(metric="correlation"), {"frames": frames}, progress=quiet())


def test_known_motion_is_recovered_frame_from_frame(frames, result):
    found = result.outputs["transforms"]
    assert found.positions == (0, 2, 4, 8) and found.unit == "s"
    for transform, motion in zip(found.values, MOTIONS, strict=True):
        assert farthest(transform, motion) < 0.25
    assert farthest(found.values[0], MOTIONS[0]) == 0
    assert fingerprint(result.outputs["aligned"].values[0]) == fingerprint(frames.values[0])


def test_aligned_frames_are_like_the_reference_and_their_mean_is_sharp(frames, result):
    still = sitk.GetArrayFromImage(phantom_image())
    inner = (slice(6, -6),) * 3
    before = [np.abs(sitk.GetArrayFromImage(frame) - still)[inner].mean() for frame in frames.values[1:]]
    after = [
        np.abs(sitk.GetArrayFromImage(frame) - still)[inner].mean() for frame in result.outputs["aligned"].values[1:]
    ]
    assert max(after) < 1.0 < min(before)
    assert np.abs(sitk.GetArrayFromImage(result.outputs["mean"]) - still)[inner].mean() < 0.6
    assert Grid.of(result.outputs["mean"]).same_as(GRID)


def test_the_table_tells_shifts_rotations_and_framewise_displacement(result):
    table = result.outputs["table"]
    assert [c.key for c in table.columns][:2] == ["frame", "position"] and table.column("position") == [0, 2, 4, 8]
    units = {column.key: column.unit for column in table.columns}
    assert (units["shift_x_mm"], units["rotation_x_deg"], units["position"]) == ("mm", "degrees", "s")
    last = table.rows[3]
    np.testing.assert_allclose([last[f"shift_{x}_mm"] for x in "xyz"], (9, -4, 4), atol=0.15)
    np.testing.assert_allclose([last[f"rotation_{x}_deg"] for x in "xyz"], (12, -8, -9), atol=0.3)
    # Power 2012: |2| + |-1| + |1| and 50 mm times the changes of angles, from the first frame to the second one.
    assert table.column("framewise_displacement_mm")[1] == pytest.approx(4 + 50 * math.radians(5), abs=0.4)
    assert table.rows[0]["status"] == "first_frame reference" and math.isnan(table.rows[0]["step_mm"])
    assert all(row["status"] == "" for row in table.rows[1:])
    assert all(b > a for a, b in zip(table.column("metric_before")[1:], table.column("metric")[1:]))


def test_curves_show_the_numbers_of_the_table(result):
    shifts, rotations = result.outputs["shifts"], result.outputs["rotations"]
    assert (shifts.y_unit, rotations.y_unit, shifts.x_title, shifts.x_unit) == ("mm", "degrees", "Time", "s")
    assert [curve.name for curve in shifts.series][-1] == "Framewise displacement"
    np.testing.assert_array_equal(shifts.series[0].x, (0, 2, 4, 8))
    np.testing.assert_array_equal(rotations.series[2].y, result.outputs["table"].column("rotation_z_deg"))


@pytest.fixture(scope="module")
def few(frames):
    return Frames(frames.values[:3], frames.positions[:3], "time", "s")


def test_motion_is_relative_to_the_reference_frame(few):
    middle = RegisterSequence(metric="correlation", reference_frame=1).run(few, progress=quiet())
    back = MOTIONS[1].GetInverse()
    for transform, motion in zip(middle.transforms.values, MOTIONS, strict=False):
        assert farthest(transform, sitk.CompositeTransform([motion, back])) < 0.25
    assert [row["status"] for row in middle.table.rows] == ["first_frame", "reference", ""]


def test_the_mean_as_reference_lies_where_the_reference_frame_does(few):
    mean = RegisterSequence(metric="correlation", reference="mean").run(few, progress=quiet())
    for transform, motion in zip(mean.transforms.values, MOTIONS, strict=False):
        assert farthest(transform, motion) < 0.35
    assert all("reference" not in row["status"] for row in mean.table.rows)


def test_a_translation_is_recovered_in_two_dimensions():
    grid = Grid((60, 50), (1.0, 1.2), (-30.0, -30.0), (1.0, 0.0, 0.0, 1.0))
    x, y = np.meshgrid(-30 + np.arange(60.0), -30 + 1.2 * np.arange(50.0))

    def frame(shift):
        blobs = [((0, 0), 12, 90), ((8, 6), 4, 60), ((-9, 5), 5, -50)]
        array = sum(
            h * np.exp(-0.5 * (((x - a - shift[0]) ** 2 + (y - b - shift[1]) ** 2) / w**2)) for (a, b), w, h in blobs
        )
        return grid.put_on(sitk.GetImageFromArray(array.astype(np.float32)))

    shifts = [(0, 0), (2.5, -1), (5, 1.5)]
    made = RegisterSequence(model="translation", metric="mean_squares", finest_mm=1.0).run(
        Frames(tuple(map(frame, shifts))), progress=quiet()
    )
    for transform, shift in zip(made.transforms.values, shifts, strict=True):
        np.testing.assert_allclose(matrix_of(transform)[1], shift, atol=0.1)
    assert all("in_plane_only" in row["status"] for row in made.table.rows)
    assert [curve.name for curve in made.shifts.series] == ["Shift along L", "Shift along P", "Framewise displacement"]


@pytest.mark.parametrize("d", (2, 3))
def test_the_rms_displacement_is_that_of_points_in_a_ball(d):
    rng = np.random.default_rng(d)
    matrix, offset, centre = np.eye(d) + rng.normal(0, 0.1, (d, d)), rng.normal(0, 3, d), rng.normal(0, 20, d)
    points = rng.uniform(-1, 1, (400_000, d))
    points = centre + 40 * points[np.linalg.norm(points, axis=1) <= 1]
    moved = points @ matrix.T + offset - points
    expected = np.sqrt(np.square(moved).sum(axis=1).mean())
    assert rms_displacement(matrix, offset, centre, 40.0) == pytest.approx(expected, rel=2e-3)
    assert rms_displacement(np.eye(d), offset, centre, 40.0) == pytest.approx(np.linalg.norm(offset))


def test_numbers_of_a_known_motion_are_exact():
    frames = Frames((phantom_image(),) * 4, (0, 1, 2, 3))
    turn = rigid_motion((1, -2, 3), (0, 0, 90))
    moves = [MOTIONS[0], rigid_motion((1, 0, 0), (0, 0, 0)), rigid_motion((1, 0, 0), (0, 0, 0)), turn]
    table = motion_table(frames, moves, GRID.corners.mean(axis=0), 50.0, STILL)
    assert table.column("framewise_displacement_mm")[1:] == pytest.approx([1, 0, 2 + 3 + 50 * math.pi / 2])
    assert table.column("step_mm")[1:3] == pytest.approx([1, 0], abs=1e-9)
    # A quarter turn has trace(M^T M) = 4; the displacement of the centre is (1, -2, 3).
    assert table.column("displacement_mm")[3] == pytest.approx(math.sqrt(50**2 / 5 * 4 + 14))
    shifts, rotations = motion_curves(frames, table)
    assert shifts.x_title == "Frame" and rotations.series[2].y[3] == pytest.approx(90)


def test_a_mask_on_the_reference_keeps_what_moves_by_itself_out():
    near = phantom_image(rigid_motion((3, 1, -1), (0, 0, 0)))
    array = sitk.GetArrayFromImage(near)
    array[:6] += 300 * np.random.default_rng(0).random(array[:6].shape).astype(np.float32)
    frames = Frames((phantom_image(), GRID.put_on(sitk.GetImageFromArray(array))))
    inside = np.ones(array.shape, np.uint8)
    inside[:9] = 0
    mask = GRID.put_on(sitk.GetImageFromArray(inside))
    made = execute(RegisterSequence(metric="correlation"), {"frames": frames, "mask": mask}, progress=quiet())
    assert farthest(made.outputs["transforms"].values[1], rigid_motion((3, 1, -1), (0, 0, 0))) < 0.3


def test_what_cannot_be_aligned_is_named(frames):
    with pytest.raises(InputError, match="reference frame is 9; there are frames 0 to 3"):
        RegisterSequence(reference_frame=9).run(frames)
    with pytest.raises(InputError, match="one frame has nothing to align"):
        RegisterSequence().run(Frames(frames.values[:1]))
    flat = frames.values[0] * 0
    with pytest.raises(InputError, match=r"Frame #1: .*constant") as caught:
        RegisterSequence().run(Frames((frames.values[0], flat)), progress=quiet())
    assert caught.value.frame == 1
    with pytest.raises(InputError, match="must be the frames of a 4-D image"):
        execute(RegisterSequence(), {"frames": frames.values[0]})


def test_a_cancel_stops_within_a_frame(frames):
    stop = Progress(lambda fraction, message: stop.cancel() if message.startswith("Frame 3 of 4") else None)
    with pytest.raises(Cancelled):
        RegisterSequence(metric="correlation").run(frames, progress=stop)


def test_a_real_series_of_a_head_at_rest_moves_little_and_known_motion_of_it_is_found(data_dir):
    frames = files.read(data_dir / "fourd/fmri_8vol.nii.gz", "image")
    operation = RegisterSequence(metric="correlation")
    table = execute(operation, {"frames": frames}, progress=quiet()).outputs["table"]
    assert table.column("position") == [2.0 * n for n in range(8)]
    assert max(table.column("displacement_mm")) < 0.3
    grid = Grid.of(frames.values[0])
    middle = grid.corners.mean(axis=0).tolist()
    turn = sitk.Euler3DTransform(middle, 0.05, -0.03, 0.08, (4.0, -3.0, 2.0))
    moved = resample(frames.values[1], grid, turn.GetInverse(), "bspline")
    known = operation.run(Frames((frames.values[0], moved)), progress=quiet())
    assert farthest(known.transforms.values[1], turn, grid) < 0.4

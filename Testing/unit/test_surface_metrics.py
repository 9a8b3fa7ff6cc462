"""Surface distances: brute force, closed forms, invariances, image borders, empty masks, second opinion."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.agreement.surfel_areas import area_table
from MedImgAnalysisLib.errors import Cancelled, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress

DISTANCES = ("hd", "hd95", "hd95_pooled", "hd95_mean", "assd", "masd", "rmsd")
SURFACE = [f"{c}_{k}" for c in ("surfel", "voxel") for k in (*DISTANCES, "nsd_1mm", "nsd_2.5mm")]


def image(array, spacing=(1.0, 1.0, 1.0)):
    made = sitk.GetImageFromArray(np.asarray(array, np.uint8))
    made.SetSpacing(spacing)
    return made


def compare(reference, test, **parameters):
    parameters = {"tolerances_mm": (1.0, 2.5), **parameters}
    (row,) = execute(CompareSegmentations(**parameters), {"reference": reference, "test": test}).outputs["table"].rows
    return row


def ball(radius, centre, size=(24, 26, 28), spacing_kji=(1.0, 1.0, 1.0)):
    axes = np.meshgrid(*(np.arange(n) * s for n, s in zip(size, spacing_kji)), indexing="ij")
    return sum((a - c) ** 2 for a, c in zip(axes, centre)) <= radius**2


def brute(convention, reference, test, spacing_kji):
    """Every number from full distance matrices between elements found voxel by voxel."""
    found = []
    for mask in (reference, test):
        padded = np.pad(mask, 1).astype(int)
        points, weights = [], []
        for at in np.ndindex(tuple(n - 1 for n in padded.shape)):
            cell = padded[tuple(slice(n, n + 2) for n in at)]
            if convention == "surfel":
                if 0 < cell.sum() < cell.size:
                    points.append(at)
                    weights.append(area_table(spacing_kji)[sum(int(v) << n for n, v in enumerate(cell.ravel()))])
            elif padded[at]:
                around = [padded[tuple(np.array(at) + s * np.eye(3, dtype=int)[a])] for a in range(3) for s in (-1, 1)]
                if not all(around):
                    points.append(at)
                    weights.append(1.0)
        found.append((np.array(points) * spacing_kji, np.array(weights)))
    (a, wa), (b, wb) = found
    matrix = np.linalg.norm(a[:, None] - b[None], axis=2)
    da, db = matrix.min(axis=1), matrix.min(axis=0)
    total = wa.sum() + wb.sum()
    return {
        "hd": max(da.max(), db.max()),
        "assd": (da @ wa + db @ wb) / total,
        "masd": (da @ wa / wa.sum() + db @ wb / wb.sum()) / 2,
        "rmsd": math.sqrt((da**2 @ wa + db**2 @ wb) / total),
        "nsd_1mm": (wa[da <= 1 + 1e-6].sum() + wb[db <= 1 + 1e-6].sum()) / total,
    }


@pytest.mark.parametrize("convention", ["surfel", "voxel"])
@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_full_distance_matrices(convention, seed):
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.5, 3.0, 3))
    masks = [rng.random((6, 7, 8)) < p for p in (0.3, 0.5)]
    row = compare(*(image(m, spacing[::-1]) for m in masks))
    for key, value in brute(convention, *masks, spacing).items():
        assert row[f"{convention}_{key}"] == pytest.approx(value, abs=1e-9), key


def test_concentric_balls_are_as_far_apart_as_their_radii_within_half_a_voxel():
    inner, outer = (image(ball(r, (20, 20, 20), (41, 41, 41))) for r in (12, 15))
    row = compare(inner, outer)
    for convention in ("surfel", "voxel"):
        for key in ("assd", "masd", "rmsd"):
            assert row[f"{convention}_{key}"] == pytest.approx(3.0, abs=0.5)
    assert row["surfel_nsd_1mm"] == 0 and row["centroid_distance_mm"] == pytest.approx(0, abs=1e-9)


def test_a_shifted_box_is_as_far_as_the_shift_along_the_right_axis():
    array = np.zeros((12, 14, 40))
    array[3:9, 3:10, 5:25] = 1
    shifted = np.roll(array, 3, axis=2)
    row = compare(image(array, (0.5, 3.0, 2.0)), image(shifted, (0.5, 3.0, 2.0)))
    assert row["surfel_hd"] == row["voxel_hd"] == row["surfel_hd95"] == pytest.approx(1.5)
    assert row["centroid_distance_mm"] == pytest.approx(1.5)


def test_single_voxels_are_as_far_apart_as_their_centres():
    one, two = np.zeros((2, 8, 9, 10))
    one[2, 3, 4], two[5, 3, 8] = 1, 1
    row = compare(image(one, (0.8, 0.9, 2.5)), image(two, (0.8, 0.9, 2.5)))
    assert row["voxel_hd"] == row["voxel_assd"] == row["surfel_hd"] == pytest.approx(math.hypot(3 * 2.5, 4 * 0.8))


def test_identical_masks_have_no_distance_and_a_whole_surface_in_common():
    mask = image(ball(8, (12, 12, 12)))
    row = compare(mask, mask)
    assert all(row[k] == (1 if "nsd" in k else 0) for k in SURFACE)
    assert row.get("worst_slice_k") is None


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.booleans()] * 3),
    shift=st.integers(0, 4),
    scale=st.floats(0.2, 5.0),
)
def test_swapping_moving_turning_and_scaling_do_what_they_must(seed, order, flips, shift, scale):
    rng = np.random.default_rng(seed)
    spacing = rng.uniform(0.4, 3.0, 3)
    masks = [rng.random((5, 6, 7)) < p for p in (0.35, 0.45)]
    plain = compare(*(image(m, spacing[::-1]) for m in masks))

    swapped = compare(*(image(m, spacing[::-1]) for m in masks[::-1]))
    assert [plain[k] for k in SURFACE] == pytest.approx([swapped[k] for k in SURFACE])
    assert plain["surfel_asd_ref_to_pred"] == pytest.approx(swapped["surfel_asd_pred_to_ref"])

    moved = compare(*(image(np.pad(m, ((shift, 3), (1, shift), (0, 2))), spacing[::-1]) for m in masks))
    assert [plain[k] for k in SURFACE] == pytest.approx([moved[k] for k in SURFACE])

    flipped = [axis for axis in range(3) if flips[axis]]
    turned = compare(*(image(np.flip(m.transpose(order), flipped), spacing[list(order)][::-1]) for m in masks))
    assert [plain[k] for k in SURFACE] == pytest.approx([turned[k] for k in SURFACE])

    scaled = compare(*(image(m, spacing[::-1] * scale) for m in masks), tolerances_mm=(scale,))
    for convention in ("surfel", "voxel"):
        keys = [f"{convention}_{key}" for key in DISTANCES]
        assert [plain[k] * scale for k in keys] == pytest.approx([scaled[k] for k in keys])
        assert scaled[f"{convention}_nsd_{scale:g}mm"] == pytest.approx(plain[f"{convention}_nsd_1mm"], abs=0.02)


def test_an_oblique_grid_changes_no_distance():
    one, two = ball(6, (8, 9, 10), (16, 20, 24)), ball(7, (8, 10, 12), (16, 20, 24))
    straight = [image(m, (0.7, 1.1, 2.5)) for m in (one, two)]
    oblique = [oblique_grid(image(m)) for m in (one, two)]
    a, b = compare(*straight), compare(*oblique)
    assert [a[k] for k in SURFACE] == pytest.approx([b[k] for k in SURFACE])
    assert a["centroid_distance_mm"] == pytest.approx(b["centroid_distance_mm"])


def test_an_object_cut_by_the_image_border_has_a_surface_there():
    array = np.ones((6, 7, 8))
    padded = np.pad(array, 2)
    smaller = array.copy()
    smaller[:, :, 4:] = 0
    cut = compare(image(array), image(smaller))
    free = compare(image(padded), image(np.pad(smaller, 2)))
    assert [cut[k] for k in SURFACE] == pytest.approx([free[k] for k in SURFACE])
    assert cut["voxel_hd"] == 4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_slice_is_a_contour_unless_asked_for_otherwise(axis):
    a, b = np.zeros((2, 12, 14))
    a[3:9, 3:9], b[3:9, 5:11] = 1, 1
    spacing = np.insert([1.5, 0.5], axis, 4.0)
    flat = compare(image(a, (0.5, 1.5)), image(b, (0.5, 1.5)))
    slices = [image(np.expand_dims(m, axis), spacing[::-1]) for m in (a, b)]
    thin = compare(*slices)
    assert [flat[k] for k in SURFACE] == pytest.approx([thin[k] for k in SURFACE])
    assert thin["surfel_area_ref"] == pytest.approx(flat["surfel_area_ref"])
    faces = 2 * (5 * 1.5) * (5 * 0.5)
    assert compare(*slices, one_slice="3d")["surfel_area_ref"] > faces


def test_empty_masks_have_no_distances_and_say_why():
    nothing, something = image(np.zeros((6, 6, 6))), image(ball(2, (3, 3, 3), (6, 6, 6)))
    for reference, test, status in (
        (nothing, nothing, "both_empty"),
        (nothing, something, "reference_empty"),
        (something, nothing, "prediction_empty"),
    ):
        row = compare(reference, test)
        assert row["status"] == status
        assert all(math.isnan(row[k]) for k in SURFACE if "nsd" not in k)
        dice = row["surfel_nsd_1mm"]
        assert math.isnan(dice) if status == "both_empty" else dice == 0
    penalty = compare(something, nothing, missing_distance="image_diagonal")
    assert penalty["surfel_hd95"] == pytest.approx(math.sqrt(3) * 6) and penalty["status"] == "prediction_empty"
    assert math.isnan(compare(nothing, nothing, missing_distance="image_diagonal")["surfel_hd"])


def test_surfaces_can_be_left_out_and_tolerances_have_no_default():
    mask = image(ball(5, (12, 12, 12)))
    plain = execute(CompareSegmentations(), {"reference": mask, "test": mask}).outputs["table"]
    keys = {column.key for column in plain.columns}
    assert "surfel_hd95" in keys and not any("nsd" in key for key in keys)
    none = execute(CompareSegmentations(surfaces="none"), {"reference": mask, "test": mask}).outputs["table"]
    assert not any(column.key.startswith(("surfel", "voxel")) for column in none.columns)
    nothing = CompareSegmentations(surfaces="none", second_opinion=True)
    assert execute(nothing, {"reference": mask, "test": mask}).outputs["table"].rows[0]["dice"] == 1
    with pytest.raises(ParameterError, match="once"):
        CompareSegmentations(tolerances_mm=(2.0, 2.0))


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_second_opinion_agrees_on_every_surface_number(dimension):
    rng = np.random.default_rng(5)
    shape, spacing = (9, 12, 14)[-dimension:], (0.7, 1.3, 2.9)[:dimension]
    masks = [image(rng.random(shape) < 0.4, spacing) for _ in range(2)]
    result = execute(
        CompareSegmentations(second_opinion=True, tolerances_mm=(2.0,)), dict(zip(("reference", "test"), masks))
    )
    table = result.outputs["table"]
    checks = {c.key: table.rows[0][c.key] for c in table.columns if c.key.endswith("_check")}
    assert len(checks) == 2 * 14 + 2 + 3
    assert max(abs(difference) for difference in checks.values()) < 1e-5
    assert not any("Second opinion" in warning for warning in result.warnings)


def test_the_second_opinion_warns_when_the_numbers_are_wrong(monkeypatch):
    from MedImgAnalysisLib.agreement import surface

    right = surface.nearest
    monkeypatch.setattr(surface, "nearest", lambda *given: right(*given) * 1.01)
    masks = {"reference": image(ball(5, (12, 12, 12))), "test": image(ball(8, (12, 12, 12)))}
    result = execute(CompareSegmentations(second_opinion=True), masks)
    assert any("Second opinion" in warning for warning in result.warnings)


def test_surfaces_far_apart_get_the_same_numbers_from_a_distance_map(monkeypatch):
    from MedImgAnalysisLib.agreement import nearest

    one, two = (image(ball(r, (40, 40, 40), (81, 81, 81))) for r in (6, 38))
    by_tree = compare(one, two)
    monkeypatch.setattr(nearest, "MANY", 0)
    by_map = compare(one, two)
    assert [by_tree[k] for k in SURFACE] == pytest.approx([by_map[k] for k in SURFACE], rel=1e-6)
    assert by_tree["surfel_hd"] != by_map["surfel_hd"], "the map has float32 rounding, so it was not used"


def test_the_worst_slice_is_where_most_voxels_differ():
    a = ball(6, (10, 10, 10), (20, 20, 20)).astype(np.uint8)
    b = a.copy()
    b[13] = 0
    reference, test = image(a, (1.0, 1.0, 2.0)), image(b, (1.0, 1.0, 2.0))
    reference.SetOrigin((0.0, 0.0, 100.0))
    test.SetOrigin((0.0, 0.0, 100.0))
    row = compare(reference, test)
    assert row["worst_slice_k"] == 13 and row["worst_slice_errors"] == a[13].sum() == row["fn"]
    assert (row["worst_slice_l_mm"], row["worst_slice_p_mm"], row["worst_slice_s_mm"]) == (10, 10, 126)


def test_a_long_comparison_stops_within_half_a_second():
    k, j, i = np.ogrid[:200, :200, :200]
    far = (k - 100) ** 2 + (j - 100) ** 2 + (i - 100) ** 2
    masks = {"reference": image(far < 40**2), "test": image(far < 98**2)}
    progress = Progress()
    asked: list[float] = []
    timer = threading.Timer(0.6, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    with pytest.raises(Cancelled):
        for _ in range(20):
            execute(CompareSegmentations(), masks, progress=progress)
    assert time.perf_counter() - asked[0] < 0.5

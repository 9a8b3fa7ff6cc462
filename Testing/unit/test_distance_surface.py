"""The surface of the reference coloured by distance: closed forms, and agreement with the table."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.agreement.distance_surface import crossing_table
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Labels, Surface

ASKED = CompareSegmentations(color_surface=True, surfaces="surfel")


def ball(radius_mm: float, spacing: tuple[float, float, float], center=(0.0, 0.0, 0.0), half_mm: float = 26) -> Labels:
    """A ball (x, y, z) on a grid centred on 0."""
    size = [round(2 * half_mm / s) for s in spacing]
    axes = [(np.arange(n) - (n - 1) / 2) * s - c for n, s, c in zip(size, spacing, center)]
    k, j, i = np.meshgrid(*axes[::-1], indexing="ij")
    image = sitk.GetImageFromArray(np.uint8(i**2 + j**2 + k**2 <= radius_mm**2))
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) / 2 * s for n, s in zip(size, spacing)])
    return Labels.from_masks([("Ball", image)])


def labels(array: np.ndarray, name: str = "A") -> Labels:
    return Labels.from_masks([(name, oblique_grid(sitk.GetImageFromArray(array.astype(np.uint8))))])


def edges_of(surface: Surface) -> np.ndarray:
    """Directed edges of all triangles, (3 M, 2)."""
    return np.concatenate([surface.triangles[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.0)])
@pytest.mark.parametrize(("outer", "inner"), [(20.0, 14.0), (14.0, 20.0)])
def test_of_concentric_balls_every_distance_is_the_difference_of_the_radii(spacing, outer, inner) -> None:
    surface = ASKED.run(ball(outer, spacing), ball(inner, spacing)).surface
    distances = surface.value("Distance")
    # Positive where the test reaches beyond the reference.
    assert np.abs(distances - (inner - outer)).max() < 1.05 * np.linalg.norm(spacing)
    # Staircases underestimate the mean distance, by up to half a voxel.
    mean = abs(np.average(distances, weights=surface.value("Area")))
    assert 6 - np.linalg.norm(spacing) / 2 < mean < 6.05


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.0)])
def test_the_surface_lies_on_the_ball(spacing) -> None:
    surface = ASKED.run(ball(20, spacing), ball(15, spacing)).surface
    assert np.abs(np.linalg.norm(surface.points, axis=1) - 20).max() < 0.6 * max(spacing)
    assert surface.volume_mm3 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)
    assert surface.areas.sum() == pytest.approx(4 * np.pi * 20**2, rel=0.06)


def test_of_a_shifted_box_the_signs_tell_which_way_it_went() -> None:
    array = np.zeros((12, 14, 16))
    array[3:8, 4:9, 5:10] = 1
    shifted = np.roll(array, 2, axis=2)  # 2 voxels along +i, 0.7 mm each
    reference = labels(array)
    surface = ASKED.run(reference, labels(shifted)).surface
    index = reference.grid.to_index(surface.points)
    distances = surface.value("Distance")
    middle = (np.abs(index[:, 1] - 6) < 1.2) & (np.abs(index[:, 2] - 5) < 1.2)
    assert distances[middle & (index[:, 0] > 9)] == pytest.approx(1.4)
    assert distances[middle & (index[:, 0] < 5)] == pytest.approx(-1.4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), part=st.floats(0.15, 0.85))
def test_the_values_at_the_points_give_the_numbers_of_the_table(seed: int, part: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.random((5, 6, 7)) < part for _ in range(2))
    a[2, 3, 3] = b[2, 3, 4] = True
    result = ASKED.run(labels(a), labels(b))
    row, distances = result.table.rows[0], np.abs(result.surface.value("Distance"))
    assert distances.max() == pytest.approx(row["surfel_hd_ref_to_pred"], abs=1e-12)
    assert np.average(distances, weights=result.surface.value("Area")) == pytest.approx(row["surfel_asd_ref_to_pred"])
    assert result.surface.value("Area").sum() == pytest.approx(row["surfel_area_ref"])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), part=st.floats(0.1, 0.9), mirrored=st.booleans())
def test_every_surface_is_closed_and_turned_outwards(seed: int, part: float, mirrored: bool) -> None:
    array = np.random.default_rng(seed).random((4, 5, 6)) < part
    array[1, 2, 3] = True
    made = labels(array)
    if mirrored:
        image = made.layers[0]
        image.SetDirection((np.reshape(image.GetDirection(), (3, 3)) * (-1, 1, 1)).ravel().tolist())
    surface = ASKED.run(made, made).surface
    edges = {}
    for a, b in edges_of(surface).tolist():
        edges[a, b] = edges.get((a, b), 0) + 1
    assert all(edges.get((b, a), 0) == count for (a, b), count in edges.items())
    assert surface.volume_mm3 > 0
    assert not surface.value("Distance").any()


def test_the_volume_inside_a_box_misses_its_rounded_edges_only() -> None:
    array = np.ones((20, 20, 20))
    surface = ASKED.run(labels(array), labels(array)).surface
    whole = 8000 * 0.7 * 1.1 * 2.5
    assert 0.98 * whole < surface.volume_mm3 < whole


def test_a_reference_without_partner_has_undefined_distances() -> None:
    array = np.zeros((6, 6, 6))
    array[2:4, 2:4, 2:4] = 1
    surface = ASKED.run(labels(array), labels(np.zeros((6, 6, 6)), "B")).surface
    assert len(surface.points) == 26
    assert np.isnan(surface.value("Distance")).all()


def test_an_empty_reference_has_an_empty_surface() -> None:
    array = np.zeros((6, 6, 6))
    array[2:4, 2:4, 2:4] = 1
    surface = ASKED.run(labels(np.zeros((6, 6, 6))), labels(array)).surface
    assert surface.points.shape == (0, 3)


def test_several_segments_are_told_apart_by_the_row_of_the_table() -> None:
    array = np.zeros((8, 9, 20))
    array[2:6, 2:6, 2:6] = 1
    array[2:6, 2:6, 10:16] = 2
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.uint8)))
    made = Labels.from_labelmap(image, {1: "Small", 2: "Large"})
    result = ASKED.run(made, made)
    assert [row["segment"] for row in result.table.rows] == ["Small", "Large"]
    index = made.grid.to_index(result.surface.points)
    assert np.array_equal(result.surface.value("Segment") == 2, index[:, 0] > 8)


def test_on_different_grids_the_surface_lies_where_the_reference_is() -> None:
    reference, test = ball(15, (1.0, 1.0, 1.0)), ball(18, (1.3, 1.3, 1.7))
    surface = ASKED.run(reference, test).surface
    assert np.abs(np.linalg.norm(surface.points, axis=1) - 15).max() < 0.7
    assert 2.1 < surface.value("Distance").mean() < 3.05


def test_it_is_made_only_when_asked_and_one_slice_has_none() -> None:
    array = np.ones((1, 6, 6))
    said: list[str] = []
    assert CompareSegmentations().run(labels(array), labels(array)).surface is None
    assert ASKED.run(labels(array), labels(array), progress=Progress(on_warning=said.append)).surface is None
    assert "contours" in said[0]
    assert (
        CompareSegmentations(color_surface=True, one_slice="3d").run(labels(array), labels(array)).surface is not None
    )


def test_a_flat_patch_is_not_moved() -> None:
    table = crossing_table()
    assert table[0b00001111].tolist() == [0, 0, 0]
    assert table[1].tolist() == pytest.approx([-1 / 3, -1 / 3, -1 / 3])
    assert np.abs(table).max() < 0.5

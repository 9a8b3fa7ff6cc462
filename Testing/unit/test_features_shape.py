"""Shape features: meshes and ellipsoids with known measures, autocorrelation and peaks against sums over all pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.quality.features import autocorrelation as pairs
from MedImgAnalysisLib.quality.features import local_peaks, mesh
from MedImgAnalysisLib.quality.features.interpolation import interpolated, line, part_of_line
from MedImgAnalysisLib.quality.features.local_peaks import RADIUS_MM, put_local_peaks
from MedImgAnalysisLib.quality.features.morphology import area_series, ellipsoid_area, put_morphology
from MedImgAnalysisLib.quality.features.preparation import prepared
from MedImgAnalysisLib.quality.features.region import Region
from MedImgAnalysisLib.quality.findings import Findings

SPACING = (2.5, 1.1, 0.7)


def ball(radius: float, spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    sizes = [2 * math.ceil(radius / s) + 3 for s in spacing]
    axes = np.meshgrid(*[(np.arange(n) - n // 2) * s for n, s in zip(sizes, spacing)], indexing="ij")
    return sum(a * a for a in axes) <= radius**2


def blob(seed: int = 3, size=(9, 11, 12)) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size), 1.0) > 0.05


def morphology(mask: np.ndarray, spacing=SPACING, values: np.ndarray | None = None) -> dict[str, float]:
    found = Findings()
    intensities = np.random.default_rng(0).normal(100, 10, mask.shape) if values is None else values
    put_morphology(found, Region(intensities, mask, mask, spacing), SILENT)
    return found.values


def test_the_mesh_of_a_box_is_a_box_without_its_edges_and_corners():
    mask = np.ones((4, 6, 5), bool)
    found = mesh.mesh_of(mask, (1.0, 1.0, 1.0), SILENT)
    # Flat faces, edges cut at 45 degrees over half a voxel, corners cut by a triangle.
    n = np.array([4, 6, 5])
    edges = 4 * (n - 1).sum()
    flat = 2 * ((n[0] - 1) * (n[1] - 1) + (n[1] - 1) * (n[2] - 1) + (n[0] - 1) * (n[2] - 1))
    corner = math.sqrt(3) / 8
    assert found.area == pytest.approx(flat + edges * math.sqrt(0.5) + 8 * corner)
    assert found.volume == pytest.approx(4 * 6 * 5 - edges / 8 - 8 * (1 / 8 - 1 / 48))
    assert found.box == (4.0, 6.0, 5.0) and found.hull_volume == pytest.approx(found.volume)
    assert found.hull_area == pytest.approx(found.area)


@pytest.mark.parametrize(("spacing", "steps"), [((1.0, 1.0, 1.0), 0.1), (SPACING, 0.16)])
def test_a_ball_has_nearly_its_measures_and_too_much_area_for_the_steps(spacing, steps):
    found = morphology(ball(12.0, spacing), spacing)
    assert found["morph_volume"] == pytest.approx(4 / 3 * math.pi * 12**3, rel=0.02)
    assert found["morph_area_mesh"] == pytest.approx(4 * math.pi * 12**2, rel=steps)
    assert 23 < found["morph_diam"] <= 24 + spacing[0]
    for key in ("morph_pca_maj_axis", "morph_pca_least_axis"):
        assert found[key] == pytest.approx(4 * 12 / math.sqrt(5), rel=0.03)
    assert found["morph_vol_dens_conv_hull"] == pytest.approx(1, abs=0.07)
    assert found["morph_pca_elongation"] == pytest.approx(1, abs=0.03)
    assert found["morph_sphericity"] * found["morph_sph_dispr"] == pytest.approx(1)
    assert found["morph_asphericity"] == pytest.approx(found["morph_sph_dispr"] - 1)


def test_every_code_makes_closed_loops_and_opposite_codes_are_far_from_open():
    for code in range(1, 255):
        triangles, weights = mesh._triangles(code)
        assert len(triangles) and weights.min() > 0
        inside = {corner for corner in range(8) if code >> corner & 1}
        cut = sum((a in inside) != (a ^ bit in inside) for a in range(8) for bit in (1, 2, 4)) // 2
        points = {tuple(point) for triangle in triangles for point in triangle}
        assert len(points) == cut, "each cut edge of the cell is a corner of the surface"
    assert not len(mesh._triangles(0)[0]) and not len(mesh._triangles(255)[0])


def test_volume_does_not_depend_on_where_the_mask_lies_and_how_it_is_turned():
    mask = blob()
    volume, area = mesh._volume_and_area(mask, SPACING, SILENT)
    for flips in ((0,), (1,), (0, 2), (0, 1, 2)):
        assert mesh._volume_and_area(np.flip(mask, flips), SPACING, SILENT) == pytest.approx((volume, area))
    turned = mesh._volume_and_area(mask.transpose(2, 0, 1), (SPACING[2], SPACING[0], SPACING[1]), SILENT)
    assert turned == pytest.approx((volume, area))
    moved = mesh._volume_and_area(np.pad(mask, ((5, 1), (3, 0), (0, 9))), SPACING, SILENT)
    assert moved == pytest.approx((volume, area))


def test_the_volume_of_parts_that_touch_nowhere_adds_up():
    one, two = np.zeros((12, 12, 12), bool), np.zeros((12, 12, 12), bool)
    one[1:4, 2:6, 1:3] = True
    two[7:11, 7:9, 6:11] = True
    whole = mesh._volume_and_area(one | two, SPACING, SILENT)
    parts = [mesh._volume_and_area(mask, SPACING, SILENT) for mask in (one, two)]
    assert whole == pytest.approx(np.sum(parts, axis=0))


def test_the_hull_is_that_of_all_corners_of_the_mesh():
    from scipy.spatial import ConvexHull

    mask = blob()
    padded = np.pad(mask, 1)
    points = []
    for axis in range(3):
        a, b = (np.moveaxis(padded, axis, 0)[s] for s in (slice(None, -1), slice(1, None)))
        at = np.argwhere(a != b).astype(float)
        at[:, 0] += 0.5
        points.append(np.insert(at[:, 1:], axis, at[:, 0], axis=1) - 1)
    every = np.concatenate(points) * SPACING
    found = mesh.mesh_of(mask, SPACING, SILENT)
    hull = ConvexHull(every)
    assert found.hull_volume == pytest.approx(hull.volume) and found.hull_area == pytest.approx(hull.area)
    gaps = np.linalg.norm(every[:, None] - every[None], axis=-1)
    assert found.diameter == pytest.approx(gaps.max())
    assert found.box == pytest.approx(np.ptp(every, axis=0))


def test_the_series_for_the_area_of_an_ellipsoid_has_its_closed_forms():
    a, c = 3.0, 2.0
    e = math.sqrt(1 - c**2 / a**2)
    oblate = 2 * math.pi * a**2 * (1 + (1 - e**2) / e * math.atanh(e))
    assert area_series(a, a, e**2, e**2) == pytest.approx(oblate, rel=1e-6)
    prolate = 2 * math.pi * c**2 * (1 + a / (c * e) * math.asin(e))
    assert area_series(a, c, e**2, 0.0) == pytest.approx(prolate, rel=1e-6)


def test_the_area_of_an_ellipsoid_is_that_of_the_manual():
    from scipy.special import eval_legendre

    a, b, c = 5.7, 4.66, 4.27
    alpha, beta = math.sqrt(1 - b**2 / a**2), math.sqrt(1 - c**2 / a**2)
    n = np.arange(21)
    terms = (alpha * beta) ** n / (1 - 4.0 * n**2) * eval_legendre(n, (alpha**2 + beta**2) / (2 * alpha * beta))
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * math.pi * a * b * terms.sum(), rel=1e-12)
    assert ellipsoid_area(3.0, 3.0, 3.0) == pytest.approx(4 * math.pi * 9)


def test_a_flat_region_has_no_ellipsoid_and_says_so():
    mask = np.zeros((3, 8, 8), bool)
    mask[1, 2:7, 2:6] = True
    found = Findings()
    put_morphology(found, Region(np.ones(mask.shape), mask, mask, SPACING), SILENT)
    assert math.isnan(found.values["morph_vol_dens_aee"]) and found.values["morph_pca_flatness"] == 0
    assert "flat_region (morph_vol_dens_aee" in found.status


def test_autocorrelation_is_that_of_all_pairs():
    mask = blob()
    values = np.random.default_rng(5).normal(50, 7, mask.shape)
    moran, geary, reason = pairs.autocorrelation(Region(values, mask, mask, SPACING), SILENT)
    x, at = values[mask], np.argwhere(mask) * SPACING
    gaps = np.linalg.norm(at[:, None] - at[None], axis=-1)
    weights = np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps > 0)
    d, n = x - x.mean(), len(x)
    assert reason == ""
    assert moran == pytest.approx(n / weights.sum() * (weights * np.outer(d, d)).sum() / (d @ d), rel=1e-9)
    spread = (weights * (x[:, None] - x[None]) ** 2).sum()
    assert geary == pytest.approx((n - 1) / (2 * weights.sum()) * spread / (d @ d), rel=1e-9)


def test_a_region_too_large_for_all_pairs_is_left_out_with_a_reason(monkeypatch):
    monkeypatch.setattr(pairs, "LARGEST", 100)
    mask = blob()
    assert pairs.autocorrelation(Region(np.ones(mask.shape), mask, mask, SPACING), SILENT)[2] == "region_too_large"


def test_the_sphere_of_a_microscopic_image_holds_all_of_it():
    values = np.random.default_rng(3).normal(50, 3, (5, 6, 7))
    mask = np.zeros(values.shape, bool)
    mask[2:4, 2:4, 2:4] = True
    found = Findings()
    put_local_peaks(found, Region(values, mask, mask, (1e-4, 1e-4, 1e-4)), SILENT)  # whole, it has 1e15 voxels
    assert found.values["loc_peak_loc"] == pytest.approx(values.mean(), rel=1e-12)
    assert found.values["loc_peak_glob"] == pytest.approx(values.mean(), rel=1e-12)


@pytest.mark.parametrize("slab", [1 << 20, 1, 500])
def test_local_peaks_are_means_over_the_sphere_inside_the_image(slab, monkeypatch):
    monkeypatch.setattr(local_peaks, "SLAB_VOXELS", slab)
    mask = np.zeros((9, 14, 16), bool)
    mask[0:6, 1:9, 9:16] = True
    values = np.random.default_rng(2).normal(1000, 50, mask.shape)
    spacing = (3.0, 2.0, 1.5)
    found = Findings()
    put_local_peaks(found, Region(values, mask, mask, spacing), SILENT)
    every = np.argwhere(np.ones_like(mask)) * spacing
    means = []
    for place in np.argwhere(mask) * spacing:
        near = np.linalg.norm(every - place, axis=1) <= RADIUS_MM
        means.append(values.ravel()[near].mean())
    assert found.values["loc_peak_glob"] == pytest.approx(max(means), rel=1e-12)
    assert found.values["loc_peak_loc"] == pytest.approx(means[int(np.argmax(values[mask]))], rel=1e-12)


def test_new_lattices_share_their_middle_and_cover_the_old_one():
    for n, spacing, wanted in ((10, 2.0, 1.0), (10, 2.0, 3.0), (7, 1.3, 0.9), (5, 1.0, 1.0), (1, 3.0, 1.0)):
        at = line(n, spacing, wanted)
        assert (at[0] + at[-1]) / 2 == pytest.approx((n - 1) / 2)
        assert len(at) == math.ceil(n * spacing / wanted - 1e-9)
        assert np.diff(at) == pytest.approx(wanted / spacing)
    part = part_of_line(line(100, 1.0, 0.5), 20.0, 30.0)
    assert part[0] < 20 <= part[1] and part[-2] <= 30 < part[-1]


@pytest.mark.parametrize("cubic", [False, True])
def test_a_ramp_is_interpolated_exactly_and_the_border_goes_on(cubic):
    k, j, i = np.meshgrid(*[np.arange(float(n)) for n in (30, 31, 32)], indexing="ij")
    positions = (np.array([12.25, 13.5]), np.array([14.1, 15.9]), np.array([15.0, 16.7]))
    found = interpolated(2 * k - j + 0.5 * i, positions, cubic)
    a, b, c = np.meshgrid(*positions, indexing="ij")
    np.testing.assert_allclose(found, 2 * a - b + 0.5 * c, atol=1e-6)
    edge = interpolated(i, (np.array([3.0]), np.array([3.0]), np.array([-0.4, 31.4])), cubic=False)
    assert edge.ravel().tolist() == [0.0, 31.0]
    through = interpolated(np.sin(i), (np.array([5.0]), np.array([6.0]), np.arange(10.0, 15.0)), cubic)
    np.testing.assert_allclose(through.ravel(), np.sin(np.arange(10.0, 15.0)), atol=1e-9)


@pytest.mark.parametrize("cubic", [False, True])
def test_a_region_is_the_same_however_large_the_image_around_it_is(cubic):
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (40, 80, 90))
    mask = np.zeros(image.shape, bool)
    mask[15:22, 35:44, 40:52] = ball(4.0)[:7, :9, :11][..., :1] | True
    whole = prepared(image, mask, SPACING, (1.0, 1.0, 1.0), cubic)
    assert whole is not None
    # Cutting off an even number of voxels on both sides keeps the middle of the lattice.
    small = prepared(image[:, 4:-4, 4:-4], mask[:, 4:-4, 4:-4], SPACING, (1.0, 1.1, 0.7), cubic)
    same = prepared(image, mask, SPACING, (1.0, 1.1, 0.7), cubic)
    assert small is not None and same is not None
    np.testing.assert_allclose(small.intensities, same.intensities, atol=1e-9)
    assert whole.spacing == (1.0, 1.0, 1.0)
    volumes = [region.shape.sum() * math.prod(region.spacing) for region in (whole, same)]
    assert volumes == pytest.approx([mask.sum() * math.prod(SPACING)] * 2, rel=0.15)


def test_shape_features_stop_when_asked_to():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        put_morphology(Findings(), Region(np.ones((9, 11, 12)), blob(), blob(), SPACING), progress)

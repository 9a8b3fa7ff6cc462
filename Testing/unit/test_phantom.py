"""The phantom is what it says: volumes by formula, motion known, noise of the stated kind, repeatable."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import phantom
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.geometry import Grid

COARSE = {"flair_spacing_mm": (3.0, 3.0, 4.0), "t1_spacing_mm": (3.0, 3.0, 3.0)}


@cache
def coarse(seed: int = 1) -> phantom.Phantom:
    return phantom.head(seed, **COARSE)


@cache
def fine() -> phantom.Phantom:
    spacings = {"flair_spacing_mm": (1.2, 1.2, 1.5), "t1_spacing_mm": (2.0, 2.0, 2.0)}
    return phantom.head(2, **spacings, tilt_deg=10, bias=0, noise=0)


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_mask_volumes_agree_with_the_closed_forms() -> None:
    head = fine()
    for name, exact in head.volumes_ml.items():
        counted = array(head.truth.mask(name)).sum() * head.truth.grid.voxel_volume_mm3 / 1000
        # A boundary voxel is in or out by chance: a few per mille of a large part, more of small lesions.
        assert counted == pytest.approx(exact, rel=0.03 if exact < 20 else 0.003), name


def test_voxel_values_integrate_to_the_closed_form_of_nested_ellipsoids() -> None:
    head, tissue = fine(), phantom.CONTRAST["t1"]
    volume = {part.name: part.volume_ml for part in head.parts}
    shell = (
        tissue["scalp"] * (volume["Head"] - volume["Skull"])
        + tissue["skull"] * (volume["Skull"] - volume["Intracranial"])
        + tissue["fluid"] * (volume["Intracranial"] - volume["Brain"])
    )
    grid = Grid.of(head.clean["t1"])
    only_shell = phantom._paint(
        [p for p in head.parts if p.name in ("Head", "Skull", "Intracranial")], grid, (np.eye(3), np.zeros(3)), tissue
    )
    expected = shell + tissue["fluid"] * volume["Brain"]
    assert only_shell.sum(dtype=float) * grid.voxel_volume_mm3 / 1000 == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(
    ("radius", "worst", "typical", "volume"), [(3.0, 0.05, 0.01, 2e-3), (18.0, 0.13, 0.05, 1.2e-3)]
)
def test_a_voxel_on_the_surface_has_the_part_that_lies_inside(
    radius: float, worst: float, typical: float, volume: float
) -> None:
    ball = phantom.Ellipsoid("ball", "white", (0.3, -0.2, 0.1), (radius,) * 3)
    n = 2 * int(radius) + 6
    grid = Grid((n, n, n), (1.0, 1.0, 1.0), ((1 - n) / 2,) * 3, tuple(np.eye(3).ravel()))
    painted = phantom._paint([ball], grid, (np.eye(3), np.zeros(3)), {"white": 1.0})
    axis = (np.arange(n * 10) + 0.5) / 10 - n / 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    hits = (x - 0.3) ** 2 + (y + 0.2) ** 2 + (z - 0.1) ** 2 <= radius**2
    inside = hits.reshape(n, 10, n, 10, n, 10).mean(axis=(1, 3, 5))
    assert np.abs(painted - inside).max() < worst
    assert np.sqrt(np.mean((painted - inside)[(inside > 0) & (inside < 1)] ** 2)) < typical
    assert painted.sum() == pytest.approx(4 / 3 * np.pi * radius**3, rel=volume)


def test_the_same_seed_gives_the_same_voxels_and_another_seed_does_not() -> None:
    again = phantom.head(1, **COARSE)
    for name in ("flair", "t1"):
        assert np.array_equal(array(getattr(again, name)), array(getattr(coarse(), name)))
        assert not np.array_equal(array(getattr(coarse(2), name)), array(getattr(coarse(), name)))
    assert coarse(2).parts[-1].center != coarse().parts[-1].center


def test_the_motion_leads_from_the_fixed_to_the_moving_image() -> None:
    """The T1 image of a moved head, read at moved points, is the T1 image of the head at rest."""
    still = phantom.head(1, **COARSE, rotation_deg=(0, 0, 0), translation_mm=(0, 0, 0), bias=0, noise=0)
    moved = phantom.head(1, **COARSE, bias=0, noise=0)
    back = sitk.Resample(moved.clean["t1"], still.clean["t1"], moved.motion, sitk.sitkLinear, 0.0)
    there, at_rest = array(back), array(still.clean["t1"])
    right = np.corrcoef(there.ravel(), at_rest.ravel())[0, 1]
    other = array(sitk.Resample(moved.clean["t1"], still.clean["t1"], moved.motion.GetInverse(), sitk.sitkLinear, 0.0))
    assert right > 0.99
    assert np.corrcoef(other.ravel(), at_rest.ravel())[0, 1] < right - 0.1


def test_the_motion_is_the_one_that_was_asked_for() -> None:
    head = phantom.head(1, **COARSE, rotation_deg=(0, 0, 90), translation_mm=(1, 2, 3))
    assert head.motion.TransformPoint((10.0, 0.0, 0.0)) == pytest.approx((1, 12, 3))
    assert head.errors_mm(head.motion).max() == 0
    assert head.errors_mm(sitk.TranslationTransform(3, (1.0, 2.0, 3.0))).max() > 100


def test_the_head_is_inside_both_images() -> None:
    for image in (fine().clean["flair"], fine().clean["t1"]):
        a = array(image)
        assert max(a[0].max(), a[-1].max(), a[:, 0].max(), a[:, -1].max(), a[..., 0].max(), a[..., -1].max()) == 0


def test_a_tilted_acquisition_shows_the_same_head() -> None:
    straight = phantom.head(1, **COARSE, bias=0, noise=0)
    tilted = phantom.head(1, **COARSE, bias=0, noise=0, tilt_deg=15)
    assert Grid.of(tilted.flair).direction != Grid.of(straight.flair).direction
    back = sitk.Resample(tilted.clean["flair"], straight.clean["flair"], sitk.Transform(), sitk.sitkLinear, 0.0)
    assert np.corrcoef(array(back).ravel(), array(straight.clean["flair"]).ravel())[0, 1] > 0.98


def test_the_noise_is_rician_with_the_stated_sigma() -> None:
    head = coarse()
    assert head.noise == 30
    air = array(head.clean["t1"]) == 0
    rayleigh = array(head.t1)[air]
    assert rayleigh.mean() == pytest.approx(30 * np.sqrt(np.pi / 2), rel=0.01)
    assert rayleigh.std() == pytest.approx(30 * np.sqrt(2 - np.pi / 2), rel=0.01)
    bright = array(head.clean["t1"]) > 900
    assert (array(head.t1) - array(head.clean["t1"]))[bright].std() == pytest.approx(30, rel=0.02)


def test_the_bias_field_stays_within_its_strength() -> None:
    plain, biased = phantom.head(1, **COARSE, bias=0, noise=0), phantom.head(1, **COARSE, bias=0.2, noise=0)
    inside = array(plain.clean["t1"]) > 0
    ratio = array(biased.clean["t1"])[inside] / array(plain.clean["t1"])[inside]
    assert 0.8 <= ratio.min() < 0.95
    assert 1.05 < ratio.max() <= 1.2


@pytest.mark.parametrize("seed", range(6))
def test_lesions_lie_in_white_matter_and_touch_nothing_else(seed: int) -> None:
    head = coarse(seed)
    lesions = [part for part in head.parts if part.name.startswith("Lesion")]
    assert [round(part.volume_ml, 6) for part in lesions] == [
        round(4 / 3 * np.pi * r**3 / 1000, 6) for r in (9.0, 7.0, 5.0, 3.5, 2.5)
    ]
    directions = np.random.default_rng(seed).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    whites, others = head.parts[4:6], [p for p in head.parts[6:] if p not in lesions]
    for lesion in lesions:
        surface = np.asarray(lesion.center) + directions * lesion.radii
        white = next(w for w in whites if w.contains(np.asarray([lesion.center]))[0])
        level, _ = white.level(list(((surface - white.center) @ white.frame).T))
        assert (level < 0).all()
        assert not any(other.contains(surface).any() for other in [*others, *lesions] if other is not lesion)


def test_all_inner_parts_lie_in_the_brain_and_the_closed_forms_may_be_added() -> None:
    rng = np.random.default_rng(0)
    brain = next(p for p in phantom.FIXED_PARTS if p.name == "Brain")
    points = rng.uniform(-1, 1, (200000, 3)) * brain.radii * 1.1
    separate = [p for p in phantom.FIXED_PARTS if p.name.startswith(("Cerebellum", "Deep", "Fissure", "Ventricle"))]
    inside = np.array([part.contains(points) for part in separate])
    assert (inside.sum(axis=0) <= 1).all()
    assert inside.any(axis=1).all()
    assert brain.contains(points[inside.any(axis=0)]).all()


def test_impossible_requests_are_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="no room"):
        phantom.head(1, **COARSE, lesion_radii_mm=(9.0,) * 40)
    with pytest.raises(ParameterError, match="spacing"):
        phantom.head(1, flair_spacing_mm=(0.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match="bias and noise"):
        phantom.head(1, bias=1.0)
    with pytest.raises(ParameterError, match="lesion radius"):
        phantom.head(1, lesion_radii_mm=(25.0,))


def test_points_are_on_the_surfaces_they_are_named_after() -> None:
    points = coarse().points
    for name, point in zip(points.names, points.points, strict=True):
        part = phantom.FIXED_PARTS[0] if name.startswith("scalp") else phantom.FIXED_PARTS[3]
        assert ((point / part.radii) ** 2).sum() == pytest.approx(1)


def test_large_ventricles_have_the_volume_of_their_radii_and_keep_clear_of_deep_grey_matter() -> None:
    spacing = (3.0, 3.0, 3.0)
    plain, large = (
        phantom.head(3, flair_spacing_mm=spacing, t1_spacing_mm=spacing, ventricles=factor) for factor in (1.0, 1.4)
    )
    assert large.volumes_ml["Ventricles"] == pytest.approx(1.4**3 * plain.volumes_ml["Ventricles"])
    voxels = [np.count_nonzero(sitk.GetArrayFromImage(head.truth.mask("Ventricles"))) for head in (plain, large)]
    assert voxels[1] * 0.027 == pytest.approx(large.volumes_ml["Ventricles"], rel=0.03)
    grey = [part for part in large.parts if part.name.startswith("Deep grey")]
    sides = [part for part in large.parts if part.name.startswith("Ventricle")]
    assert all(abs(part.center[0]) + part.radii[0] < abs(grey[0].center[0]) for part in sides)
    for factor in (0.4, 1.5):
        with pytest.raises(ParameterError, match="ventricles"):
            phantom.head(1, ventricles=factor)

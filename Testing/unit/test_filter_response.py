"""Response maps: consensus maps of IBSI 2, borders, closed forms, what is refused."""

from __future__ import annotations

import ast
from functools import cache

import numpy as np
import pytest
import reference_checks
import SimpleITK as sitk
from contract_inputs import image_of, structure
from medimg_testing import find_data, find_reference_values, reference_cases
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering.filter_response import FilterResponse
from MedImgAnalysisLib.kernels.responses import BORDERS, LAWS, laws_kernel, wavelet_kernels

needs_reference = pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")
FAMILY = "features-IBSI2-filters"
SETTINGS = {
    "ibsi2_1_a_1": {"filter": "mean", "support_voxels": 15, "border": "zero"},
    "ibsi2_1_a_4": {"filter": "mean", "support_voxels": 15, "border": "mirror"},
    "ibsi2_2_a": {"filter": "log", "sigma_mm": 3.0, "border": "zero"},
    "ibsi2_2_b": {"filter": "log", "sigma_mm": 5.0, "border": "mirror"},
    "ibsi2_3_a_1": {"filter": "laws", "kernels": "E5L5S5", "border": "zero"},
    "ibsi2_5_a_1": {"filter": "wavelet", "wavelet": "db2", "band": "LHL", "border": "zero"},
}


@cache
def read(name: str) -> sitk.Image:
    return sitk.Cast(sitk.ReadImage(str(find_data() / name)), sitk.sitkFloat64)


def response(image: sitk.Image, **parameters) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(FilterResponse(**parameters), {"image": image}).outputs["image"])


@needs_reference
@pytest.mark.parametrize("family", [FAMILY])
def test_every_reference_value_of_the_family_is_met(family, figures):
    """Values of our maps where the file tells them, within the difference that it allows for the whole map."""
    good, wrong = 0, []
    for case, entry in reference_cases(family).items():
        found = response(read(entry["inputs"][0]["file"]), **SETTINGS[case])
        consensus = sitk.GetArrayFromImage(read(entry["reference_map"]))
        expected = entry["expected"]
        allowed = expected["max_abs_difference_allowed"]
        places = {place: found[ast.literal_eval(place)] for place in expected["crm_at_zyx"]}
        pairs = [(f"at {place}", places[place], value) for place, value in expected["crm_at_zyx"].items()]
        pairs += [(key, getattr(found, key)(), expected[f"crm_{key}"]) for key in ("min", "max", "mean")]
        pairs += [("largest difference", np.abs(found - consensus).max(), 0.0)]
        good += sum(abs(ours - theirs) <= allowed for _, ours, theirs in pairs)
        wrong += [f"{case} {what}: {a} instead of {b}" for what, a, b in pairs if not abs(a - b) <= allowed]
    reference_checks.met(family, good)
    there = reference_checks.there_are(family)
    figures.say(f"{family}: {good} of {there} reference values met")
    assert wrong == [] and good == there == 48


@needs_reference
def test_maps_are_far_closer_than_what_is_allowed():
    for case, entry in reference_cases(FAMILY).items():
        found = response(read(entry["inputs"][0]["file"]), **SETTINGS[case])
        consensus = sitk.GetArrayFromImage(read(entry["reference_map"]))
        assert np.abs(found - consensus).max() < 2e-3 * np.ptp(consensus), case


def test_borders_are_what_they_are_called():
    image = image_of(np.arange(12.0).reshape(1, 1, 12) + 5)
    expected = {"zero": (0, 5, 6), "nearest": (5, 5, 6), "wrap": (16, 5, 6), "mirror": (5, 5, 6)}
    for border, row in expected.items():
        found = response(image, filter="mean", support_voxels=3, border=border)
        along_j_and_k = 1 / 9 if border == "zero" else 1
        assert found[0, 0, 0] == pytest.approx(np.mean(row) * along_j_and_k), border
    assert set(expected) == set(BORDERS)


def test_slabs_leave_no_trace(monkeypatch):
    from MedImgAnalysisLib.kernels import responses

    image = image_of(structure((20, 24, 28)).astype(np.float64))
    for border in BORDERS:
        whole = response(image, filter="wavelet", band="HLH", level=2, border=border)
        monkeypatch.setattr(responses, "ranges", lambda length, layer: [(n, n + 1) for n in range(length)])
        np.testing.assert_array_equal(response(image, filter="wavelet", band="HLH", level=2, border=border), whole)
        monkeypatch.undo()


def test_laws_kernels_have_unit_norm_and_only_the_level_keeps_a_constant():
    for name in LAWS:
        taps = laws_kernel(name)
        assert np.linalg.norm(taps) == pytest.approx(1)
        assert (abs(taps.sum()) > 1e-12) == name.startswith("L")


@pytest.mark.parametrize("family", ["haar", "db2", "db3", "db4"])
def test_wavelet_filters_are_orthonormal_and_levels_spread_them(family):
    low, high = wavelet_kernels(family, 1)
    assert low.sum() == pytest.approx(np.sqrt(2)) and high.sum() == pytest.approx(0, abs=1e-9)
    assert low @ low == pytest.approx(1) and low @ high == pytest.approx(0, abs=1e-12)
    wide = wavelet_kernels(family, 3)[0]
    assert len(wide) == 4 * (len(low) - 1) + 1
    np.testing.assert_array_equal(wide[::4], low)
    assert np.count_nonzero(wide) == np.count_nonzero(low)


def test_the_bands_of_a_level_keep_the_energy():
    image = image_of(structure((8, 16, 16)).astype(np.float64))
    bands = ("LLL", "LLH", "LHL", "HLL", "LHH", "HLH", "HHL", "HHH")
    energy = sum((response(image, filter="wavelet", band=band, border="wrap") ** 2).sum() for band in bands)
    assert energy == pytest.approx(8 * (sitk.GetArrayFromImage(image) ** 2).sum())


def test_axes_are_named_in_the_order_i_j_k():
    ramp = np.zeros((9, 10, 12)) + np.arange(12.0)
    image = image_of(ramp)
    middle = (4, 5, 6)
    assert abs(response(image, filter="laws", kernels="E3L3L3")[middle]) > 1
    assert response(image, filter="laws", kernels="L3E3L3")[middle] == pytest.approx(0, abs=1e-9)
    assert response(image, filter="wavelet", wavelet="haar", band="HLL")[middle] != pytest.approx(0, abs=1e-3)
    assert response(image, filter="wavelet", wavelet="haar", band="LLH")[middle] == pytest.approx(0, abs=1e-9)


def test_the_laplacian_of_a_parabola_is_the_same_along_every_axis():
    size = (31, 41, 51)
    spacing = np.array((1.5, 1.0, 0.8))
    image = sitk.GetImageFromArray(np.zeros(size))
    image.SetSpacing(spacing[::-1].tolist())
    k, j, i = np.meshgrid(*[(np.arange(n) - n // 2) * s for n, s in zip(size, spacing)], indexing="ij")
    expected = 2 * np.prod(spacing) ** (2 / 3)
    for axis in (k, j, i):
        parabola = sitk.GetImageFromArray(axis**2)
        parabola.CopyInformation(image)
        found = response(parabola, filter="log", sigma_mm=2.0)[15, 20, 25]
        assert found == pytest.approx(expected, rel=1e-2)


def test_two_dimensions_need_two_kernels():
    image = image_of(structure((20, 24)).astype(np.float32))
    assert response(image, filter="laws", kernels="E5L5").shape == (20, 24)
    assert response(image, filter="log").shape == (20, 24)
    with pytest.raises(InputError, match="2-D and kernels names 3 axes"):
        response(image, filter="laws", kernels="E5L5S5")
    with pytest.raises(InputError, match="2-D and band names 3 axes"):
        response(image, filter="wavelet")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"support_voxels": 4}, "support_voxels is 4; it must be an odd number"),
        ({"kernels": "E5X5"}, "kernels is 'E5X5'"),
        ({"kernels": "E5"}, "two or three of L3"),
        ({"band": "LHX"}, "band is 'LHX'"),
    ],
)
def test_wrong_names_are_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        FilterResponse(**parameters)

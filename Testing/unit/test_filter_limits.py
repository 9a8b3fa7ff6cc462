"""Values and spacings at the ends of what numbers can hold are filtered rightly or refused with a reason."""

from __future__ import annotations

import contract_inputs
import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FILTERS, Augment, Bilateral, Gaussian, UnsharpMask
from MedImgAnalysisLib.kernels.gaussian import taps
from MedImgAnalysisLib.kernels.separable import reflected

SQUARING = [kind for kind in FILTERS if kind.squares]


def image(array: np.ndarray, spacing: float = 1.0) -> sitk.Image:
    found = sitk.GetImageFromArray(array)
    found.SetSpacing([spacing] * found.GetDimension())
    return found


def run(kind, given: sitk.Image):
    roles = [role.name for role in kind.inputs() if role.kind == "image" and role.required]
    return execute(kind(), dict.fromkeys(roles, given)).outputs


@pytest.mark.parametrize("factor", [1e20, 1e-24])
@pytest.mark.parametrize("kind", SQUARING, ids=lambda kind: kind.name)
def test_magnitudes_whose_squares_leave_the_numbers_are_refused(kind, factor):
    array = (contract_inputs.structure((9, 10, 11)) * factor).astype(np.float32)
    with pytest.raises(InputError, match="squares leave the range") as caught:
        run(kind, image(array))
    assert caught.value.role in [role.name for role in kind.inputs()]


@pytest.mark.parametrize("factor", [1e14, 1e-14])
@pytest.mark.parametrize("kind", SQUARING, ids=lambda kind: kind.name)
def test_large_and_small_magnitudes_are_filtered_as_any_other(kind, factor):
    array = contract_inputs.structure((9, 10, 11)).astype(np.float32)
    plain, scaled = run(kind, image(array)), run(kind, image((array * factor).astype(np.float32)))
    for name, value in plain.items():
        if isinstance(value, sitk.Image):
            one, other = sitk.GetArrayFromImage(value).astype(float), sitk.GetArrayFromImage(scaled[name]).astype(float)
            assert np.isfinite(other).all()
            assert np.ptp(other) > 0 or np.ptp(one) == 0, "as if there were nothing in it"


@pytest.mark.parametrize("kind", [Gaussian, UnsharpMask], ids=lambda kind: kind.name)
def test_a_kernel_much_wider_than_the_image_gives_its_mean(kind):
    array = contract_inputs.structure((9, 10, 11)).astype(np.float32)
    found = sitk.GetArrayFromImage(run(kind, image(array, 1e-5))["image"])
    amount = UnsharpMask().amount if kind is UnsharpMask else -1.0
    np.testing.assert_allclose(found, array + amount * (array - array.mean()), atol=0.02)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("sigma", [3.0, 40.0])
def test_a_folded_kernel_is_the_sum_of_its_taps(n, sigma):
    weights = taps(sigma)
    radius = len(weights) // 2
    values = np.random.default_rng(0).normal(size=n)
    padded = np.pad(values, radius, mode="symmetric")
    expected = [padded[at : at + len(weights)] @ weights[::-1] for at in range(n)]
    np.testing.assert_allclose(reflected(n, weights) @ values, expected, rtol=1e-9, atol=1e-9)


def test_lengths_that_no_image_has_are_refused_with_the_voxels_they_are():
    array = contract_inputs.structure((6, 7, 8)).astype(np.float32)
    with pytest.raises(InputError, match="is the spacing right"):
        execute(Gaussian(sigma_mm=2.0), {"image": image(array, 1e-6)})
    with pytest.raises(InputError, match="more than 1000000 neighbours"):
        execute(Bilateral(), {"image": image(array, 1e-3)})


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize(
    "kind", [kind for kind in FILTERS if kind.keeps and kind is not Augment], ids=lambda kind: kind.name
)
def test_the_ends_of_integer_types_do_not_wrap(kind, dtype):
    if any(role.kind in ("table", "transform") and role.required for role in kind.inputs()):
        pytest.skip("needs more than images")
    limits = np.iinfo(dtype)
    level = contract_inputs.structure((7, 8, 9)) / 120
    array = np.rint(limits.min + (float(limits.max) - limits.min) * level).astype(dtype)
    array.flat[0], array.flat[-1] = limits.min, limits.max
    try:
        found, real = (run(kind, image(a)) for a in (array, array.astype(np.float64)))
    except InputError as error:
        pytest.skip(str(error))
    for name in kind.keeps:
        if not isinstance(found[name], sitk.Image):
            continue
        one, other = (sitk.GetArrayFromImage(values[name]) for values in (found, real))
        rounding = 1.0 if one.dtype.kind in "iu" else 0.0
        assert np.abs(one.astype(float) - other).max() <= 2e-5 * (float(limits.max) - limits.min) + rounding

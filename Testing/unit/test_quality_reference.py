"""Every reference value of image quality within its tolerance; values are from independent implementations."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
import SimpleITK as sitk
from medimg_testing import agrees, find_data, reference_cases
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.quality.compare_images import CompareImages
from MedImgAnalysisLib.quality.low_contrast import LowContrast
from MedImgAnalysisLib.quality.measure_signal import MeasureSignal
from MedImgAnalysisLib.quality.modulation_transfer import ModulationTransfer
from MedImgAnalysisLib.quality.noise_power_spectrum import NoisePowerSpectrum
from MedImgAnalysisLib.quality.uniformity import Uniformity
from MedImgAnalysisLib.values import Labels

pytestmark = pytest.mark.skipif(not reference_cases("similarity"), reason="the reference values are not here")

COUNTS: Counter[str] = Counter()
FAMILIES = ("similarity", "image-quality", "NPS", "MTF", "full-reference", "low-contrast", "uniformity", "bad-input")


@cache
def read(name: str) -> sitk.Image:
    return sitk.ReadImage(str(find_data() / "metrics" / "inputs" / f"{name}.nrrd"))


def expected(family: str, case: str) -> dict:
    return reference_cases(family)[case]["expected"]


def check(family: str, wanted: dict, found: dict, names: dict[str, str] | None = None) -> None:
    """Compare every entry of `wanted` that has a value; `names` maps reference keys to ours."""
    wrong = []
    for key, entry in wanted.items():
        if not isinstance(entry, dict) or "value" not in entry:
            continue
        own = (names or {}).get(key, key)
        entries = [(key, entry, found[own])]
        if isinstance(entry["value"], list):
            assert len(found[own]) == len(entry["value"])
            entries = [
                (f"{key}[{n}]", {**entry, "value": v}, f) for n, (v, f) in enumerate(zip(entry["value"], found[own]))
            ]
        for label, one, value in entries:
            COUNTS[family] += 1
            # Entries without any tolerance are exact up to rounding.
            if not agrees({"tol_rel": 1e-9, **one}, value):
                wrong.append(f"{label}: {value} instead of {one['value']}")
            if one["value"] is None and one.get("status"):
                assert one["status"] in found["status"]
    assert not wrong, wrong


INFORMATION = {
    "H_a": "entropy_a",
    "H_b": "entropy_b",
    "H_joint": "entropy_joint",
    "mi_nats": "mi",
    "nmi_studholme": "nmi",
}


@pytest.mark.parametrize("bins", [16, 32, 64])
@pytest.mark.parametrize(
    ("name", "test", "masked"),
    [("a_vs_b", "sim01_b", False), ("a_vs_b_in_mask", "sim01_b", True), ("a_vs_noisy", "sim01_a_noisy", False)],
)
def test_similarity_of_two_images(name, test, masked, bins):
    wanted = expected("similarity", "sim01")[name]
    mask = {"mask": read("sim01_mask")} if masked else {}
    row = execute(CompareImages(bins=bins), {"reference": read("sim01_a"), "test": read(test), **mask})
    found = row.outputs["table"].rows[0]
    check("similarity", wanted if bins == 32 else {}, found)
    check("similarity", wanted[f"bins{bins}"], found, INFORMATION)


@pytest.mark.parametrize("case", ["noise", "blur", "offset", "noise_range_2000"])
def test_full_reference_quality(case):
    wanted = expected("full-reference", "fr01")[case]
    inputs = {"reference": read("fr01_ref"), "test": read(f"fr01_{case.split('_')[0]}")}
    given = CompareImages(data_range=wanted["data_range"])
    found = execute(given, inputs).outputs["table"].rows[0]
    own_range = execute(CompareImages(), inputs).outputs["table"].rows[0]
    slices = execute(CompareImages(data_range=wanted["data_range"], ssim="slices"), inputs).outputs["table"].rows[0]
    check(
        "full-reference",
        wanted,
        {
            **found,
            "psnr_given_range": found["psnr"],
            "psnr_ref_range": own_range["psnr"],
            "ssim_gauss11_valid": found["ssim"],
            "ssim_2d_slicewise_mean": slices["ssim"],
        },
    )


def test_noise_of_two_acquisitions_and_of_the_air():
    wanted = expected("image-quality", "iq03")
    roi = Labels.from_masks([("ROI", read("iq03_roi")), ("Air", read("iq03_air"))])
    pair = execute(MeasureSignal(), {"image": read("iq03_a"), "repeat": read("iq03_b"), "regions": roi})
    magnitude = execute(MeasureSignal(), {"image": read("iq03_magnitude"), "regions": roi})
    single = pair.outputs["table"].rows[0]
    two = magnitude.outputs["table"].rows[0]
    found = {
        **{k: two[k] for k in ("rayleigh_sd_air", "rayleigh_sigma", "rayleigh_mean_sigma", "snr_two_region")},
        **{k: single[k] for k in ("snr_nema", "noise_sd_nema")},
        "mean_signal": single["mean_signal_nema"],
        "snr_single_image_a": single["snr_roi"],
        "sd_single_image_a": single["sd"],
    }
    check("image-quality", {k: v for k, v in wanted.items() if k != "noise_mad_db2_image_a"}, found)


def test_bad_input():
    broken, constant = read("bad01_nan_inf"), read("bad02_constant")
    everywhere = Labels.from_masks(
        [("All", sitk.Cast(sitk.Image(broken.GetSize(), sitk.sitkUInt8) + 1, sitk.sitkUInt8))]
    )
    for layer in everywhere.layers:
        layer.CopyInformation(broken)
    wanted = expected("bad-input", "bad01")
    row = execute(MeasureSignal(), {"image": broken, "regions": everywhere}).outputs["table"].rows[0]
    assert row["n_nonfinite"] == wanted["n_nonfinite"]
    ssim = execute(CompareImages(), {"reference": broken, "test": broken}).outputs["table"].rows[0]
    check(
        "bad-input",
        wanted,
        {
            "mean_excluding": row["mean"],
            "sd_excluding": row["sd"],
            "ssim_nps_texture": ssim["ssim"],
            "status": ssim["status"],
        },
    )
    wanted = expected("bad-input", "bad02")
    row = execute(MeasureSignal(), {"image": constant, "regions": everywhere}).outputs["table"].rows[0]
    assert (row["mean"], row["sd"]) == (wanted["mean"], wanted["sd"])
    check("bad-input", {"snr_roi": wanted["snr_roi"]}, row)
    own = execute(CompareImages(), {"reference": constant, "test": constant}).outputs["table"].rows[0]
    check("bad-input", {"ncc_with_itself": wanted["ncc_with_itself"]}, {**own, "ncc_with_itself": own["ncc"]})


@pytest.mark.parametrize("detrend", ["mean", "poly2"])
@pytest.mark.parametrize("case", ["white", "coloured", "coloured_cupping"])
def test_noise_power_of_slices(case, detrend):
    wanted = expected("NPS", "nps01")[f"{case}/{detrend}"]
    outputs = execute(NoisePowerSpectrum(detrend=detrend, roi_voxels=64), {"image": read(f"nps01_{case}")}).outputs
    row, radial = outputs["table"].rows[0], outputs["curves"].series[0]
    names = {"f_mean_2d": "f_mean_nd", "f_mean_radial_1d": "f_av"}
    # Frequency 0 is not part of the curve.
    curve = {key: {**entry, "value": entry["value"][1:]} for key, entry in wanted.items() if key.startswith("radial")}
    assert row["n_rois"] == wanted["n_rois"]
    check(
        "NPS",
        {**wanted, **curve},
        {**row, "radial_freq_first12": radial.x[:11].tolist(), "radial_nps_first12": radial.y[:11].tolist()},
        names,
    )


def test_noise_power_of_volumes():
    wanted = expected("NPS", "nps02")
    given = NoisePowerSpectrum(dimensions="volumes", detrend="mean", roi_voxels=32)
    row = execute(given, {"image": read("nps02_white3d")}).outputs["table"].rows[0]
    assert row["n_rois"] == wanted["n_rois"]
    check(
        "NPS",
        wanted,
        row,
        {
            "integral_over_3d_frequency": "integral",
            "mean_voi_variance": "mean_roi_variance",
            "mean_nps_mm3": "nps_mean_excl_dc",
        },
    )


@pytest.mark.parametrize("case", ["mtf01", "mtf02", "mtf03", "mtf04"])
def test_modulation_transfer(case):
    wanted = expected("MTF", case)
    name = {"mtf01": "edge_point", "mtf02": "edge_aperture", "mtf03": "edge_noise", "mtf04": "disk"}[case]
    given = ModulationTransfer(target="disk" if case == "mtf04" else "edge")
    row = execute(given, {"image": read(f"{case}_{name}")}).outputs["table"].rows[0]
    check("MTF", wanted, row, {"edge_angle_deg_abs": "edge_angle_deg"})


def test_low_contrast():
    wanted = expected("low-contrast", "lc01")
    regions = Labels.from_masks([("Disk", read("lc01_object")), ("Background", read("lc01_background"))])
    row = execute(LowContrast(), {"image": read("lc01_image"), "regions": regions}).outputs["table"].rows[0]
    check("low-contrast", wanted, row)


@pytest.mark.parametrize("given", [Uniformity(roi_radius_mm=10.0, roi_distance_mm=60.0)], ids=["stated geometry"])
def test_uniformity(given):
    wanted = expected("uniformity", "uni01")
    row = execute(given, {"image": read("uni01_image"), "mask": read("uni01_mask")}).outputs["table"].rows[0]
    check("uniformity", wanted, row)

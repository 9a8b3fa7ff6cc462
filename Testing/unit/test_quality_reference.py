"""Every reference value of image quality within its tolerance; values are from independent implementations."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import reference_checks
import SimpleITK as sitk
from medimg_testing import agrees, find_data, reference_cases
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.quality.compare_images import CompareImages
from MedImgAnalysisLib.quality.low_contrast import LowContrast
from MedImgAnalysisLib.quality.measure_mr_quality import MeasureMrQuality
from MedImgAnalysisLib.quality.measure_signal import MeasureSignal
from MedImgAnalysisLib.quality.modulation_transfer import ModulationTransfer
from MedImgAnalysisLib.quality.noise_power_spectrum import NoisePowerSpectrum
from MedImgAnalysisLib.quality.uniformity import Uniformity
from MedImgAnalysisLib.values import Labels

pytestmark = pytest.mark.skipif(not reference_cases("similarity"), reason="the reference values are not here")


@cache
def read(name: str) -> sitk.Image:
    return sitk.ReadImage(str(find_data() / "metrics" / "inputs" / f"{name}.nrrd"))


def row(operation: Operation, **inputs: Any) -> dict[str, Any]:
    return dict(execute(operation, inputs).outputs["table"].rows[0])


class Comparison:
    """Compares found numbers with expected entries of one family and keeps the differences."""

    def __init__(self, family: str) -> None:
        self.family, self.compared, self.wrong = family, 0, []

    def expected(self, case: str) -> dict:
        return reference_cases(self.family)[case]["expected"]

    def check(self, wanted: dict, found: dict, names: dict[str, str] | None = None) -> None:
        """Compare the entries of `wanted` that have a value; `names` maps reference keys to ours."""
        for key, entry in wanted.items():
            if not isinstance(entry, dict):
                entry = {"value": entry, "tol_abs": 0}
            if "value" not in entry:
                continue
            value = found[(names or {}).get(key, key)]
            many = isinstance(entry["value"], list)
            for number, (one, ours) in enumerate(
                zip(entry["value"], value, strict=True) if many else [(entry["value"], value)]
            ):
                self.compared += 1
                # Entries without a tolerance are exact up to rounding.
                if not agrees({"tol_rel": 1e-9, **entry, "value": one}, ours):
                    self.wrong.append(f"{key}[{number}]: {ours} instead of {one}")
            if entry["value"] is None and entry.get("status", "") not in found["status"]:
                self.wrong.append(f"{key}: status {found['status']!r} instead of {entry['status']!r}")


def entries(expected: Any) -> int:
    """Numbers (and undefined ones) in a block of expected values; settings are not among them."""
    if not isinstance(expected, dict):
        return int(isinstance(expected, (int, float)))
    if "value" in expected:
        return len(expected["value"]) if isinstance(expected["value"], list) else 1
    return sum(entries(value) for key, value in expected.items() if key != "data_range")


def similarity(c: Comparison) -> None:
    names = {
        "H_a": "entropy_a",
        "H_b": "entropy_b",
        "H_joint": "entropy_joint",
        "mi_nats": "mi",
        "nmi_studholme": "nmi",
    }
    for case, test, masked in (
        ("a_vs_b", "sim01_b", False),
        ("a_vs_b_in_mask", "sim01_b", True),
        ("a_vs_noisy", "sim01_a_noisy", False),
    ):
        wanted = c.expected("sim01")[case]
        mask = {"mask": read("sim01_mask")} if masked else {}
        for bins in (16, 32, 64):
            found = row(CompareImages(bins=bins), reference=read("sim01_a"), test=read(test), **mask)
            c.check(wanted[f"bins{bins}"], found, names)
        c.check(wanted, found)


def full_reference(c: Comparison) -> None:
    for case, wanted in c.expected("fr01").items():
        inputs = {"reference": read("fr01_ref"), "test": read(f"fr01_{case.split('_')[0]}")}
        found = row(CompareImages(data_range=wanted["data_range"]), **inputs)
        slices = row(CompareImages(data_range=wanted["data_range"], ssim="slices"), **inputs)
        more = {
            "psnr_given_range": found["psnr"],
            "psnr_ref_range": row(CompareImages(), **inputs)["psnr"],
            "ssim_gauss11_valid": found["ssim"],
            "ssim_2d_slicewise_mean": slices["ssim"],
        }
        c.check({k: v for k, v in wanted.items() if k != "data_range"}, {**found, **more})


def image_quality(c: Comparison) -> None:
    regions = Labels.from_masks([("ROI", read("iq03_roi")), ("Air", read("iq03_air"))])
    pair = row(MeasureSignal(), image=read("iq03_a"), repeat=read("iq03_b"), regions=regions)
    magnitude = row(MeasureSignal(), image=read("iq03_magnitude"), regions=regions)
    from_air = {key: value for key, value in magnitude.items() if key.startswith("rayleigh") or key == "snr_two_region"}
    wavelet = row(MeasureMrQuality(), image=read("iq03_a"))["noise_mad"]
    names = {
        "mean_signal": "mean_signal_nema",
        "snr_single_image_a": "snr_roi",
        "sd_single_image_a": "sd",
        "noise_mad_db2_image_a": "noise_mad",
    }
    c.check(c.expected("iq03"), {**pair, **from_air, "noise_mad": wavelet}, names)


def noise_power(c: Comparison) -> None:
    names = {"f_mean_2d": "f_mean_nd", "f_mean_radial_1d": "f_av"}
    for case, wanted in c.expected("nps01").items():
        image, detrend = case.split("/")
        outputs = execute(NoisePowerSpectrum(detrend=detrend, roi_voxels=64), {"image": read(f"nps01_{image}")}).outputs
        radial = outputs["curves"].series[0]
        # Frequency 0 is no part of the curve; detrending leaves nothing there.
        first = {f"radial_{key}_first12": [0.0, *y[:11].tolist()] for key, y in (("freq", radial.x), ("nps", radial.y))}
        c.check(wanted, {**outputs["table"].rows[0], **first}, names)
    given = NoisePowerSpectrum(dimensions="volumes", detrend="mean", roi_voxels=32)
    names = {
        "integral_over_3d_frequency": "integral",
        "mean_voi_variance": "mean_roi_variance",
        "mean_nps_mm3": "nps_mean_excl_dc",
    }
    c.check(c.expected("nps02"), row(given, image=read("nps02_white3d")), names)


def transfer(c: Comparison) -> None:
    files = {"mtf01": "edge_point", "mtf02": "edge_aperture", "mtf03": "edge_noise", "mtf04": "disk"}
    for case, file in files.items():
        found = row(ModulationTransfer(target=file.split("_")[0]), image=read(f"{case}_{file}"))
        c.check(c.expected(case), found, {"edge_angle_deg_abs": "edge_angle_deg"})


def low_contrast(c: Comparison) -> None:
    regions = Labels.from_masks([("Disk", read("lc01_object")), ("Background", read("lc01_background"))])
    c.check(c.expected("lc01"), row(LowContrast(), image=read("lc01_image"), regions=regions))


def uniformity(c: Comparison) -> None:
    given = Uniformity(roi_radius_mm=10.0, roi_distance_mm=60.0)
    c.check(c.expected("uni01"), row(given, image=read("uni01_image"), mask=read("uni01_mask")))


def bad_input(c: Comparison) -> None:
    broken, constant = read("bad01_nan_inf"), read("bad02_constant")
    everywhere = Labels.from_masks([("All", Grid.of(broken).blank() + 1)])
    signal = row(MeasureSignal(), image=broken, regions=everywhere)
    compared = row(CompareImages(), reference=broken, test=broken)
    power = row(NoisePowerSpectrum(roi_voxels=8), image=broken)
    assert power["status"] == "nonfinite_input" and power["integral"] != power["integral"]
    names = {"mean_excluding": "mean", "sd_excluding": "sd", "ssim_nps_texture": "ssim"}
    c.check(c.expected("bad01"), {**signal, "ssim": compared["ssim"], "status": compared["status"]}, names)
    signal = row(MeasureSignal(), image=constant, regions=everywhere)
    signal["ncc"] = row(CompareImages(), reference=constant, test=constant)["ncc"]
    signal["entropy"] = row(MeasureMrQuality(), image=constant)["entropy"]
    c.check(c.expected("bad02"), signal, {"ncc_with_itself": "ncc"})


FAMILIES = {
    "similarity": similarity,
    "full-reference": full_reference,
    "image-quality": image_quality,
    "NPS": noise_power,
    "MTF": transfer,
    "low-contrast": low_contrast,
    "uniformity": uniformity,
    "bad-input": bad_input,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_reference_value_of_the_family_is_met(family, figures):
    comparison = Comparison(family)
    FAMILIES[family](comparison)
    there = sum(entries(case["expected"]) for case in reference_cases(family).values())
    figures.say(f"{family}: {comparison.compared - len(comparison.wrong)} of {there} reference values met")
    reference_checks.met(family, comparison.compared - len(comparison.wrong))
    assert comparison.wrong == []
    assert comparison.compared == there

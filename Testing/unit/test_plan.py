"""What a run needs is known before it starts; what does not fit goes in slabs or is refused with numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import examples, image_of, structure
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import (
    DENOISE,
    EDGES,
    ENHANCE,
    MORPHOLOGY,
    Canny,
    Gaussian,
    Median,
    NonlocalMeans,
    NormalisePercentile,
    Resample,
    Sobel,
)
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.plan import Extent, Plan, plan, plan_for, time_text
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.rates_table import SECONDS_PER_MEGAVOXEL

SIZE = (48, 40, 44)
CT = Extent(Grid((512, 512, 600), (0.7, 0.7, 1.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)), 1, 2, False)


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path, monkeypatch):
    """No runs of other tests, so that the listed rates count."""
    monkeypatch.setenv("MEDIMG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def image():
    return image_of(structure(SIZE).astype(np.int16))


def free(monkeypatch, size: float) -> None:
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", str(size))


def test_memory_is_the_factor_times_the_image_in_the_working_type(image, monkeypatch):
    free(monkeypatch, 1e9)
    for dtype, each in ((np.int16, 4), (np.float32, 4), (np.int32, 8), (np.float64, 8)):
        found = plan(Median(), {"image": image_of(structure(SIZE).astype(dtype))})
        assert found.peak_bytes == Median.memory_factor * np.prod(SIZE) * each
    assert found.slabs == 1 and not found.problem


def test_a_mask_makes_the_work_smaller(image, monkeypatch):
    free(monkeypatch, 1e9)
    inside = np.zeros(SIZE, np.uint8)
    inside[10:20, 10:20, 10:20] = 1
    inputs = {"image": image, "mask": image_like(inside, image)}
    whole, part = plan(NonlocalMeans(), {"image": image}), plan(NonlocalMeans(), inputs)
    assert part.peak_bytes < whole.peak_bytes and part.seconds < 0.5 * whole.seconds


@pytest.mark.parametrize(
    "operation",
    [
        Median(),
        Gaussian(axis_sigmas_mm=(1.0, 1.0, 0.7)),
        NormalisePercentile(),
        NonlocalMeans(search_radius_voxels=1),
        Sobel(),
    ],
    ids=lambda operation: operation.name,
)
def test_what_would_not_fit_goes_in_slabs_and_gives_the_same(image, monkeypatch, operation):
    whole = execute(operation, {"image": image})
    need = plan(operation, {"image": image}).peak_bytes
    free(monkeypatch, need / 0.7 * 0.98)
    planned = plan(operation, {"image": image})
    assert planned.slabs > 1 and planned.peak_bytes <= 0.7 * planned.free_bytes and planned.whole_bytes == need
    said = []
    tiled = execute(operation, {"image": image}, progress=Progress(on_warning=said.append))
    assert any("slabs" in sentence for sentence in said) and "slabs" in " ".join(tiled.record["warnings"])
    for role, value in whole.outputs.items():
        a, b = sitk.GetArrayFromImage(value), sitk.GetArrayFromImage(tiled.outputs[role])
        assert a.dtype == b.dtype and Grid.of(value) == Grid.of(tiled.outputs[role])
        if operation.name == "gaussian":
            np.testing.assert_allclose(b, a, rtol=0, atol=4e-6 * np.abs(a).max())
        else:
            np.testing.assert_array_equal(b, a)


def test_what_cannot_fit_is_refused_with_numbers_and_advice(image, monkeypatch):
    free(monkeypatch, 3e5)
    with pytest.raises(InputError) as caught:
        execute(Canny(), {"image": image})
    text = str(caught.value)
    assert "canny needs" in text and "0.3 MB" in text and "44 x 40 x 48" in text
    assert "Crop the image" in text and "shrink it" in text
    assert caught.value.data["peak_bytes"] > caught.value.data["free_bytes"] == 300000
    with pytest.raises(InputError, match="even slab by slab"):
        execute(Median(), {"image": image})


def test_a_system_that_does_not_tell_refuses_nothing(image, monkeypatch):
    free(monkeypatch, float("nan"))
    found = plan(Median(), {"image": image})
    assert found.free_bytes is None and found.slabs == 1 and " of " not in found.text()


def test_a_large_ct_goes_through_on_a_computer_with_24_gb(monkeypatch):
    free(monkeypatch, 20e9)
    for name in ("gaussian", "median", "wavelet", "total_variation", "normalise_percentile"):
        found = plan_for(catalog.find(name)(), [CT])
        assert not found.problem and found.peak_bytes < 14e9, name
    free(monkeypatch, 2.2e9)
    found = plan_for(Median(), [CT])
    assert found.slabs > 1 and found.peak_bytes < 2.2e9


def test_segmentations_are_worked_on_in_boxes_and_never_refused(monkeypatch):
    free(monkeypatch, 1000)
    operation = catalog.find("compare_segmentations")
    inputs = examples(operation)
    assert not plan(operation(), inputs).problem
    assert execute(operation(), inputs).outputs["table"].rows


def test_the_plan_is_one_line():
    found = Plan(1.4e9, 1.4e9, int(9.8e9), 12.2, True, 0, 1, "")
    assert found.text() == "about 12 s, 1.4 GB of 9.8 GB free"
    assert Plan(1.4e9, 4e9, int(2e9), None, False, 10, 4, "").text() == "1.4 GB of 2.0 GB free, in 4 slabs"
    assert [time_text(s) for s in (0.01, 3.21, 42, 300, 7200)] == ["0.1 s", "3.2 s", "42 s", "5 min", "2.0 h"]


def test_the_table_knows_the_filters_and_nothing_else():
    assert set(SECONDS_PER_MEGAVOXEL) <= set(catalog.OPERATIONS)
    for group in (DENOISE, EDGES, ENHANCE, MORPHOLOGY):
        assert {operation.name for operation in group} <= set(SECONDS_PER_MEGAVOXEL)
    assert plan_for(Gaussian(), [CT]).seconds > 0


def test_a_finer_grid_needs_more(monkeypatch):
    free(monkeypatch, 100e9)
    same = plan_for(Resample(spacing_mm=(0.7, 0.7, 1.0)), [CT])
    fine = plan_for(Resample(spacing_mm=(0.35, 0.35, 0.5)), [CT])
    assert fine.peak_bytes == pytest.approx(8 * same.peak_bytes, rel=0.01) and fine.seconds > 4 * same.seconds


def test_the_command_line_tells_the_plan_and_runs_nothing(image, tmp_path, monkeypatch, capsys):
    free(monkeypatch, 1e9)
    path = tmp_path / "image.nrrd"
    sitk.WriteImage(image, str(path))
    out = tmp_path / "out.nrrd"
    assert main(["apply", "median", "--in", str(path), "--out", str(out), "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["plan"]
    assert told["free_bytes"] == 1e9 and told["slabs"] == 1 and told["peak_bytes"] > 0 and not out.exists()
    assert main(["apply", "median", "--in", str(path), "--plan"]) == 0
    assert "of 1.0 GB free" in capsys.readouterr().out
    free(monkeypatch, 1e5)
    assert main(["apply", "canny", "--in", str(path), "--plan", "--json"]) == 0
    assert "Crop the image" in json.loads(capsys.readouterr().out)["plan"]["problem"]


MEASURED = ("gaussian", "median", "sobel", "window", "unsharp_mask")


@pytest.mark.parametrize("name", MEASURED)
def test_declared_memory_is_no_less_than_measured(name):
    """A few fast filters; Testing/benchmarks/memory.py has all of them in processes of their own."""
    import subprocess
    import sys
    from pathlib import Path

    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is measured on Linux")
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "memory.py"
    command = [sys.executable, str(script), name, "--one", "--type", "float32", "--size", "160"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["peak"] <= found["declared"] + 0.5, "the process itself needs some megabytes"

"""Memory below six times the image, and a stop within half a second, for whatever works on all voxels."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Labels

CASES = [
    ("threshold", {"lower": 60.0}),
    ("auto_threshold", {"method": "huang", "bins": 4096}),
    ("multi_otsu", {"background": True}),
    ("local_threshold", {"method": "sauvola", "window_mm": 30.0}),
    ("hysteresis_threshold", {}),
    ("clean_segments", {"opening_mm": 2.0, "closing_mm": 3.0, "smoothing_mm": 1.5, "keep_largest": 1}),
    ("split_components", {"segments": "Ball", "split_depth_mm": 1.0}),
    ("combine_segments", {"margin_mm": 6.0}),
    ("propagate_between_slices", {"segments": "Drawn"}),
    ("measure_segments", {}),
]


def inputs_of(name: str, side: int) -> dict:
    """A bright ball with holes like salt in noise, and the same ball on every eighth slice."""
    k, j, i = (np.linspace(-1, 1, side).reshape([-1 if n == axis else 1 for n in range(3)]) for axis in range(3))
    noise = np.random.default_rng(1).normal(0, 20, (side,) * 3).astype(np.float32)
    ball = k**2 + j**2 + i**2 < 0.8
    image = sitk.GetImageFromArray(noise + np.float32(100) * ball)
    drawn = ball & (np.arange(side) % 8 == 0)[:, None, None]
    masks = {"Ball": ball & (noise > -40), "Drawn": drawn}
    pictures = [(n, sitk.GetImageFromArray(mask.astype(np.uint8))) for n, mask in masks.items()]
    given = {"image": image, "labels": Labels.from_masks(pictures)}
    return {role.name: given[role.kind] for role in catalog.find(name).inputs() if role.kind in given}


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_memory_stays_below_six_times_the_image(name, parameters):
    side = 180
    inputs = inputs_of(name, side)
    operation = catalog.find(name)(**parameters)
    # What numpy holds; ITK holds one map of distances more where one is made.
    tracemalloc.start()
    try:
        operation.run(**inputs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * 4 * side**3


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_a_stop_at_any_time_comes_within_half_a_second(name, parameters):
    inputs = inputs_of(name, 140)
    operation = catalog.find(name)(**parameters)
    began = time.perf_counter()
    operation.run(**inputs)
    whole = time.perf_counter() - began
    for share in (0.2, 0.7):
        progress, asked = Progress(), []
        timer = threading.Timer(share * whole, lambda a=asked, p=progress: (a.append(time.perf_counter()), p.cancel()))
        timer.start()
        try:
            operation.run(**inputs, progress=progress)
        except Cancelled:
            assert time.perf_counter() - asked[0] < 0.5
        else:
            assert not asked or time.perf_counter() - asked[0] < 0.5
        finally:
            timer.cancel()

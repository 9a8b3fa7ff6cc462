"""A part of the image, with the halo that an operation declares, gives there what the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import examples, image_of, structure
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.execution import prepare
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.slabs import Slab, cut, grid_of, not_local, not_shown, run_slab
from MedImgAnalysisLib.values import Labels

QUIET = Progress(on_warning=lambda sentence: None)
SIZE = (34, 38, 42)
GAUSSIAN = {"gaussian", "unsharp_mask", "gradient_magnitude", "laplacian_of_gaussian", "zero_crossings",
            "subtract_background", "vesselness"}  # fmt: skip
"""Their kernels are matrix products, whose sums the matrix library rounds by shape."""
ROUNDING = {"vesselness": 1e-4, "subtract_background": 2e-5}
"""Of the largest value; eigenvalues of nearly equal numbers and the difference of an image from its background lose
digits."""
LOCAL = sorted(
    name
    for name, op in catalog.OPERATIONS.items()
    if any(role.kind == "image" for role in op.inputs()) and not not_local(op, op(), Grid.of(sitk.Image(9, 9, 9, 1)))
)
SHOWN = sorted(
    name
    for name, op in catalog.OPERATIONS.items()
    if name not in LOCAL
    and any(role.kind == "image" for role in op.inputs())
    and not not_shown(op, op(), Grid.of(sitk.Image(9, 9, 9, 1)))
)
"""Operations of which a part can be shown, though their tables need the whole image."""
OTHERS = [
    {},
    {"lower": None, "upper": 200.0},
    {"lower": 150.0, "upper": 350.0},
    {"method": "triangle", "bins": 64},
    {"side": "dark"},
    {"classes": 2, "background": True},
    {"classes": 5, "bins": 100},
    {"method": "gaussian", "window_mm": 12.0},
    {"method": "sauvola", "window_mm": 9.0, "side": "dark"},
    {"method": "niblack", "window_mm": 15.0, "k": 0.4},
    {"sigma_mm": 2.7},
    {"radius_mm": 4.0, "shape": "box"},
    {"radius_mm": 5.0, "method": "smoothing"},
    {"radius_mm": 6.5, "structures": "dark"},
    {"action": "gradient", "radius_mm": 3.0},
    {"action": "close", "radius_mm": 4.2},
    {"radius_voxels": 2},
    {"radius_voxels": 1, "in_plane": True},
    {"in_plane": True, "search_radius_voxels": 2},
    {"noise": 3.0, "patch_radius_voxels": 2, "search_radius_voxels": 1},
    {"iterations": 2},
    {"sigma_mm": 0.6, "range_sigma": 9.0},
    {"sigma_mm": 0.7},
    {"sigma_mm": 1.7, "amount": 2.0, "threshold": 3.0},
    {"sigma_mm": 1.2, "min_gradient": 0.5},
    {"measure": "sato", "largest_mm": 2.0},
    {"measure": "frangi", "contrast": 3.0, "structures": "dark"},
    {"low_percent": 20.0, "high_percent": 70.0},
]


def inputs_of(name: str, dtype: type, masked: bool) -> dict:
    op = catalog.find(name)
    values = examples(op, masked)
    ground = image_of((structure(SIZE) * 3.7).astype(dtype))
    inside = np.zeros(SIZE, np.uint8)
    inside[5:25, 9:30, 11:35] = 1
    inside[12, 12, 12] = 0
    for number, role in enumerate(op.inputs()):
        if role.kind == "image" and role.name in values:
            values[role.name] = image_of((structure(SIZE, seed=number + 1) * 3.7).astype(dtype))
        elif role.kind == "mask" and role.name in values:
            values[role.name] = image_like(inside, ground)
    return values


def operations(name: str) -> list:
    """The operation with several sets of parameters that it has."""
    op = catalog.find(name)
    known = {parameter.name for parameter in op.parameters()}
    chosen = [op()] + [op.from_parameters(values) for values in OTHERS if values and set(values) <= known]
    if name == "bilateral":  # slow with a wide Gaussian
        chosen = [one for one in chosen if one.sigma_mm <= 1]
    return [one for one in chosen if one.halo(Grid.of(sitk.Image(9, 9, 9, 1))) is not None]


@pytest.mark.parametrize("name", sorted({*LOCAL, *SHOWN, "vesselness"}))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_a_slab_with_the_declared_halo_gives_what_the_whole_image_gives(name, data):
    operation = data.draw(st.sampled_from(operations(name)), "operation")
    dtype = data.draw(st.sampled_from([np.int16, np.float32, np.float64]), "type")
    inputs = prepare(operation, inputs_of(name, dtype, data.draw(st.booleans(), "mask") or name == "apply_mask"), QUIET)
    grid = grid_of(inputs, type(operation))
    whole = operation.named(operation.run(**inputs, progress=QUIET))
    numbers = operation.whole(inputs, QUIET)
    for axis in range(3):
        start = data.draw(st.integers(0, grid.size[axis] - 1), "start")
        stop = data.draw(st.integers(start + 1, min(start + 5, grid.size[axis])), "stop")
        slab = Slab.of(operation, grid, axis, start, stop)
        found = run_slab(operation, inputs, slab, numbers, QUIET)
        for role, value in whole.items():
            if isinstance(value, Labels):
                same_segments(found[role], value, axis, start, stop)
            if not isinstance(value, sitk.Image):
                assert isinstance(value, Labels) or found[role] is None
                continue
            expected = cut(value, axis, start, stop)
            assert Grid.of(found[role]).same_as(Grid.of(expected)) and found[role].GetPixelID() == expected.GetPixelID()
            a, b = sitk.GetArrayFromImage(expected), sitk.GetArrayFromImage(found[role])
            if name in GAUSSIAN and a.dtype.kind == "f":
                scale = max(1e-6, float(np.abs(sitk.GetArrayViewFromImage(value)).max()))
                np.testing.assert_allclose(b, a, rtol=0, atol=ROUNDING.get(name, 4e-6) * scale)
            else:
                np.testing.assert_array_equal(b, a)


def same_segments(found: Labels, whole: Labels, axis: int, start: int, stop: int) -> None:
    """Whether all segments of a part are there, and are what the whole ones are in it."""
    assert found.segments == whole.segments
    for segment in whole.segments:
        expected = cut(whole.mask(segment), axis, start, stop)
        mask = found.mask(segment)
        assert Grid.of(mask).same_as(Grid.of(expected))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(expected))


def test_thresholds_can_be_shown_of_a_part_but_are_not_run_in_parts():
    assert SHOWN == ["auto_threshold", "local_threshold", "multi_otsu", "snake_2d", "threshold"]
    grid = Grid.of(sitk.Image(9, 9, 9, 1))
    for name in SHOWN:
        assert not_local(catalog.find(name), catalog.find(name)(), grid)


def test_operations_that_need_the_whole_image_say_why():
    grid = Grid.of(sitk.Image(9, 9, 9, 1))
    for name, op in catalog.OPERATIONS.items():
        if name in LOCAL or not any(role.kind == "image" for role in op.inputs()):
            continue
        assert not_local(op, op(), grid).startswith(op.title) and not_local(op, op(), grid).endswith(".")
    canny = catalog.find("canny")
    assert "followed through the whole image" in not_local(canny, canny(), grid)


def test_an_empty_part_of_a_mask_leaves_the_slice_as_it_is():
    operation = catalog.find("median")()
    inputs = prepare(operation, inputs_of("median", np.int16, True), QUIET)
    slab = Slab.of(operation, grid_of(inputs, type(operation)), 2, 31, 33)
    found = run_slab(operation, inputs, slab, operation.whole(inputs, QUIET), QUIET)["image"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(inputs["image"])[31:33])

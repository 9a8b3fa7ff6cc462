"""What every operation of the catalog must hold; a new one is tested by being in the catalog."""

from __future__ import annotations

import functools
import itertools
import threading
import time

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import SEEDS, SHARES, SIZE_KJI, examples, image_of, positions, seeds, size_of, structure
from medimg_testing import oblique_grid
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.docstrings import summary
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.values import Frames, Labels, Measurements

ALL = sorted(catalog.OPERATIONS)
WITH_IMAGE = [name for name in ALL if any(role.kind == "image" for role in catalog.find(name).inputs())]
WITH_MASK = [name for name in ALL if any(role.kind == "mask" and not role.many for role in catalog.find(name).inputs())]
TYPES = {
    sitk.sitkUInt8: np.uint8,
    sitk.sitkInt8: np.int8,
    sitk.sitkUInt16: np.uint16,
    sitk.sitkInt16: np.int16,
    sitk.sitkUInt32: np.uint32,
    sitk.sitkInt32: np.int32,
    sitk.sitkUInt64: np.uint64,
    sitk.sitkInt64: np.int64,
    sitk.sitkFloat32: np.float32,
    sitk.sitkFloat64: np.float64,
}


def images_replaced(name: str, make, optional: bool = False) -> dict:
    """The example inputs of an operation with every image replaced by `make(number)`, and seeds to match."""
    values = examples(catalog.find(name), optional)
    for number, role in enumerate(catalog.find(name).inputs()):
        if (role.name in SEEDS or role.name in ("markers", "curve")) and role.name in values and "image" in values:
            values[role.name] = seeds(role, values["image"])
        if role.kind == "image" and role.name in values:
            values[role.name] = [make(number), make(number + 10)] if role.many else make(number)
            if "positions" in values and not role.many:
                values["positions"] = positions(values[role.name].GetSize()[-1])
    return values


def images_in(outputs: dict) -> list[sitk.Image]:
    return [value for value in outputs.values() if isinstance(value, sitk.Image)]


@pytest.mark.parametrize("name", ALL)
def test_name_title_group_and_roles_are_there(name):
    operation = catalog.find(name)
    assert operation.name == name and name.replace("_", "").isalnum() and name == name.lower()
    assert operation.title and operation.group
    assert operation.inputs() and operation.outputs()
    assert len({role.name for role in operation.inputs()} | {p.name for p in operation.parameters()}) == len(
        operation.inputs()
    ) + len(operation.parameters()), "a role and a parameter share a name"


@pytest.mark.parametrize("name", ALL)
def test_docstring_says_what_when_and_every_part(name):
    operation = catalog.find(name)
    assert summary(operation.__doc__).endswith(".")
    for part in (*operation.parameters(), *operation.inputs(), *operation.outputs()):
        assert part.description.endswith("."), f"{name}: {part.name} needs a sentence in the docstring"


@pytest.mark.parametrize("name", ALL)
def test_lengths_carry_their_unit_in_the_name(name):
    for parameter in catalog.find(name).parameters():
        if parameter.unit in ("mm", "ml"):
            assert parameter.name.endswith("_" + parameter.unit)
        if parameter.unit == "voxels":
            assert parameter.name.endswith("_voxels")


@pytest.mark.parametrize("name", ALL)
def test_schema_is_valid_and_accepts_defaults_and_presets(name):
    operation = catalog.find(name)
    schema = operation.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(operation().values(), schema)
    for preset in operation.presets:
        made = operation.preset(preset)
        jsonschema.validate(made.values(), schema)
        assert operation.from_parameters(made.values()) == made


@pytest.mark.parametrize("name", ALL)
def test_inputs_stay_untouched_and_a_repeated_run_is_the_same(name):
    operation = catalog.find(name)
    inputs = examples(operation, optional=True)
    before = {role: fingerprint(value) for role, value in inputs.items()}
    first = execute(operation(), inputs)
    again = execute(operation.from_parameters(first.record["parameters"]), inputs)
    assert {role: fingerprint(value) for role, value in inputs.items()} == before
    assert {role: entry["sha256"] for role, entry in first.record["inputs"].items()} == before
    assert first.record["outputs"] == again.record["outputs"] or not operation().exact


@pytest.mark.parametrize("name", ALL)
def test_outputs_have_the_kind_they_announce(name):
    operation = catalog.find(name)
    outputs = execute(operation(), examples(operation)).outputs
    assert list(outputs) == [role.name for role in operation.outputs()]
    for role in operation.outputs():
        value = outputs[role.name]
        if value is None and not role.required:
            continue
        if role.several:
            assert isinstance(value, Frames)
            value = value.values[0]
        if role.kind in ("image", "mask", "frames"):
            assert isinstance(value, sitk.Image)
        elif role.kind == "transform":
            assert isinstance(value, sitk.Transform)
        else:
            assert value.kind == role.kind
        if role.kind == "table":
            check_table(value)


def check_table(table: Measurements) -> None:
    """Every column has a title and a description; every undefined number has a status."""
    assert all(column.title and column.description for column in table.columns)
    for row in table.rows:
        undefined = [c.key for c in table.columns if isinstance(row.get(c.key), float) and not np.isfinite(row[c.key])]
        assert not undefined or row.get("status"), f"{undefined} undefined without a status"


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_image_results_keep_the_oblique_grid_of_the_first_image(name):
    operation = catalog.find(name)
    inputs = examples(operation)
    first = next(inputs[role.name] for role in operation.inputs() if role.kind == "image")
    first = first[0] if isinstance(first, list) else first
    outputs = execute(operation(), inputs).outputs
    for value in outputs.values():
        found = Grid.of(value) if isinstance(value, sitk.Image) else value.grid if isinstance(value, Labels) else None
        if found is None:
            continue
        if operation.keeps_grid:
            assert found.same_as(Grid.of(first))
        else:
            # The axes may be renamed or turned round, and the voxels be others, but the lattice is not turned.
            turns = np.abs(np.reshape(found.direction, (3, 3)).T @ np.reshape(first.GetDirection(), (3, 3)))
            np.testing.assert_allclose(np.sort(turns.ravel()), [0] * 6 + [1] * 3, atol=1e-9)
            assert found.overlaps(Grid.of(first))


@functools.cache
def result_of_type(name, dtype):
    size = size_of(SHARES.get(name, 1.0))
    made = images_replaced(name, lambda number: image_of(structure(size, seed=number + 1).astype(dtype)))
    return execute(catalog.find(name)(), made).outputs


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: TYPES[kind].__name__)
@pytest.mark.parametrize("name", WITH_IMAGE)
def test_every_pixel_type_gives_the_result_of_float64(name, kind):
    operation = catalog.find(name)
    expected, found = result_of_type(name, np.float64), result_of_type(name, TYPES[kind])
    for role in operation.outputs():
        if found[role.name] is None:
            assert not role.required and expected[role.name] is None
        elif role.kind in ("image", "mask"):
            a, b = (sitk.GetArrayFromImage(values[role.name]).astype(float) for values in (expected, found))
            whole = "float" not in found[role.name].GetPixelIDTypeAsString()
            assert np.abs(a - b).max() <= (0.51 if whole else 1e-3)
        elif role.kind == "labels":
            assert fingerprint(expected[role.name]) == fingerprint(found[role.name])


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_vector_images_are_filtered_by_component_or_refused(name):
    operation = catalog.find(name)
    rgb = np.stack([structure(seed=s) for s in (1, 2, 3)], axis=-1).astype(np.uint8)
    vector = oblique_grid(sitk.GetImageFromArray(rgb, isVector=True))
    inputs = images_replaced(name, lambda number: vector)
    if not operation.vector:
        with pytest.raises(InputError, match="one number per voxel"):
            execute(operation(), inputs)
        return
    outputs = execute(operation(), inputs).outputs
    for component in range(3):
        single = sitk.VectorIndexSelectionCast(vector, component)
        alone = execute(operation(), images_replaced(name, lambda number, single=single: single)).outputs
        for whole, part in zip(images_in(outputs), images_in(alone), strict=True):
            np.testing.assert_allclose(sitk.GetArrayFromImage(whole)[..., component], sitk.GetArrayFromImage(part))


@pytest.mark.parametrize("name", ALL)
def test_two_dimensions_work_or_are_refused(name):
    operation = catalog.find(name)
    try:
        outputs = execute(operation(), examples(operation, dimension=2)).outputs
    except InputError as error:
        assert "2-D" in str(error)
        return
    for image in images_in(outputs):
        assert image.GetDimension() == 2
        assert np.isfinite(sitk.GetArrayFromImage(image)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", WITH_IMAGE)
def test_nonfinite_voxels_are_refused_with_their_number_or_kept_out(name, value):
    operation = catalog.find(name)

    def broken(number):
        array = structure(seed=number + 1).astype(np.float32)
        array[2:4, 3, 3] = value
        return image_of(array)

    inputs = images_replaced(name, broken)
    if operation.finite_only:
        with pytest.raises(InputError, match="2 voxels that are NaN or infinite"):
            execute(operation(), inputs)
    else:
        try:
            result = execute(operation(), inputs)
        except InputError as error:
            assert "2 voxels" in str(error)
            return
        assert result.warnings
        assert all(np.isfinite(sitk.GetArrayFromImage(image)).all() for image in images_in(result.outputs))


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_constant_images_give_finite_numbers_or_a_reason(name):
    operation = catalog.find(name)
    inputs = images_replaced(name, lambda number: image_of(np.full(SIZE_KJI, -1000, np.int16)))
    try:
        outputs = execute(operation(), inputs).outputs
    except InputError as error:
        assert "constant" in str(error)
        return
    for role, image in outputs.items():
        if isinstance(image, sitk.Image):
            values = sitk.GetArrayFromImage(image)
            # What still shows the quantity of the input keeps its value; a derivative or a difference is 0 everywhere.
            np.testing.assert_allclose(values, -1000 if role in operation.keeps else values.flat[0], rtol=1e-6)
            assert np.isfinite(values).all()


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_one_voxel_and_one_slice_images_work_or_give_a_reason(name):
    operation = catalog.find(name)
    for size in ((1, 1, 1), (1, 20, 24)):
        array = structure((16, 20, 24))[: size[0], : size[1], : size[2]].astype(np.float32)
        try:
            outputs = execute(operation(), images_replaced(name, lambda number, a=array: image_of(a))).outputs
        except InputError as error:
            assert len(str(error)) > 20
            continue
        assert all(np.isfinite(sitk.GetArrayFromImage(image)).all() for image in images_in(outputs))


@pytest.mark.parametrize("name", WITH_MASK)
def test_an_empty_mask_is_refused(name):
    operation = catalog.find(name)
    inputs = examples(operation, optional=True)
    for role in operation.inputs():
        if role.kind == "mask" and not role.many:
            wrong = {**inputs, role.name: Grid.of(inputs[role.name]).blank()}
            with pytest.raises(InputError, match="empty"):
                execute(operation(), wrong)


@pytest.mark.parametrize("name", WITH_MASK)
def test_a_mask_beside_the_image_is_refused_and_one_on_another_grid_is_resampled(name):
    operation = catalog.find(name)
    inputs = examples(operation, optional=True)
    role = next(role for role in operation.inputs() if role.kind == "mask" and not role.many)
    far = sitk.Image(inputs[role.name])
    far.SetOrigin((5000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="overlap"):
        execute(operation(), {**inputs, role.name: far})
    fine = sitk.Expand(inputs[role.name], [2, 2, 1], sitk.sitkNearestNeighbor)
    result = execute(operation(), {**inputs, role.name: fine})
    assert any("resampled" in warning for warning in result.warnings)


@pytest.mark.parametrize("name", ALL)
def test_a_missing_and_an_unknown_input_are_named(name):
    operation = catalog.find(name)
    inputs = examples(operation)
    required = next((role.name for role in operation.inputs() if role.required), None)
    if required:
        with pytest.raises(InputError, match=required):
            execute(operation(), {k: v for k, v in inputs.items() if k != required})
    with pytest.raises(InputError, match="no input 'wrong'"):
        execute(operation(), {**inputs, "wrong": 1})


@pytest.mark.parametrize("name", ALL)
def test_a_cancel_before_the_start_does_nothing(name):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        execute(catalog.find(name)(), examples(catalog.find(name)), progress=progress)


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_a_cancel_in_the_middle_stops_within_half_a_second(name):
    operation = catalog.find(name)
    size = (160, 160, 160)
    big = [image_of(structure(size, seed=s).astype(np.float32)) for s in (1, 2)]
    inputs = images_replaced(name, lambda number: big[number % 2])
    progress = Progress()
    asked: list[float] = []
    timer = threading.Timer(0.35, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        execute(operation(), inputs, progress=progress)
    except Cancelled:
        assert time.perf_counter() - asked[0] < 0.5
    else:
        assert not asked or time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()


@pytest.mark.parametrize("name", ALL)
def test_progress_goes_up_to_one_and_never_back(name):
    seen: list[float] = []
    execute(catalog.find(name)(), examples(catalog.find(name)), progress=Progress(lambda f, m: seen.append(f)))
    assert seen and all(0 <= f <= 1 for f in seen)
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(seen))

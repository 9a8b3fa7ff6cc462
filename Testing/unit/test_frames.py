"""Frames: the value, and operations that run on each of them as on that frame alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import image_of, structure
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareSegmentations, Consensus
from MedImgAnalysisLib.compare import differences
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Gaussian, Median
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import Quantity
from MedImgAnalysisLib.plan import amount_of_work, plan
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.values import (
    Column,
    Curve,
    Curves,
    Frames,
    Image,
    Labels,
    Mask,
    Measurements,
    TransformFrames,
)


def cine(count: int = 3, **axis) -> Frames:
    """Images that differ in noise, on an oblique grid."""
    return Frames(tuple(image_of(structure(seed=n + 1).astype(np.float32)) for n in range(count)), **axis)


@dataclass(frozen=True)
class Probe(Operation):
    """Says and measures what it is given."""

    class Outputs(NamedTuple):
        image: Image
        table: Measurements
        curves: Curves
        extra: Image | None

    name: ClassVar[str] = "probe_for_test"
    title: ClassVar[str] = "Probe"
    group: ClassVar[str] = "Test"
    seed: Annotated[int, Quantity("", low=1)] = 7

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Outputs:
        array = sitk.GetArrayViewFromImage(image)
        progress.warn("The same in every frame.")
        progress.warn(f"The largest value is {array.max():.5f}.")
        progress.report(0.5, "half")
        noise = np.random.default_rng(self.seed).normal(size=3)
        rows = tuple({"name": name, "value": float(array.mean() + noise[n])} for n, name in enumerate("ab"))
        table = Measurements((Column("name", "Name", dtype=str), Column("value", "Value", "mm")), rows)
        curves = Curves("Noise", "x", "y", (Curve("noise", np.arange(3.0), noise),))
        return self.Outputs(image, table, curves, None)


Probe.run.__annotations__["return"] = Probe.Outputs


@dataclass(frozen=True)
class Count(Operation):
    """Takes all frames at once."""

    name: ClassVar[str] = "count_for_test"
    title: ClassVar[str] = "Count"
    group: ClassVar[str] = "Test"

    def run(self, frames: Frames, mask: Mask | None = None, *, progress: Progress = SILENT) -> Measurements:
        inside = -1 if mask is None else int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
        return Measurements((Column("n", "n", dtype=int), Column("inside", "inside", dtype=int)),
                            ({"n": len(frames), "inside": inside},))  # fmt: skip


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def test_positions_count_from_zero_unless_given() -> None:
    assert cine().positions == (0.0, 1.0, 2.0)
    timed = cine(positions=(0, 0.5, 2), title="time", unit="s")
    assert timed.positions == (0.0, 0.5, 2.0) and timed.even_step is None and cine().even_step == 1.0


@pytest.mark.parametrize(
    "values, positions, what",
    [
        ((), (), "at least one"),
        ((sitk.Image(2, 2, 2, sitk.sitkUInt8),) * 2, (1, 1), "rise"),
        ((sitk.Image(2, 2, 2, sitk.sitkUInt8),) * 2, (0, float("inf")), "finite"),
        ((sitk.Image(2, 2, 2, sitk.sitkUInt8),) * 2, (0,), "1 positions for 2 frames"),
        ((sitk.Image(2, 2, sitk.sitkUInt8), sitk.Image(2, 2, 2, sitk.sitkUInt8)), (), "one kind.*2-D image, 3-D image"),
        ((sitk.Euler3DTransform(), sitk.Image(2, 2, 2, sitk.sitkUInt8)), (), "one kind"),
        (("text",), (), "str cannot be a frame"),
    ],
)
def test_frames_that_make_no_sense_are_refused(values: tuple, positions: tuple, what: str) -> None:
    with pytest.raises(InputError, match=what):
        Frames(values, positions)


def test_a_4d_image_gives_its_frames_with_their_times() -> None:
    arrays = np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype(np.float32)
    whole = sitk.JoinSeries([oblique_grid(sitk.GetImageFromArray(a)) for a in arrays], 10.0, 2.5)
    found = Frames.of(whole, unit="s")
    assert found.positions == (10.0, 12.5, 15.0) and (found.title, found.unit) == ("time", "s")
    for value, array in zip(found.values, arrays, strict=True):
        assert fingerprint(value) == fingerprint(oblique_grid(sitk.GetImageFromArray(array)))
    with pytest.raises(InputError, match=r"Frames\.of"):
        execute(Median(), {"image": whole})


@pytest.mark.parametrize("operation", [Gaussian(sigma_mm=1.5), Median()])
def test_a_filter_gives_each_frame_what_it_gives_it_alone(operation: Operation) -> None:
    frames = cine(3, positions=(0, 0.4, 1), title="time", unit="s")
    result = execute(operation, {"image": frames})
    made = result.outputs["image"]
    assert made.positions == frames.positions and (made.title, made.unit) == ("time", "s")
    for before, after in zip(frames.values, made.values, strict=True):
        assert fingerprint(execute(operation, {"image": before}).outputs["image"]) == fingerprint(after)


def test_a_registration_gives_each_frame_its_own_transform_and_one_table() -> None:
    operation = Register(start="none", finest_mm=4.0)
    frames = cine(2)
    result = execute(operation, {"fixed": cine(1).values[0], "moving": frames}, progress=quiet())
    table = result.outputs["table"]
    assert [column.key for column in table.columns][:3] == ["frame", "position", "model"]
    for number, moving in enumerate(frames.values):
        alone = execute(operation, {"fixed": cine(1).values[0], "moving": moving}, progress=quiet()).outputs
        assert fingerprint(alone["transform"]) == fingerprint(result.outputs["transform"].values[number])
        assert fingerprint(alone["image"]) == fingerprint(result.outputs["image"].values[number])
        row = dict(table.rows[number])
        assert (row.pop("frame"), row.pop("position")) == (number, float(number))
        assert row == alone["table"].rows[0]
    names = [curve.name for curve in result.outputs["curves"].series]
    assert len(set(names)) == len(names) and all("(frame #" in name for name in names)


def test_a_measuring_operation_gives_one_table_with_all_frames() -> None:
    masks = Frames(
        tuple(sitk.Cast(image > limit, sitk.sitkUInt8) for image, limit in zip(cine().values, (40, 90, 118)))
    )
    reference = Labels.from_labelmap(masks.values[0])
    result = execute(CompareSegmentations(), {"reference": reference, "test": masks}, progress=quiet())
    table = result.outputs["table"]
    assert table.column("frame") == [0, 1, 2]
    assert table.column("dice")[0] == 1.0 > table.column("dice")[1] > table.column("dice")[2]
    for number, mask in enumerate(masks.values):
        alone = execute(CompareSegmentations(), {"reference": reference, "test": mask}, progress=quiet())
        assert dict(table.rows[number]) == {"frame": number, "position": number, **alone.outputs["table"].rows[0]}


def test_one_record_names_the_count_and_the_fingerprint_of_all_frames() -> None:
    frames = cine(3)
    record = execute(Median(), {"image": frames}, origins={"image": {"path": "cine.nii"}}).record
    assert record["inputs"]["image"] == {"path": "cine.nii", "sha256": fingerprint(frames), "frames": 3}
    assert record["outputs"]["image"]["frames"] == 3
    later = Frames(frames.values, (0, 1, 3))
    assert fingerprint(later) != fingerprint(frames) != fingerprint(Frames(frames.values[::-1]))


def test_warnings_come_once_with_the_frames_that_said_them() -> None:
    said: list[str] = []
    result = execute(Probe(), {"image": cine(3)}, progress=Progress(on_warning=said.append))
    assert said == list(result.warnings) == result.record["warnings"]
    assert len(said) == 2
    assert said[0] == "The same in every frame. (In all 3 frames.)"
    assert said[1].startswith("The largest value is") and "the numbers vary" in said[1]


def test_the_seed_is_the_same_in_every_frame_and_series_are_named_after_their_frame() -> None:
    outputs = execute(Probe(), {"image": cine(3)}, progress=quiet()).outputs
    series = outputs["curves"].series
    assert [curve.name for curve in series] == ["noise (frame #0)", "noise (frame #1)", "noise (frame #2)"]
    assert np.array_equal(series[0].y, series[2].y)
    assert outputs["extra"] is None
    assert outputs["table"].column("frame") == [0, 0, 1, 1, 2, 2]


def test_one_progress_bar_names_the_frames() -> None:
    seen: list[tuple[float, str]] = []
    execute(Median(), {"image": cine(4)}, progress=Progress(lambda f, m: seen.append((f, m))))
    fractions = [fraction for fraction, _ in seen]
    assert all(b >= a for a, b in itertools.pairwise(fractions)) and fractions[0] >= 0 and fractions[-1] <= 1
    starts = {number: min(f for f, m in seen if m.startswith(f"Frame {number} of 4")) for number in (1, 2, 3, 4)}
    assert all((number - 1) / 4 <= start < number / 4 + 1e-9 for number, start in starts.items())


def test_a_cancel_stops_within_a_frame() -> None:
    class Slow(Median):
        def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
            whole.cancel()
            progress.check()
            raise AssertionError("the frame went on")

    whole = Progress()
    with pytest.raises(Cancelled):
        execute(Slow(), {"image": cine(3)}, progress=whole)


def test_an_error_names_its_frame_and_keeps_its_data() -> None:
    frames = cine(3)
    broken = sitk.Image(frames.values[1])
    broken[1, 1, 1] = float("nan")
    with pytest.raises(InputError, match=r"Frame #1 of 3: median: the image has 1 voxels that are NaN") as caught:
        execute(Median(), {"image": Frames((frames.values[0], broken, frames.values[2]))})
    assert (caught.value.frame, caught.value.nonfinite) == (1, 1)


def test_two_roles_with_frames_need_as_many() -> None:
    with pytest.raises(InputError, match="fixed has 2, moving has 3"):
        execute(Register(), {"fixed": cine(2), "moving": cine(3)})


def test_frames_at_other_positions_are_paired_and_it_is_said() -> None:
    masks = [
        Frames(tuple(sitk.Cast(i > 50, sitk.sitkUInt8) for i in cine().values), at) for at in ((0, 1, 2), (0, 1, 3))
    ]
    result = execute(CompareSegmentations(), {"reference": masks[0], "test": masks[1]}, progress=quiet())
    assert any("other positions" in warning for warning in result.warnings)


def test_an_operation_on_all_frames_gets_them_all() -> None:
    mask = sitk.Cast(cine(1).values[0] > 50, sitk.sitkUInt8)
    table = execute(Count(), {"frames": cine(3), "mask": mask}).outputs["table"]
    expected = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    assert dict(table.rows[0]) == {"n": 3, "inside": expected}
    with pytest.raises(InputError, match="must be the frames of a 4-D image, not Image"):
        execute(Count(), {"frames": cine(1).values[0]})
    with pytest.raises(InputError, match="at once; the mask must be one mask"):
        execute(Count(), {"frames": cine(3), "mask": Frames((mask,) * 3)})
    with pytest.raises(InputError, match="must be frames of images"):
        execute(Count(), {"frames": Frames((sitk.Euler3DTransform(),))})


def test_a_role_of_an_operation_says_whether_it_is_all_frames() -> None:
    assert [(role.name, role.kind) for role in Count.inputs()] == [("frames", "frames"), ("mask", "mask")]

    class Both(Operation):
        def run(self, frames: Frames, *, progress: Progress = SILENT) -> TransformFrames:
            raise AssertionError

    assert [(role.name, role.kind) for role in Both.outputs()] == [("transform", "transform")]


def test_a_recipe_carries_frames_from_step_to_step() -> None:
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"cine": {"kind": "image"}}, "outputs": ["result"],
        "steps": [
            {"id": "a", "operation": "median", "inputs": {"image": "cine"}, "outputs": {"image": "less"}},
            {"id": "b", "operation": "gaussian", "inputs": {"image": "less"}, "outputs": {"image": "result"}},
        ],
    })  # fmt: skip
    frames = cine(2)
    result = recipe.run({"cine": frames})
    assert len(result.records) == 2
    for before, after in zip(frames.values, result.outputs["result"].values, strict=True):
        alone = recipe.run({"cine": before}).outputs["result"]
        assert fingerprint(alone) == fingerprint(after)
    assert Recipe("r", {"cine": "frames"}, recipe.steps, ("result",)).problems() == {}


def test_frames_are_compared_frame_by_frame() -> None:
    frames = cine(2)
    assert list(differences("x", frames, Frames(tuple(map(sitk.Image, frames.values))), 0)) == []
    other = Frames((frames.values[0], frames.values[0]))
    assert [found.where for found in differences("x", frames, other, 0)] == ["x frame #1 voxels"]
    assert next(iter(differences("x", frames, frames.values[0], 0))).recorded == "2 frames"
    assert [f.where for f in differences("x", frames, Frames(frames.values, (0, 2)), 0)] == ["x positions"]


def test_the_plan_of_a_run_takes_frames_at_once_or_keeps_their_results() -> None:
    frames = cine(3)
    one, sliced = plan(Median(), {"image": frames.values[0]}), plan(Median(), {"image": frames})
    assert sliced.peak_bytes == one.peak_bytes + 2 * 4 * 16 * 20 * 24
    assert one.seconds is not None and sliced.seconds == pytest.approx(3 * one.seconds, rel=0.5)
    assert amount_of_work(Median(), {"image": frames}) == pytest.approx(16 * 20 * 24 / 1e6)
    assert amount_of_work(Count(), {"frames": frames}) == pytest.approx(3 * 16 * 20 * 24 / 1e6)


def test_frames_alone_are_the_values_of_a_role_that_takes_several() -> None:
    masks = tuple(sitk.Cast(image > 50, sitk.sitkUInt8) for image in cine(3).values)
    alone = execute(Consensus(), {"raters": list(masks)}, progress=quiet())
    frames = execute(Consensus(), {"raters": Frames(masks)}, progress=quiet())
    listed = execute(Consensus(), {"raters": [Frames(masks)]}, progress=quiet())
    assert alone.record["outputs"] == frames.record["outputs"] == listed.record["outputs"]
    with pytest.raises(InputError, match="one of the raters has several frames"):
        execute(Consensus(), {"raters": [Frames(masks), masks[0]]})

    class OneWithMany(Operation):
        name = "one_with_many_for_test"

        def run(self, one: Image, many: Sequence[Image], *, progress: Progress = SILENT) -> Image:
            raise AssertionError

    with pytest.raises(InputError, match="both one and many have several frames; choose a frame of one"):
        execute(OneWithMany(), {"one": cine(), "many": cine()})

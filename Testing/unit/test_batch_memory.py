"""A case starts when its planned memory fits beside the others, alone where it must, and is refused where it cannot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SLOW, SMOOTH, blob, events, recipe_data, write_cohort, write_raw
from MedImgAnalysisLib import files, machine
from MedImgAnalysisLib.batch.admission import LOOK_AHEAD, Admission, Running, resident
from MedImgAnalysisLib.batch.case_memory import CaseNeed, case_need
from MedImgAnalysisLib.batch.cluster_worker import _refusal
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.executors import InProcess, choose
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.batch.workers import Pool, core_count
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.files.extents import extent
from MedImgAnalysisLib.plan import SHARE, plan
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())
GB = 10**9


def tasks(*needs: float) -> tuple[list[dict[str, Any]], Admission]:
    """Tasks that need so many gigabytes, of 10 that are free, and what admits them."""
    waiting = [{"case": str(n), "inputs": {"gb": need}, "recipe": RECIPE.as_data()} for n, need in enumerate(needs)]

    def plan(_: Recipe, paths: Mapping[str, Any]) -> CaseNeed:
        return CaseNeed(paths["gb"] * GB, "smooth", "It is too large." if paths["gb"] > 20 else "")

    return waiting, Admission(lambda: 10 * GB, plan)


def running(*needs: float) -> list[Running]:
    return [Running(CaseNeed(need * GB)) for need in needs]


def test_cases_start_beside_each_other_while_they_fit_together() -> None:
    waiting, admission = tasks(3, 3, 3)
    assert [getattr(admission.choose(waiting, running(*[3] * n)), "index", None) for n in range(3)] == [0, 0, None]
    assert pytest.approx(7) == SHARE * 10, "two of 3 GB fit into the share of 10 GB, three do not"


def test_a_small_case_goes_on_beside_a_large_one_which_waits() -> None:
    waiting, admission = tasks(5, 5, 1)
    start = admission.choose(waiting, running(5))
    assert start is not None and start.index == 2 and start.note == "" and start.refused == ""


def test_what_a_running_case_has_taken_already_is_not_counted_twice() -> None:
    import os

    process = os.getpid()
    assert resident(process) > 20e6 and resident(None) == 0 and resident(2**22 + 1) == 0
    grown = Running(CaseNeed(50e6), process, before=0)
    assert grown.outstanding == max(0.0, 50e6 - resident(process)) < 50e6
    assert Running(CaseNeed(5e6), None).outstanding == 5e6 and Running(None).outstanding == 0


def test_a_case_larger_than_the_share_runs_alone_and_says_so() -> None:
    waiting, admission = tasks(9, 1)
    assert admission.choose(waiting[:1], running(1)) is None
    start = admission.choose(waiting[:1], [])
    assert start is not None and start.refused == ""
    assert start.note == "It needs about 9.0 GB (step 'smooth') of 10.0 GB that are free: it runs alone."


def test_a_case_that_fits_in_slabs_only_is_not_refused() -> None:
    waiting, admission = tasks(15)
    start = admission.choose(waiting, [])
    assert start is not None and start.refused == "" and "in slabs where it can" in start.note


def test_a_case_that_cannot_run_alone_is_refused() -> None:
    waiting, admission = tasks(30)
    assert admission.choose(waiting, running(1)) is None
    start = admission.choose(waiting, [])
    assert start is not None and start.refused == "It is too large."


def test_where_nothing_is_known_cases_start_in_their_order() -> None:
    waiting, _ = tasks(30, 30)
    start = Admission(lambda: None, lambda *_: None).choose(waiting, running(9))
    assert start is not None and start.index == 0
    start = Admission(lambda: GB, lambda *_: None).choose(waiting, running(9))
    assert start is not None and start.index == 0


def test_plans_are_made_once_and_only_near_their_turn() -> None:
    seen: list[str] = []

    def plan(_: Recipe, paths: Mapping[str, Any]) -> CaseNeed:
        seen.append(paths["n"])
        return CaseNeed(9 * GB)

    admission = Admission(lambda: 10 * GB, plan)
    waiting = [{"case": str(n), "inputs": {"n": str(n)}, "recipe": {}} for n in range(3 * LOOK_AHEAD)]
    for task in waiting:
        task["recipe"] = RECIPE.as_data()
    for _ in range(3):
        assert admission.choose(waiting, running(9)) is None
    assert seen == [str(n) for n in range(LOOK_AHEAD)]


@pytest.mark.parametrize("name", ["x.nrrd", "x.nii.gz", "x.nii", "x.mha", "x.mhd"])
def test_the_extent_in_a_header_is_that_of_the_image(name: str, tmp_path: Path) -> None:
    image = sitk.Cast(blob(), sitk.sitkInt16)
    sitk.WriteImage(image, str(tmp_path / name))
    found = extent(tmp_path / name, "image")
    assert found is not None
    assert (found.grid.size, found.dtype.itemsize, found.components, found.frames) == (image.GetSize(), 2, 1, 1)


def test_the_extent_of_frames_and_of_what_is_no_image(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.JoinSeries([blob(n) for n in range(5)]), str(tmp_path / "x.nii.gz"))
    found = extent(tmp_path / "x.nii.gz", "image")
    assert found is not None and found.frames == 5 and found.grid.dimension == 3
    chosen = extent(f"{tmp_path / 'x.nii.gz'}#2", "image")
    assert chosen is not None and chosen.frames == 1
    (tmp_path / "x.csv").write_text("a,b\n")
    assert extent(tmp_path / "x.csv", "table") is None and extent(tmp_path / "x.csv", "image") is None
    assert extent(tmp_path / "none.nrrd", "image") is None


def test_the_extent_of_a_dicom_folder_is_that_of_its_image_or_more(data_dir: Path) -> None:
    folder = next(
        (path.parent for path in sorted(data_dir.rglob("*.dcm")) if len(list(path.parent.iterdir())) > 5), None
    )
    if folder is None:
        pytest.skip("no DICOM series in the test data")
    found = extent(folder, "image")
    assert found is not None and found.grid.size[2] == len([f for f in folder.rglob("*") if f.is_file()])


def test_the_need_of_a_case_covers_the_plan_of_each_step(tmp_path: Path) -> None:
    sitk.WriteImage(blob(0, 64), str(tmp_path / "x.nrrd"))
    need = case_need(RECIPE, {"t1": str(tmp_path / "x.nrrd")})
    assert need is not None and need.refusal == ""
    image = files.read(tmp_path / "x.nrrd", "image")
    values = {"t1": image, "smoothed": RECIPE.run({"t1": image}).outputs["smoothed"]}
    held = 4 * 64 * 64 * 32
    plans = [plan(step.build(), {"image": values[step.inputs["image"]]}).whole_bytes for step in RECIPE.steps]
    assert need.bytes == pytest.approx(max(plans[0] + held, plans[1] + 2 * held))
    assert need.step in ("smooth", "threshold") and need.step in need.text


def test_the_need_grows_with_the_result_of_resampling(tmp_path: Path) -> None:
    sitk.WriteImage(blob(0, 32), str(tmp_path / "x.nrrd"))

    def recipe(spacing: float) -> Recipe:
        step = {"id": "r", "operation": "resample", "parameters": {"spacing_mm": [spacing]}}
        step |= {"inputs": {"image": "t1"}, "outputs": {"image": "o"}}
        return Recipe.from_data(recipe_data(step, {**SMOOTH, "inputs": {"image": "o"}}, outputs=["smoothed"]))

    fine, coarse = (case_need(recipe(spacing), {"t1": str(tmp_path / "x.nrrd")}) for spacing in (0.5, 2.0))
    assert fine is not None and coarse is not None
    assert fine.bytes > 10 * coarse.bytes


def test_a_case_too_large_for_the_computer_is_refused_with_numbers_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = {**SMOOTH, "operation": "adaptive_histogram", "parameters": {}}
    recipe = Recipe.from_data(recipe_data(step, outputs=["smoothed"]))
    path = write_cohort(tmp_path, ["a", "large", "c"])
    write_raw(tmp_path / "large.nrrd", np.zeros((64, 64, 64), np.float32))
    monkeypatch.setenv(machine.FREE_MEMORY, "1500000")
    result = run_batch(recipe, load(path, recipe), tmp_path / "out", workers=2)
    assert [case.state for case in result.cases] == ["done", "failed", "done"]
    message = str((result.failed[0].error or {})["message"])
    assert message.startswith("Step 'smooth': ") and "1.5 MB that are free" in message and "64 x 64 x 64" in message


def test_cases_that_do_not_fit_together_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.from_data(recipe_data(SLOW, outputs=["slow"]))
    cohort = load(write_cohort(tmp_path, ["a", "b", "c"], size=32), recipe)
    need = case_need(recipe, cohort.cases[0].inputs)
    assert need is not None
    monkeypatch.setenv(machine.FREE_MEMORY, str(1.2 * need.bytes / SHARE))
    monkeypatch.setattr("MedImgAnalysisLib.batch.admission.resident", lambda process: 0)
    run_batch(recipe, cohort, tmp_path / "out", workers=2)
    told = [event["event"] for event in events(tmp_path / "out") if event["event"] in ("started", "done")]
    assert told == ["started", "done"] * 3


@pytest.mark.parametrize(
    ("workers", "threads", "kind", "count", "each"),
    [
        (0, None, InProcess, None, core_count()),
        (0, 3, InProcess, None, 3),
        (1, None, Pool, 1, core_count()),
        (2, None, Pool, 2, max(1, core_count() // 2)),
        (50, None, Pool, 7, max(1, core_count() // 7)),
        (2, 5, Pool, 2, 5),
    ],
)
def test_the_cores_are_shared_among_the_workers(
    workers: int, threads: int | None, kind: type, count: int | None, each: int
) -> None:
    executor: Any = choose(7, workers, threads, None)
    assert type(executor) is kind and executor.threads == each and getattr(executor, "workers", None) == count


def test_wrong_numbers_are_refused() -> None:
    for workers, threads in ((-1, None), (1, 0)):
        with pytest.raises(ParameterError, match="must be at least"):
            choose(7, workers, threads, None)


def test_this_process_gives_what_the_pool_gives(tmp_path: Path) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    found = {}
    for workers in (0, 2):
        result = run_batch(RECIPE, cohort, tmp_path / str(workers), workers=workers, threads=1)
        found[workers] = [
            ({name: entry["value_sha256"] for name, entry in case.record["outputs"].items()}, case.values())
            for case in result.cases
            if case.record
        ]
    assert found[0] == found[2] and len(found[0]) == 2
    assert [event["event"] for event in events(tmp_path / "0")][1:-1] == ["started", "done"] * 2


def test_a_batch_in_this_process_can_be_stopped(tmp_path: Path) -> None:
    from MedImgAnalysisLib.errors import Cancelled
    from MedImgAnalysisLib.progress import Progress

    recipe = Recipe.from_data(recipe_data(SLOW, outputs=["slow"]))
    cohort = load(write_cohort(tmp_path, ["a", "b", "c"], size=40), recipe)
    progress = Progress()
    started = time.monotonic()

    def stop(event: str, case: str, data: dict[str, Any]) -> None:
        if (event, case) == ("started", "b"):
            progress.cancel()

    with pytest.raises(Cancelled):
        run_batch(recipe, cohort, tmp_path / "out", workers=0, on_event=stop, progress=progress)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["a"]
    assert time.monotonic() - started < 60


def test_a_dask_worker_refuses_what_its_memory_does_not_hold(tmp_path: Path) -> None:
    sitk.WriteImage(blob(0, 64), str(tmp_path / "x.nrrd"))
    task = {"recipe": RECIPE.as_data(), "inputs": {"t1": str(tmp_path / "x.nrrd")}}
    need = case_need(RECIPE, task["inputs"])
    assert need is not None

    def place(limit: float, threads: int) -> Any:
        return SimpleNamespace(
            memory_manager=SimpleNamespace(memory_limit=limit), state=SimpleNamespace(nthreads=threads)
        )

    assert _refusal(task, place(2.1 * need.bytes, 2)) == "" and _refusal(task, place(0, 2)) == ""
    sentence = _refusal(task, place(1.9 * need.bytes, 2))
    assert need.text in sentence and "--memory-limit" in sentence
    assert _refusal({**task, "inputs": {"t1": "none.nrrd"}}, place(1, 1)) == ""

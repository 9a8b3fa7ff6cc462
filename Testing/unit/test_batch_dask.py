"""A batch on Dask gives what the pool gives, also when a worker is lost in the middle."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases_testing import (
    SLOW,
    SMOOTH,
    THRESHOLD,
    alive,
    events,
    leftovers,
    recipe_data,
    start,
    wait_for,
    write_cohort,
    write_recipe,
)
from dask_testing import DaskProcesses, children_of, kill
from medimg_testing import Figures
from MedImgAnalysisLib.batch import cluster, cluster_worker
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.errors import InputError, MissingPackageError, ParameterError
from MedImgAnalysisLib.recipe import Recipe

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

STEPS = (SMOOTH, THRESHOLD, SLOW)
OUTPUTS = ("smoothed", "seg", "size", "slow")
RECIPE = Recipe.from_data(recipe_data(*STEPS, outputs=OUTPUTS))
CASES = [f"case {n}" for n in range(6)]


def results(out: Path) -> dict[str, Any]:
    """Hashes of all values and the numbers of every case."""
    found = {}
    for case in sorted(path for path in out.iterdir() if path.is_dir()):
        record = json.loads((case / "provenance.json").read_text(encoding="utf-8"))
        hashes = {name: entry["value_sha256"] for name, entry in record["outputs"].items()}
        found[case.name] = (hashes, record["measurements"], record["threads"], sorted(record["files"]))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recipe, cohort, and the results of the pool."""
    folder = tmp_path_factory.mktemp("dask")
    write_recipe(folder / "recipe.json", *STEPS, outputs=OUTPUTS)
    write_cohort(folder, CASES, size=36)
    run_batch(RECIPE, load(folder / "cohort.csv", RECIPE), folder / "pool", workers=2, threads=1)
    return folder


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    processes = DaskProcesses(tmp_path_factory.mktemp("processes"), workers=2)
    yield processes
    processes.stop()


def count(out: Path, event: str) -> Counter[str]:
    return Counter(entry["case"] for entry in events(out) if entry["event"] == event)


def busy(out: Path, dask: DaskProcesses, known: set[str]) -> int | None:
    """The number of a worker that has just begun a case that is not among `known`."""
    run = {entry["process"] for entry in events(out) if entry["event"] == "started" and entry["case"] not in known}
    return next((n for n, worker in enumerate(dask.workers) if run & set(children_of(worker.pid))), None)


def test_a_worker_killed_in_the_middle_costs_nothing(place: Path, dask: DaskProcesses, figures: Figures) -> None:
    out = place / "killed"
    command = ["batch", place / "recipe.json", place / "cohort.csv", "--out", out, "--dask", dask.address, "--json"]
    batch = start(*command)
    wait_for(lambda: count(out, "done"), 200)
    known = set(count(out, "started"))
    lost = wait_for(lambda: (found := busy(out, dask, known)) is not None and [found], 200)[0]
    kill(dask.workers[lost])
    stdout, stderr = batch.communicate(timeout=200)
    answer = json.loads(stdout)
    assert batch.returncode == 0 and stderr == ""
    assert answer["done"] == CASES and answer["failed"] == [] and answer["kept"] == []
    assert count(out, "done") == Counter(CASES), "every case is done once"
    assert sum(count(out, "started").values()) > len(CASES), "a case was started again"
    assert results(out) == results(place / "pool")
    assert (out / "results.csv").read_bytes() == (place / "pool" / "results.csv").read_bytes()
    assert leftovers(out) == []
    again = sum(count(out, "started").values()) - len(CASES)
    figures.say(f"Dask: 1 of 2 workers killed, {len(CASES)} of {len(CASES)} cases done once, {again} started again")
    dask.workers[lost].wait()
    dask.workers[lost] = dask.add_worker()
    kept = run_batch(RECIPE, load(place / "cohort.csv", RECIPE), out, dask=str(dask.file))
    assert list(kept.kept) == CASES


def test_ctrl_c_stops_the_cases_on_the_cluster(place: Path, dask: DaskProcesses) -> None:
    out = place / "stopped"
    batch = start("batch", place / "recipe.json", place / "cohort.csv", "--out", out, "--dask", dask.file)
    wait_for(lambda: count(out, "done") and len(count(out, "started")) >= 2, 200)
    batch.send_signal(signal.SIGINT)
    _, stderr = batch.communicate(timeout=200)
    assert batch.returncode == 130 and "goes on" in stderr and stderr.count("\n") == 1
    running = {entry["process"] for entry in events(out) if entry["event"] == "started"}
    wait_for(lambda: not any(alive(process) for process in running))
    finished = {path.name for path in out.iterdir() if path.is_dir()}
    assert finished and finished < set(CASES) and leftovers(out) == []
    states = {entry["id"]: entry["status"] for entry in json.loads((out / "results.json").read_text())["cases"]}
    assert {case for case, state in states.items() if state == "done"} == finished


def test_a_process_that_finishes_its_case_as_the_batch_ends_is_ended_too() -> None:
    kept, late = (cluster_worker._take(1) for _ in range(2))
    cluster_worker._give_back(1, *kept, "this batch")
    assert asyncio.run(cluster_worker.end("this batch")) == []
    cluster_worker._give_back(1, *late, "this batch")
    assert [worker.process.poll() for worker, _ in (kept, late)] == [0, 0]


def test_a_process_that_gets_no_more_cases_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_worker, "IDLE_SECONDS", 0.5)
    worker, worker_events = cluster_worker._take(1)
    cluster_worker._give_back(1, worker, worker_events, "a batch whose client was killed")
    again, _ = cluster_worker._take(1)
    assert again is worker
    time.sleep(1.0)
    assert worker.process.poll() is None, "it has a case"
    cluster_worker._give_back(1, worker, worker_events, "a batch whose client was killed")
    wait_for(lambda: worker.process.poll() == 0)


def test_a_case_whose_client_was_killed_does_not_go_on(place: Path, dask: DaskProcesses) -> None:
    out = place / "orphaned"
    batch = start("batch", place / "recipe.json", place / "cohort.csv", "--out", out, "--dask", dask.address)
    wait_for(lambda: count(out, "started"), 200)
    kill(batch.pid)
    batch.communicate()
    running = {entry["process"] for entry in events(out) if entry["event"] == "started"}
    wait_for(lambda: not any(alive(process) for process in running))


def test_dask_in_this_process_gives_the_same(place: Path) -> None:
    out = place / "local"
    result = run_batch(RECIPE, load(place / "cohort.csv", RECIPE), out, workers=2, threads=1, dask="local")
    assert [case.state for case in result.cases] == ["done"] * len(CASES)
    assert results(out) == results(place / "pool")
    assert Counter(entry["event"] for entry in events(out)) == Counter(
        entry["event"] for entry in events(place / "pool")
    )


def test_a_task_is_paths_and_never_voxels(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    def keep(self: Any, tasks: list[dict[str, Any]], *_: Any) -> None:
        sent.extend(tasks)

    monkeypatch.setattr(cluster._Submitted, "run", keep)
    run_batch(RECIPE, load(place / "cohort.csv", RECIPE), place / "none", workers=1, dask="local")
    assert len(sent) == len(CASES)
    for task in sent:
        assert len(json.dumps(task)) < 4000
        assert task["inputs"] == {"t1": str(place / f"{task['case']}.nrrd")}


def test_a_worker_of_another_version_is_refused(place: Path, dask: DaskProcesses, tmp_path: Path) -> None:
    (tmp_path / "older.py").write_text("import MedImgAnalysisLib\nMedImgAnalysisLib.__version__ = '0.0.1'\n")
    other = DaskProcesses(tmp_path, workers=0)
    other.workers.append(other.add_worker(preload=tmp_path / "older.py"))
    try:
        import distributed

        with distributed.Client(other.address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=20)
        with pytest.raises(InputError, match=r"has MedImgAnalysis 0\.0\.1, this program is .*same version"):
            run_batch(RECIPE, load(place / "cohort.csv", RECIPE), place / "refused", dask=other.address)
        assert not any(path.is_dir() for path in (place / "refused").iterdir())
    finally:
        other.stop()


def test_wrong_requests_are_said_in_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = load(place / "cohort.csv", RECIPE)
    with pytest.raises(ParameterError, match="leave out the number of workers"):
        run_batch(RECIPE, cohort, place / "wrong", dask="tcp://127.0.0.1:1", workers=2)
    for address in ("lokal", "node1", "tcp://node1", str(place / "no file.json")):
        with pytest.raises(ParameterError, match=r"no Dask scheduler at .* or local"):
            run_batch(RECIPE, cohort, place / "never", dask=address)
    assert not (place / "never").exists()
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1"):
        run_batch(RECIPE, cohort, place / "wrong", dask="tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match="pip install"):
        run_batch(RECIPE, cohort, place / "wrong", dask="tcp://127.0.0.1:1")


def test_a_scheduler_that_is_lost_ends_the_batch_and_says_so(place: Path, tmp_path: Path) -> None:
    alone = DaskProcesses(tmp_path, workers=1)
    out = place / "lost"
    try:
        batch = start("batch", place / "recipe.json", place / "cohort.csv", "--out", out, "--dask", alone.address)
        wait_for(lambda: count(out, "done"), 200)
        kill(alone.scheduler)
        _, stderr = batch.communicate(timeout=200)
    finally:
        alone.stop()
    done, failed = count(out, "done"), count(out, "failed")
    assert batch.returncode == 1
    assert not done.keys() & failed.keys() and sum(done.values()) + sum(failed.values()) == len(CASES)
    assert all("is gone" in line for line in stderr.splitlines()[:-1]) and "distributed" not in stderr
    states = {entry["id"]: entry["status"] for entry in json.loads((out / "results.json").read_text())["cases"]}
    assert states == dict.fromkeys(done, "done") | dict.fromkeys(failed, "failed")
    again = run_batch(RECIPE, load(place / "cohort.csv", RECIPE), out, workers=1, threads=1)
    assert set(done) <= set(again.kept) and again.failed == []


def test_a_case_that_loses_too_many_workers_fails_with_their_number() -> None:
    from distributed.scheduler import KilledWorker

    error = KilledWorker("case", None, 3)
    assert cluster._why(error, "tcp://x")["message"].startswith("4 workers of the cluster were lost")


def test_each_answer_of_a_case_is_handed_over_once_in_whatever_way_it_comes() -> None:
    told: list[tuple[str, str]] = []

    class Future:
        def __init__(self, outcome: Any) -> None:
            self.outcome = outcome

        def result(self, timeout: float) -> Any:
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

    submitted = cluster._Submitted(None, "x", lambda task, answer: told.append((task["case"], next(iter(answer)))))
    answers = [{"started": 1}, {"warning": "w"}, {"done": {}}]
    outcomes = [("1", answers), ("2", answers), TimeoutError(), TimeoutError(), ("5", answers)]
    submitted._open = {str(n): ({"case": str(n)}, Future(outcome)) for n, outcome in enumerate(outcomes, 1)}
    for event in (
        ("event", "1", ("1", 0, answers[0])),
        ("event", "2", ("lost attempt", 0, answers[0])),
        ("event", "1", ("1", 1, answers[1])),
        ("event", "1", ("1", 2, answers[2])),
        ("ended", "1", None),
        ("ended", "2", None),
        ("ended", "3", None),
        ("ended", "4", None),
        ("event", "5", ("5", 2, answers[2])),
        ("ended", "5", None),
        ("event", "5", ("5", 0, answers[0])),
    ):
        submitted._take(*event, None)
    assert submitted._open == {}
    by_case = {case: [answer for name, answer in told if name == case] for case in "12345"}
    whole = ["started", "warning", "done"]
    assert by_case == {"1": whole, "2": ["started", *whole], "3": ["failed"], "4": ["failed"], "5": whole}

"""Full disks, files that vanish or cannot be read, locks of dead processes, and batches that start at once."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases_testing import (
    SLOW,
    SMOOTH,
    blob,
    environment,
    events,
    leftovers,
    medimg,
    recipe_data,
    start,
    write_cohort,
    write_recipe,
)
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch import folder as folders
from MedImgAnalysisLib.batch import plain
from MedImgAnalysisLib.batch.case import run_case
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.folder import clean, whole_record
from MedImgAnalysisLib.batch.journal import Journal
from MedImgAnalysisLib.batch.lock import LOCK, Lock, check_shared, still_wanted
from MedImgAnalysisLib.batch.runner import SummaryError, run_batch
from MedImgAnalysisLib.errors import Cancelled, FileError
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())
CASES = ["a", "b", "c", "d"]
unix = pytest.mark.skipif(sys.platform == "win32", reason="of Unix")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def whole(out: Path) -> set[str]:
    """The cases that are there; each of them is complete."""
    found = {path for path in out.iterdir() if path.is_dir()}
    assert all(whole_record(path) is not None for path in found)
    return {path.name for path in found}


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(small_disk: Path, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path, CASES)
    command = ["batch", write_recipe(tmp_path / "recipe.json"), cohort, "--out", small_disk / "out", "--workers", "2"]
    first = medimg(*command)
    assert first.returncode == 1 and "No space left on device" in first.stderr
    assert all(line.startswith(("a ", "b ", "c ", "d ", "medimg: ", "/")) for line in first.stderr.splitlines()[:-1])
    before = whole(small_disk / "out")
    assert before < set(CASES)
    assert leftovers(small_disk) == []
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    second = medimg(*command, "--json")
    answer = json.loads(second.stdout)
    assert second.returncode == 0 and answer["done"] == CASES and set(answer["kept"]) == before
    assert whole(small_disk / "out") == set(CASES)
    lines = (small_disk / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(not line.endswith("}") for line in lines) <= 1, "at most one line was cut off"


@unix
def test_files_that_may_not_grow_any_more_fail_their_cases_alone(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path, ["small", "large"])
    import SimpleITK as sitk

    sitk.WriteImage(blob(1, 64), str(tmp_path / "large.nrrd"))
    recipe = write_recipe(tmp_path / "recipe.json", SMOOTH, outputs=["smoothed"])
    limit = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); "
    limit += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); import sys; "
    limit += "from MedImgAnalysisLib.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", limit, "batch", recipe, cohort, "--out", tmp_path / "out", "--workers", "0", "--json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and answer["done"] == ["small"]
    assert [entry["case"] for entry in answer["failed"]] == ["large"]
    assert whole(tmp_path / "out") == {"small"} and leftovers(tmp_path) == []


def test_tables_that_cannot_be_written_leave_the_cases_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).name == "results.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(plain.os, "replace", full)
    with pytest.raises(SummaryError, match=r"results\.csv cannot be written: No space left.*complete"):
        run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert whole(tmp_path / "out") == {"a", "b"} and leftovers(tmp_path) == []
    monkeypatch.undo()
    assert run_batch(RECIPE, cohort, tmp_path / "out", workers=0).kept == ("a", "b")


def test_a_journal_that_cannot_be_written_does_not_stop_the_batch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        broken = True

        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def write(self, data: bytes) -> int:
            if self.broken:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.stream.write(data))

        def close(self) -> None:
            self.stream.close()

    journal = Journal(tmp_path)
    full = Full(journal._stream)
    journal._stream = full  # type: ignore[assignment]
    journal.write("one")
    journal.write("two")
    full.broken = False
    journal.write("three")
    journal.close()
    assert [entry["event"] for entry in events(tmp_path) if entry] == ["three"]
    assert sum("No space left" in record.message for record in caplog.records) == 1


def test_an_input_that_vanishes_and_one_that_cannot_be_read_fail_alone_and_come_back(tmp_path: Path) -> None:
    path = write_cohort(tmp_path, CASES)
    cohort = load(path, RECIPE)
    hidden = (tmp_path / "b.nrrd").rename(tmp_path / "away")
    (tmp_path / "c.nrrd").rename(tmp_path / "c")
    (tmp_path / "c.nrrd").mkdir()
    result = run_batch(RECIPE, cohort, tmp_path / "out", workers=1)
    assert [case.state for case in result.cases] == ["done", "failed", "failed", "done"]
    assert "b.nrrd" in str(result.failed[0].error) and whole(tmp_path / "out") == {"a", "d"}
    hidden.rename(tmp_path / "b.nrrd")
    (tmp_path / "c.nrrd").rmdir()
    (tmp_path / "c").rename(tmp_path / "c.nrrd")
    again = run_batch(RECIPE, cohort, tmp_path / "out", workers=1)
    assert again.kept == ("a", "d") and again.failed == [] and whole(tmp_path / "out") == set(CASES)


def test_an_input_that_vanishes_in_the_middle_of_its_case_fails_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    from MedImgAnalysisLib.batch import case as cases

    described = cases.describe_inputs

    def vanish(*arguments: Any) -> Any:
        found = described(*arguments)
        (tmp_path / "a.nrrd").unlink(missing_ok=True)
        return found

    monkeypatch.setattr("MedImgAnalysisLib.batch.task.describe_inputs", vanish)
    result = run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert [case.state for case in result.cases] == ["failed", "done"] and "a.nrrd" in str(result.failed[0].error)


def test_a_case_that_was_complete_when_killed_gets_its_name(tmp_path: Path) -> None:
    write_cohort(tmp_path, ["a"])
    out = tmp_path / "out"
    run_case(RECIPE, {"t1": tmp_path / "a.nrrd"}, out / "a")
    (out / "a").rename(out / ".medimg-123")
    (out / ".medimg-456").mkdir()
    assert clean(out) == ["a"] and whole(out) == {"a"} and leftovers(out) == []
    (out / "a").rename(out / ".medimg-123")
    (out / ".medimg-123" / "smoothed.nrrd").unlink()
    assert clean(out) == [] and list(out.iterdir()) == []


@pytest.mark.parametrize("case", ["../x", "/tmp/x", "", 5, ".hidden", "results.csv"])
def test_a_record_cannot_give_a_folder_another_place(case: object, tmp_path: Path) -> None:
    place = tmp_path / "out" / ".medimg-1"
    place.mkdir(parents=True)
    (place / "provenance.json").write_text(json.dumps({"medimg_case": 1, "case": case, "files": []}))
    assert clean(tmp_path / "out") == []
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


@unix
def test_two_runs_of_one_case_leave_one_whole_result(tmp_path: Path) -> None:
    write_cohort(tmp_path, ["a"])
    code = (
        "import sys; from pathlib import Path; from MedImgAnalysisLib.batch.case import run_case; "
        "from MedImgAnalysisLib.recipe import Recipe; r = Recipe.load(sys.argv[1])\n"
        "for _ in range(15): run_case(r, {'t1': sys.argv[2]}, sys.argv[3])"
    )
    recipe = write_recipe(tmp_path / "recipe.json", SMOOTH, outputs=["smoothed"])
    words = [sys.executable, "-c", code, recipe, tmp_path / "a.nrrd", tmp_path / "out" / "a"]
    both = [subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert whole(tmp_path / "out") == {"a"} and leftovers(tmp_path) == []


def test_two_batches_that_start_at_once(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.json", SLOW, outputs=["slow"])
    command = ["batch", recipe, write_cohort(tmp_path, CASES, size=36), "--out", tmp_path / "out", "--workers", "1"]
    both = [start(*command), start(*command)]
    answers = [process.communicate(timeout=120) for process in both]
    told = sorted(process.returncode for process in both)
    assert told == [0, 2]
    loser = next(number for number, process in enumerate(both) if process.returncode == 2)
    text = answers[loser][1]
    assert text.count("\n") == 1 and f"process {both[1 - loser].pid} on {platform.node()}" in text
    assert "wait for it, or choose another folder" in text
    assert whole(tmp_path / "out") == set(CASES) and leftovers(tmp_path) == []
    done = [event["case"] for event in events(tmp_path / "out") if event["event"] == "done"]
    assert sorted(done) == CASES


def test_the_lock_of_a_dead_process_is_taken_over_and_said(tmp_path: Path) -> None:
    with Lock(tmp_path) as first:
        assert first.taken_over == ""
    with Lock(tmp_path) as second:
        assert second.taken_over == "", "the first one ended in order"
    (tmp_path / LOCK).write_text(f"process 4 on {platform.node()}, batch abc\n")
    with Lock(tmp_path) as third:
        assert "process 4" in third.taken_over and "did not end in order" in third.taken_over


def test_a_lock_of_another_computer_counts_while_it_is_fresh(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 4 on node17, batch abc\n")
    with (
        pytest.raises(FileError, match=r"process 4 on node17, which gave a sign of life 0 s ago.*try again in 60 s"),
        Lock(tmp_path),
    ):
        pass
    assert "node17" in (tmp_path / LOCK).read_text()
    old = time.time() - 100
    os.utime(tmp_path / LOCK, (old, old))
    with Lock(tmp_path) as lock:
        assert "node17" in lock.taken_over


def test_a_running_batch_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("MedImgAnalysisLib.batch.lock.BEAT_SECONDS", 0.05)
    with Lock(tmp_path) as lock:
        os.utime(lock.path, (1, 1))
        until = time.monotonic() + 5
        while lock.path.stat().st_mtime < 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert lock.path.stat().st_mtime > 2


def test_a_case_of_a_batch_that_was_replaced_puts_nothing_in_place(tmp_path: Path) -> None:
    write_cohort(tmp_path, ["a"])
    out = tmp_path / "out"
    out.mkdir()
    with Lock(out) as lock:
        check_shared(str(lock.path), lock.token)
        still_wanted(str(lock.path), lock.token)
        run_case(RECIPE, {"t1": tmp_path / "a.nrrd"}, out / "a", check=lambda: still_wanted(str(lock.path), lock.token))
        with pytest.raises(Cancelled, match="has ended"):
            run_case(
                RECIPE, {"t1": tmp_path / "a.nrrd"}, out / "b", check=lambda: still_wanted(str(lock.path), "other")
            )
    assert whole(out) == {"a"} and leftovers(out) == []
    with pytest.raises(FileError, match="must share the file system"):
        check_shared(str(tmp_path / "elsewhere" / LOCK), "x")


def test_what_is_moved_away_before_it_is_deleted_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(tmp_path, ["a"])
    out = tmp_path / "out" / "a"
    run_case(RECIPE, {"t1": tmp_path / "a.nrrd"}, out)
    before = out.stat().st_ino
    real = os.rename

    def fails(source: Any, target: Any) -> None:
        if Path(target) == out and (Path(source) / "new").exists():
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(folders.os, "rename", fails)
    with pytest.raises(FileError, match="Input/output error"), folders.staged(out) as place:
        (place / "new").touch()
    assert out.stat().st_ino == before and whole(tmp_path / "out") == {"a"} and leftovers(tmp_path) == []


def test_cases_that_were_run_one_by_one_are_kept_by_a_batch_that_sums_up(tmp_path: Path) -> None:
    """As in an array of jobs on a cluster."""
    cohort, recipe = write_cohort(tmp_path, ["a", "b", "c"]), write_recipe(tmp_path / "recipe.json")
    for case in ("a", "c"):
        words = [
            "run",
            str(recipe),
            "--in",
            f"t1={tmp_path / case}.nrrd",
            "--out",
            str(tmp_path / "out"),
            "--case",
            case,
        ]
        assert main([*words, "--quiet"]) == 0
    result = run_batch(RECIPE, load(cohort, RECIPE), tmp_path / "out", workers=0)
    assert result.kept == ("a", "c") and [case.state for case in result.cases] == ["done"] * 3

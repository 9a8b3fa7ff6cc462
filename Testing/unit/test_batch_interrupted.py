"""A batch that is killed, stopped, or loses a worker goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from cases_testing import (
    SLOW,
    alive,
    events,
    leftovers,
    medimg,
    start,
    wait_for,
    write_cohort,
    write_recipe,
)

CASES = ["a", "b", "c", "d"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """A batch of four cases of about half a second each."""
    recipe = write_recipe(tmp_path / "recipe.json", SLOW, outputs=["slow"])
    return ["batch", recipe, write_cohort(tmp_path, CASES, size=48), "--out", tmp_path / "out", "--workers", "1"]


def happened(out: Path, event: str) -> list[dict[str, Any]]:
    return [entry for entry in events(out) if entry["event"] == event]


def hashes(out: Path) -> dict[str, str]:
    return {
        case: json.loads((out / case / "provenance.json").read_text())["outputs"]["slow"]["value_sha256"]
        for case in CASES
    }


def test_a_killed_batch_goes_on_without_redoing_what_was_finished_and_gives_the_same(
    command: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(*command)
    wait_for(lambda: len(happened(out, "started")) >= 2)
    process.kill()
    process.communicate()
    finished = [case for case in CASES if (out / case).is_dir()]
    assert finished and len(finished) < len(CASES)
    worker = happened(out, "started")[-1]["process"]
    wait_for(lambda: not alive(worker), seconds=20)
    inodes = {case: (out / case).stat().st_ino for case in finished}

    done = medimg(*command, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["done"] == CASES
    assert set(finished) <= set(answer["kept"])
    assert {case: (out / case).stat().st_ino for case in finished} == inodes
    assert leftovers(tmp_path) == []

    command[4] = tmp_path / "whole"
    assert medimg(*command).returncode == 0
    assert hashes(out) == hashes(tmp_path / "whole")
    assert (out / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_ctrl_c_stops_with_130_keeps_what_is_finished_and_ends_the_workers(
    command: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(*command, "--json")
    wait_for(lambda: len(happened(out, "started")) >= 2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    error = json.loads(stdout)["error"]
    assert error["kind"] == "Cancelled" and "goes on" in error["message"] and stderr == ""
    assert not any(alive(event["process"]) for event in happened(out, "started"))
    assert leftovers(tmp_path) == []
    states = {entry["id"]: entry["status"] for entry in json.loads((out / "results.json").read_text())["cases"]}
    assert states["a"] == "done" and states["d"] == "not run"
    assert {case for case, state in states.items() if state == "done"} == {
        case for case in CASES if (out / case).is_dir()
    }
    done = medimg(*command, "--json")
    assert done.returncode == 0 and "a" in json.loads(done.stdout)["kept"]


def test_ctrl_c_to_the_whole_terminal_group_is_the_same(command: list[object], tmp_path: Path) -> None:
    import subprocess

    from cases_testing import environment

    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "MedImgAnalysisLib", *map(str, command)],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(lambda: happened(out, "started"))
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.count("\n") == 1 and "Cancelled" in stderr
    assert happened(out, "failed") == []


def test_a_worker_that_dies_fails_its_case_alone(command: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(*command, "--json")
    second = wait_for(lambda: [event for event in happened(out, "started") if event["case"] == "b"])[0]
    os.kill(second["process"], signal.SIGKILL)
    stdout, _ = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert process.returncode == 1
    assert answer["done"] == ["a", "c", "d"]
    assert answer["failed"][0]["case"] == "b" and "killed" in answer["failed"][0]["error"]["message"]
    assert not (out / "b").exists()
    assert happened(out, "started")[-1]["process"] != second["process"]
    done = medimg(*command, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["kept"] == ["a", "c", "d"]
    assert leftovers(tmp_path) == []


def test_two_batches_at_once_do_not_meet(command: list[object], tmp_path: Path) -> None:
    first = start(*command)
    wait_for(lambda: happened(tmp_path / "out", "started"))
    second = medimg(*command)
    assert second.returncode == 2 and f"process {first.pid}" in second.stderr
    first.communicate(timeout=60)
    assert first.returncode == 0

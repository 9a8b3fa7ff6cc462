"""SIGKILL at any step of a batch: nothing finished is lost, nothing is there twice, nothing is there by half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases_testing import environment
from medimg_testing import Figures

TESTING = Path(__file__).resolve().parents[1]
RANDOM_KILLS = 200

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_batch_killed_at_random_steps_and_at_each_step_loses_and_repeats_nothing(
    tmp_path: Path, figures: Figures
) -> None:
    paths = os.pathsep.join([str(TESTING), environment()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, str(TESTING / "kill_points.py"), str(tmp_path), str(RANDOM_KILLS), "7"],
        env=environment() | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    figures.say("Kill points: " + ", ".join(f"{value} {name}" for name, value in seen.items()))
    assert seen["cases"] == 20 and seen["random kills"] >= RANDOM_KILLS
    assert (seen["lost"], seen["duplicated"], seen["redone"]) == (0, 0, 0)

"""The script that runs the command line inside Slicer ends with the right status in every case and opens no dialog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cases_testing import SLOW, environment, events, wait_for, write_cohort, write_recipe

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "medimg_in_slicer.py"


def start(*words: object, paths: Path | None = None) -> subprocess.Popen[str]:
    """Start the script, as Slicer does with the words behind its name."""
    places = environment()["PYTHONPATH"]
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, words)],
        env=environment() | {"PYTHONPATH": os.pathsep.join(filter(None, [str(paths or ""), places]))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: object, paths: Path | None = None) -> tuple[int, str, str]:
    """Status, standard output and error stream."""
    process = start(*words, paths=paths)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_batch_with_a_scene_ends_with_0_and_with_a_failed_case_with_1(tmp_path: Path) -> None:
    pytest.importorskip("slicer")
    recipe, cohort = write_recipe(tmp_path / "recipe.json"), write_cohort(tmp_path, ["a", "b"])
    words = ["batch", recipe, cohort, "--out", tmp_path / "out", "--scene", "--json"]
    status, out, _ = run(*words)
    assert status == 0 and json.loads(out)["done"] == ["a", "b"]
    assert (tmp_path / "out" / "a" / "a.mrb").is_file()
    (tmp_path / "b.nrrd").write_bytes(b"garbage")
    status, out, _ = run(*words)
    assert status == 1 and json.loads(out)["done"] == ["a"]


@pytest.mark.parametrize(
    ("words", "status", "word"),
    [
        (["operations"], 0, "gaussian"),
        (["--help"], 0, "usage"),
        (["--version"], 0, "MedImgAnalysis"),
        (["describe", "nothing"], 2, "nothing"),
        (["run", "no such recipe.json", "--out", "x"], 2, "no such recipe.json"),
        (["nonsense"], 2, "nonsense"),
        ([], 2, "COMMAND"),
    ],
)
def test_the_status_is_that_of_the_command(words: list[str], status: int, word: str) -> None:
    found, out, err = run(*words)
    assert found == status and word in out + err and "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.json", SLOW, outputs=["slow"])
    process = start("batch", recipe, write_cohort(tmp_path, ["a", "b", "c"], size=48), "--out", tmp_path / "out")
    wait_for(lambda: [event for event in events(tmp_path / "out") if event["event"] == "started"])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on" in err


def fake(folder: Path, body: str) -> Path:
    """A folder with a library in the place of ours."""
    (folder / "MedImgAnalysisLib").mkdir()
    (folder / "MedImgAnalysisLib" / "__init__.py").write_text("")
    (folder / "MedImgAnalysisLib" / "__main__.py").write_text(body)
    return folder


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ("def main(words):\n    raise ValueError('broken')\n", 2, "ValueError: broken"),
        ("def main(words):\n    raise KeyboardInterrupt\n", 130, "Cancelled"),
        ("def main(words):\n    raise SystemExit('text')\n", 2, ""),
        ("def main(words):\n    raise SystemExit\n", 0, ""),
        ("def main(words):\n    raise MemoryError\n", 2, "MemoryError"),
        ("import a_package_that_is_missing\n", 2, "a_package_that_is_missing"),
        ("def main(words):\n    def deeper(n):\n        deeper(n + 1)\n    deeper(0)\n", 2, "RecursionError"),
        ("import sys\n\ndef main(words):\n    sys.stdout = sys.stderr = None\n    return 1\n", 1, ""),
        ("import threading, time\n\ndef main(words):\n"
         "    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n    return 1\n", 1, ""),
    ],
)  # fmt: skip
def test_every_end_of_the_command_is_an_end_of_slicer(body: str, status: int, word: str, tmp_path: Path) -> None:
    found, _, err = run("x", paths=fake(tmp_path, body))
    assert found == status and word in err


def test_a_fault_at_the_very_end_does_not_keep_slicer(tmp_path: Path) -> None:
    body = (
        "import sys, threading, time\n\ndef main(words):\n    sys.modules['__main__'].SECONDS_TO_LEAVE = 0.5\n"
        "    threading.Thread(target=time.sleep, args=(99,)).start()\n    return 1\n"
    )
    assert run("x", paths=fake(tmp_path, body))[0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_an_output_that_nobody_reads_changes_no_status(tmp_path: Path) -> None:
    body = "def main(words):\n    input()\n    print('written at the end')\n    return 1\n"
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "x"],
        env=environment() | {"PYTHONPATH": str(fake(tmp_path, body)), "PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()
    process.stderr.read()
    assert process.wait(timeout=60) == 1


def test_a_dialog_is_closed_and_named(tmp_path: Path) -> None:
    """A Qt whose dialog waits until somebody answers it, as a modal one does."""
    (tmp_path / "qt.py").write_text(
        "import threading, time\n"
        "class Dialog:\n    windowTitle = 'Install packages?'\n    open = False\n"
        "    def reject(self):\n        Dialog.open = False\n"
        "    def exec_(self):\n        Dialog.open = True\n        while Dialog.open:\n            time.sleep(0.01)\n"
        "class QApplication:\n    @staticmethod\n    def activeModalWidget():\n"
        "        return Dialog() if Dialog.open else None\n"
        "class QTimer:\n    def setInterval(self, milliseconds):\n        self.wait = milliseconds / 1000\n"
        "    def connect(self, signal, slot):\n        assert signal == 'timeout()'\n        self.slot = slot\n"
        "    def start(self):\n        threading.Thread(target=self.run, daemon=True).start()\n"
        "    def run(self):\n        while True:\n            time.sleep(self.wait)\n            self.slot()\n"
    )
    body = "import qt\n\ndef main(words):\n    qt.Dialog().exec_()\n    return 1\n"
    status, _, err = run("x", paths=fake(tmp_path, body))
    assert status == 1 and err == "medimg: a dialog was closed: Install packages?\n"

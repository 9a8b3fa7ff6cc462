"""`medimg` as a process: Ctrl-C, the progress bar of a terminal, and what libraries print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
from cases_testing import blob, environment

WORKS_LONG = """
import sys, time
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.commands import apply
def execute(operation, inputs, *, origins, progress):
    print("working", file=sys.stderr, flush=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        LISTEN
        time.sleep(0.02)
apply.execute = execute
sys.exit(main(sys.argv[1:]))
"""


def started(tmp_path: Path, listens: bool, *more: str) -> subprocess.Popen[str]:
    """`medimg apply` in the middle of an operation that takes a minute."""
    sitk.WriteImage(blob(), str(tmp_path / "x.nrrd"))
    code = WORKS_LONG.replace("LISTEN", "progress.report(0.5)" if listens else "pass")
    words = ["apply", "gaussian", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd"), *more]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None and process.stderr.readline() == "working\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_ctrl_c_ends_with_130_and_leaves_nothing(mode: list[str], number: int, tmp_path: Path) -> None:
    process = started(tmp_path, True, *mode)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.nrrd"]
    if mode:
        assert json.loads(out)["error"]["kind"] == "Cancelled" and err == ""
    else:
        assert out == "" and "Cancelled" in err and err.count("\n") == 1


def test_a_second_ctrl_c_ends_what_does_not_listen(tmp_path: Path) -> None:
    process = started(tmp_path, False)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.nrrd"]


def test_what_a_library_prints_does_not_get_into_the_json_object(tmp_path: Path) -> None:
    sitk.WriteImage(blob(), str(tmp_path / "x.nrrd"))
    code = (
        "import os, sys; from MedImgAnalysisLib.__main__ import main; from MedImgAnalysisLib.commands import apply\n"
        "real = apply.execute\n"
        "def noisy(*a, **k):\n"
        "    os.write(1, b'library chatter\\n'); print('more'); return real(*a, **k)\n"
        "apply.execute = noisy\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["apply", "gaussian", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["operation"] == "gaussian"
    assert "library chatter" in done.stderr


def on_a_terminal(*words: str) -> tuple[str, str]:
    """What the program writes to a terminal as error stream, and to standard output."""
    import fcntl
    import pty
    import struct
    import termios

    main_end, program_end = pty.openpty()
    fcntl.ioctl(program_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "MedImgAnalysisLib", *words],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=program_end,
        text=True,
    )
    os.close(program_end)
    shown = b""
    while True:
        try:
            block = os.read(main_end, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(main_end)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return shown.decode(), out


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of Unix")
def test_a_terminal_gets_a_progress_bar_unless_quiet_or_json(tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    sitk.WriteImage(blob(size=48), str(tmp_path / "x.nrrd"))
    words = ["apply", "median", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd")]
    shown, out = on_a_terminal(*words)
    assert "Median" in shown and "%|" in shown and out == ""
    assert on_a_terminal(*words, "--quiet") == ("", "")
    shown, out = on_a_terminal(*words, "--json")
    assert shown == "" and json.loads(out)["operation"] == "median"


def test_without_tqdm_there_is_no_bar_and_all_the_rest(tmp_path: Path) -> None:
    sitk.WriteImage(blob(), str(tmp_path / "x.nrrd"))
    code = (
        "import sys; sys.modules['tqdm'] = None; sys.stderr.isatty = lambda: True\n"
        "from MedImgAnalysisLib.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["apply", "gaussian", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stderr == f"image: {tmp_path / 'y.nrrd'}\n"

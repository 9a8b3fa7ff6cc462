"""The extension as CMake configures, installs and packages it, with the stand-in for the macros of Slicer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = "lib/Slicer-5.12/qt-scripted-modules"
"""Where the one folder of all modules is below the place of installation."""


class Built(NamedTuple):
    """What the configure step recorded."""

    folder: Path
    modules: dict[str, str]
    files: list[tuple[str, Path, str]]
    tests: list[Path]
    extension: dict[str, str]


def _run(tool: str, words: list[str], folder: Path) -> None:
    """Run cmake or cpack; the test is skipped where it is not installed."""
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def configure(folder: Path, testing: bool) -> Built:
    """Configure the extension in an empty folder."""
    # A compiler is not needed to copy Python files, so none is looked for.
    no_compiler = [
        f"-DCMAKE_{language}_COMPILER{end}"
        for language in ("C", "CXX")
        for end in ("=cmake", "_FORCED=TRUE", "_WORKS=TRUE")
    ]
    stub = f"-DSlicer_DIR={ROOT / 'Testing' / 'cmake_stub'}"
    switch = f"-DBUILD_TESTING={'ON' if testing else 'OFF'}"
    _run("cmake", ["-S", str(ROOT), "-B", str(folder), stub, switch, *no_compiler], folder)
    lines = [line.split("|") for line in (folder / "record.txt").read_text(encoding="utf-8").splitlines()]
    return Built(
        folder,
        {line[1]: line[3] for line in lines if line[0] == "module"},
        [(line[1], Path(line[2]), line[3]) for line in lines if line[0] == "file"],
        [Path(line[1]) for line in lines if line[0] == "test"],
        {line[1]: line[2] for line in lines if line[0] == "extension"},
    )


def install(built: Built, folder: Path) -> None:
    """Install below a folder, as Slicer's extension manager unpacks a package."""
    _run("cmake", ["--install", str(built.folder), "--prefix", str(folder), "--config", "Release"], built.folder)


def package(built: Built) -> Path:
    """Make the archive of the extension."""
    _run("cpack", ["-C", "Release"], built.folder)
    (made,) = built.folder.glob("MedImgAnalysis*.zip")
    return made

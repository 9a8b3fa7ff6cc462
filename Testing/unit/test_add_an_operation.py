"""Following docs/add-an-operation.md word for word, on a copy of the repository, gives an operation that works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "add-an-operation.md").read_text(encoding="utf-8")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.egg-info", "pictures", ".*", "build")


def copy_of_the_repository(folder: Path) -> None:
    for name in ("MedImgAnalysis", "Testing", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=SKIPPED)
    shutil.copy(ROOT / "pyproject.toml", folder)


def files_to_write() -> dict[str, str]:
    """The files that the page shows whole, by their paths."""
    return dict(re.findall(r"^`([\w/.]+)`:\n\n```py\n(.*?)^```$", TEXT, re.M | re.S))


def lines_to_add() -> list[tuple[str, str, str]]:
    """(path, what is there, what it becomes) of the changes that the page shows."""
    path, blocks = re.search(r"^`([\w/.]+)`:\n\n((?:```diff\n.*?^```\n+)+)", TEXT, re.M | re.S).groups()
    changes = []
    for block in re.findall(r"```diff\n(.*?)^```", blocks, re.M | re.S):
        lines = block.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] == " ")
        changes.append((path, before, "".join(line[1:] for line in lines)))
    return changes


def commands() -> list[str]:
    """The lines that the page runs, up to those of the style."""
    block = re.search(r"## 4\. Run it\n\n```console\n(.*?)^```", TEXT, re.M | re.S)[1]
    return [line.removeprefix("$ ") for line in block.splitlines()]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the repository with what the page adds."""
    copy_of_the_repository(tmp_path)
    for path, text in files_to_write().items():
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text, encoding="utf-8")
    for path, before, after in lines_to_add():
        text = (tmp_path / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{path} has no single {before!r} any more; change the page"
        (tmp_path / path).write_text(text.replace(before, after), encoding="utf-8")
    return tmp_path


def test_the_page_gives_an_operation_that_keeps_every_contract(repository: Path) -> None:
    assert len(files_to_write()) == 2 and len(lines_to_add()) == 2 and len(commands()) == 5
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(27, dtype=np.float32).reshape(3, 3, 3)), repository / "t1.nrrd")
    environment = {**os.environ, "PYTHONPATH": str(repository / "MedImgAnalysis")}
    said = []
    for line in commands():
        words = [sys.executable, *shlex.split(line.replace("medimg ", "python -m MedImgAnalysisLib ", 1))[1:]]
        done = subprocess.run(words, cwd=repository, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said.append(done.stdout)
    assert "[100%]" in said[0]
    page = (repository / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "\n## logarithm\n" in page and "Step above `lowest` that becomes log 2" in page
    texts = (repository / "MedImgAnalysis/MedImgAnalysisLib/panel/catalog_texts.py").read_text(encoding="utf-8")
    assert '_("Step above `lowest` that becomes log 2, ' in texts
    assert "Compress large values" in said[3]
    expected = np.log1p(np.arange(27) / 100).reshape(3, 3, 3)
    np.testing.assert_allclose(sitk.GetArrayFromImage(sitk.ReadImage(repository / "log.nrrd")), expected, rtol=1e-6)


def test_the_style_of_the_page_is_that_of_the_repository(repository: Path) -> None:
    ruff = pytest.importorskip("ruff", reason="ruff is not installed")
    files = [str(repository / path) for path in [*files_to_write(), lines_to_add()[0][0]]]
    for words in (["check"], ["format", "--check"]):
        command = [ruff.find_ruff_bin(), *words, "--no-cache", "--config", str(ROOT / "pyproject.toml"), *files]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

"""The documents are a site: every page is in its list, and no link of it leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason=f"{package} is not installed; pip install '.[docs]'")
    words = ["-W", "--keep-going", "-q", "-d", str(tmp_path / "trees"), "-c", "docs", ".", str(tmp_path / "site")]
    command = [sys.executable, "-m", "sphinx", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "README.html", "docs/index.html", "docs/operations.html"} <= pages
    assert {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} <= pages
    assert "url=docs/index.html" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")

"""The workflow and the container file speak of things that there are: files, extras, Pythons, commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from MedImgAnalysisLib import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli", reason="tomli is not installed")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """The jobs of the workflow."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found = yaml.safe_load(WORKFLOW)
    assert found["permissions"] == {"contents": "read"}
    return found["jobs"]


def test_the_workflow_tests_every_python_that_is_supported_on_three_systems(jobs: dict[str, Any]) -> None:
    matrix = jobs["tests"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == named and f">={named[0]}" == PROJECT["requires-python"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "windows", "macos"}


def test_the_workflow_runs_what_the_documents_say(jobs: dict[str, Any]) -> None:
    lines = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert any(line.startswith("python -m pytest -n auto --dist worksteal") for line in lines)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    site = "python -m sphinx -W --keep-going -c docs . build/site"
    assert site in lines and f"`{site}`" in contributing
    for path in set(re.findall(r"(?:Testing|docs|MedImgAnalysis)/[\w/]+\.\w+", WORKFLOW)):
        assert (ROOT / path).is_file(), path


def test_pytest_takes_the_options_of_the_workflow_and_of_the_documents(jobs: dict[str, Any]) -> None:
    """Options of our own are known before the tests are found only when they hold no blank: `--figures=FILE`."""
    lines = [line for job in jobs.values() for step in job["steps"] for line in step.get("run", "").splitlines()]
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    commands = [line for line in lines if line.startswith("python -m pytest")]
    commands += re.findall(r"`(python -m pytest[^`]*--figures[^`]*)`", told)
    assert len(commands) >= 2 and any("--figures" in command for command in commands)
    for command in commands:
        words = [sys.executable, *command.split()[1:], "--markers"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


def test_the_workflow_names_every_module_for_slicer(jobs: dict[str, Any]) -> None:
    named = jobs["slicer"]["env"]["MODULES"].split()
    there = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("MedImgAnalysis/MedImg*/MedImg*.py")}
    assert set(named) == {"MedImgAnalysis"} | there


def test_every_job_has_an_end_and_every_action_a_version(jobs: dict[str, Any]) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action) for action in used), used


def test_the_container_copies_files_that_there_are_and_that_are_let_through() -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in IGNORED, source


def test_the_container_installs_extras_and_starts_a_command_that_there_are() -> None:
    (extras,) = re.findall(r"\$\{wheel\}\[([\w,]+)\]", DOCKERFILE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert re.search(r'^ENTRYPOINT \["medimg"\]$', DOCKERFILE, re.M) and "medimg" in PROJECT["scripts"]
    assert re.search(r"^USER (?!0|root)\w+$", DOCKERFILE, re.M)
    assert DOCKERFILE.count("python:3.12-slim") == 2


def test_the_citation_is_of_this_version_and_place() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] in (ROOT / "README.md").read_text(encoding="utf-8")
    assert citation["cff-version"] == "1.2.0" and citation["title"].startswith(PROJECT["name"])


def test_text_files_have_line_feeds_everywhere() -> None:
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    endings = {".py", ".md", ".txt", ".json", ".cmake", ".svg", ".ui", ".toml", ".yml", ".cff"}
    folders = [ROOT / name for name in ("MedImgAnalysis", "Testing", "docs", "Resources", ".github")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in endings]
    assert len(files) > 500
    assert [path for path in files if b"\r\n" in path.read_bytes()] == []

"""What the documents say is true: commands run, code runs, links lead somewhere, the reference is current."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files, phantom
from MedImgAnalysisLib.catalog import OPERATIONS
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Frames

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")

PRELUDE = """
import types
from MedImgAnalysisLib.scene import standalone
standalone.start()
import slicer
from MedImgAnalysisLib import files
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.logic import OperationLogic
from MedImgAnalysisLib.scene.recipes import RecipeLogic
bridge.add_node(files.read("t1.nrrd", "image"), "Phantom T1", kind="image")
bridge.add_node(files.read("flair.nrrd", "image"), "Phantom FLAIR", kind="image")
for name in ("reader1", "reader2", "regions"):
    bridge.add_node(files.read(f"{name}.seg.nrrd", "labels"), name, kind="labels")
for name in ("liver", "spleen", "kidneys"):
    bridge.add_node(files.read(f"{name}.mrk.json", "landmarks"), name, kind="landmarks")
for name in ("january", "june", "baseline", "followup", "abdomen"):
    bridge.add_node(files.read(f"{name}.nrrd", "image"), name, kind="image")
modules = ("MedImgFiltering", "MedImgRegistration", "MedImgSegmentation", "MedImgAgreement", "MedImgQuality")
logics = {**dict.fromkeys(modules, OperationLogic()), "MedImgRecipes": RecipeLogic()}
slicer.util.getModuleLogic = logics.__getitem__
"""
"""What Slicer has and plain Python has not, for code that is meant for the console."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)


def recipe_of(path: Path) -> str:
    """The recipe that a document shows, else that of the README."""
    return next((b for b in blocks(path, "json") + blocks(ROOT / "README.md", "json") if "medimg_recipe" in b), "")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents mention."""
    folder = tmp_path_factory.mktemp("documents")
    head = phantom.head(1, flair_spacing_mm=(4.0, 4.0, 4.0), t1_spacing_mm=(4.0, 4.0, 4.0))
    for name, image in (("t1", head.t1), ("flair", head.flair)):
        files.write(image, folder / f"{name}.nrrd", "image")
    files.write(head.truth, folder / "truth.seg.nrrd", "labels")
    shifts = (sitk.TranslationTransform(3, (float(n), -0.5 * n, 0.0)) for n in range(3))
    moved = tuple(resample(head.t1, Grid.of(head.t1), shift) for shift in shifts)
    files.write(Frames(moved, (0, 1.5, 3), "time", "s"), folder / "cine.nii.gz")
    (folder / "cohort.csv").write_text(
        "id,t1,flair,age\ncase01,t1.nrrd,flair.nrrd,52\ncase02,t1.nrrd,flair.nrrd,47\n", encoding="utf-8"
    )
    visit = folder / "study" / "case01" / "before"
    visit.mkdir(parents=True)
    for name in ("t1", "flair"):
        (visit / f"{name}.nrrd").write_bytes((folder / f"{name}.nrrd").read_bytes())
    for name in ("tutorial_data", "registration_data", "organ_data", "cohort_data"):
        script(name).write(folder)
    return folder


@cache
def script(name: str) -> ModuleType:
    """A script that makes images for the documents."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(images: Path, tmp_path: Path) -> Path:
    """A fresh folder with these files."""
    shutil.copytree(images, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "MedImgAnalysis")}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=240, env=environment
    )


def commands(path: Path) -> list[str]:
    """The `medimg` lines of a document, without the demo, which has its own test."""
    lines = [line for block in blocks(path, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("medimg ") and not line.startswith("medimg demo")]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if commands(p)], ids=name_of)
def test_the_commands_of_a_document_run_in_its_order(path: Path, folder: Path) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    (folder / "recipe.json").write_text(recipe_of(path), encoding="utf-8")
    for line in commands(path):
        done = run(["-m", "MedImgAnalysisLib", *shlex.split(line)[1:]], folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if "--json" in line:
            assert isinstance(json.loads(done.stdout), dict), line


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=name_of)
def test_the_python_code_of_a_document_runs_in_its_order(path: Path, folder: Path) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    (folder / "recipe.json").write_text(recipe_of(path), encoding="utf-8")
    code = "\n".join(blocks(path, "python"))
    code = "from __future__ import annotations\n" + PRELUDE + code.replace("from __future__ import annotations\n", "")
    (folder / "code.py").write_text(code, encoding="utf-8")
    done = run(["code.py"], folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_recipes_of_a_document_can_be_run(path: Path) -> None:
    recipes = [block for block in blocks(path, "json") if "medimg_recipe" in block]
    for block in recipes:
        assert Recipe.from_json(block).problems() == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_links_of_a_document_lead_to_files_and_headings(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} in {path.name}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.M)
            assert heading in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}, target


def test_the_readme_has_its_two_commands() -> None:
    lines = [line for line in README.splitlines() if line.startswith("python -m pip install")]
    assert lines == [
        'python -m pip install ".[standalone]" && python -m MedImgAnalysisLib demo',
        'python -m pip install -e ".[test]" && python -m pytest -n auto --dist worksteal',
    ]
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"^standalone = ", pyproject, re.M)
    assert re.search(r"^test = ", pyproject, re.M)


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 -E '([^']+)' README.md", script)
    assert pattern is not None
    found = [line for line in README.splitlines() if re.search(pattern[1], line)]
    assert found == ['python -m pip install -e ".[test]" && python -m pytest -n auto --dist worksteal']
    assert os.access(ROOT / ".ci" / "run", os.X_OK) or os.name == "nt"


def test_the_readme_has_a_sentence_for_each_module() -> None:
    for module in (ROOT / "MedImgAnalysis").glob("MedImg*/MedImg*.py"):
        title = re.search(r'title = _\("([^"]+)"\)', module.read_text(encoding="utf-8"))
        assert title is not None
        assert f"* **{title[1]}**: " in README
    for section in ("Install in 3D Slicer", "Cite", "License"):
        assert f"\n## {section}\n" in README


def test_the_reference_of_operations_is_current() -> None:
    done = run([str(ROOT / "docs" / "make_reference.py"), "--check"], ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, operation in OPERATIONS.items():
        assert f"\n## {name}\n" in page
        assert all(f"`{parameter.name}`" in page for parameter in operation.parameters())


def test_the_commands_that_are_documented_are_those_there_are() -> None:
    usage = run(["-m", "MedImgAnalysisLib", "--help"], ROOT).stdout
    there_are = set(re.findall(r"^    ([a-z][a-z\-]+)(?: |$)", usage, re.M))
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `medimg ([a-z\-]+)", page, re.M)) == there_are


@pytest.mark.parametrize(("words", "status"), [(["operations"], 0), (["describe", "nothing"], 2)])
def test_the_wrapper_for_slicer_ends_with_the_status_of_the_command(
    words: list[str], status: int, folder: Path
) -> None:
    assert run([str(ROOT / "docs" / "medimg_in_slicer.py"), *words], folder).returncode == status


def test_the_version_is_the_same_everywhere() -> None:
    from MedImgAnalysisLib import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.M)
    assert "## [Unreleased]" in changelog or released[0] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert released == sorted(released, key=lambda version: [int(part) for part in version.split(".")], reverse=True)

"""The library works where Slicer installs it, from the folders of the sources, and as a wheel."""

from __future__ import annotations

import ast
import email
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from extension_testing import INSTALLED, configure, install

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "MedImgAnalysis"
NAMES = sorted(path.stem for path in [*MODULES.glob("MedImg*.py"), *MODULES.glob("MedImg*/MedImg*.py")])
FILES = sorted(path.relative_to(MODULES).as_posix() for path in (MODULES / "MedImgAnalysisLib").rglob("*.py"))
APPLICATION = all(find_spec(package) for package in ("PySide6", "slicer"))


def fresh(words: list[str], folder: Path, *path: Path) -> str:
    """What a fresh interpreter in an empty folder says; the path is what is given and the installed packages."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    variables |= {"PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": os.pathsep.join(map(str, path))} if path else {})
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=variables, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def imported(folder: Path, *path: Path, modules: bool) -> dict[str, dict[str, str]]:
    """Names and files of what `import_everything.py` could import."""
    words = [str(ROOT / "Testing" / "import_everything.py"), *(["--modules"] if modules else []), *map(str, path)]
    return json.loads(fresh(words, folder).splitlines()[-1])


def check(found: dict[str, dict[str, str]], home: Path, modules: bool) -> None:
    """Everything was imported, and from `home`."""
    for files in found.values():
        assert {file for file in files.values() if home.resolve() not in Path(file).resolve().parents} == set()
    if modules:
        assert sorted(found["modules"]) == NAMES
    else:
        assert set(found) == {"library"}
    wanted = {re.sub(r"(/__init__)?\.py$", "", file).replace("/", ".") for file in FILES} - {"MedImgAnalysisLib"}
    if not modules:
        wanted = {name for name in wanted if name.split(".")[1] not in ("panel", "scene")}
    assert set(found["library"]) == wanted


def test_the_installed_folder_is_enough(tmp_path: Path) -> None:
    """Nothing outside of it is needed: the repository is not on the path."""
    build, place, empty = tmp_path / "build", tmp_path / "place", tmp_path / "empty"
    for folder in (build, empty):
        folder.mkdir()
    install(configure(build, testing=False), place)
    flat = place / INSTALLED
    check(imported(empty, flat, modules=APPLICATION), flat, APPLICATION)
    assert "MedImgAnalysis " in fresh(["-m", "MedImgAnalysisLib", "--version"], empty, flat)


def test_the_folders_of_the_sources_are_enough(tmp_path: Path) -> None:
    folders = [MODULES, *sorted(path.parent for path in MODULES.glob("MedImg*/MedImg*.py"))]
    check(imported(tmp_path, *folders, modules=APPLICATION), MODULES, APPLICATION)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the build reads, without the network."""
    if not find_spec("setuptools") or int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools 77 or newer is not installed, so no wheel can be built without the network")
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(MODULES, folder / "source" / "MedImgAnalysis", ignore=shutil.ignore_patterns("*.egg-info", "*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, folder / "source")
    words = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "./source"]
    fresh(words, folder)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_is_enough(wheel: Path, tmp_path: Path) -> None:
    place, empty = tmp_path / "place", tmp_path / "empty"
    empty.mkdir()
    fresh(["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(place), str(wheel)], empty)
    check(imported(empty, place, modules=False), place, modules=False)
    assert "MedImgAnalysis " in fresh(["-m", "MedImgAnalysisLib", "--version"], empty, place)


def test_the_wheel_has_the_library_its_types_and_its_license_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        entries = archive.read(f"{info}/entry_points.txt").decode()
    assert {name for name in names if ".dist-info/" not in name} == {*FILES, "MedImgAnalysisLib/py.typed"}
    assert f"{info}/licenses/LICENSE.txt" in names
    assert "medimg = MedImgAnalysisLib.__main__:main" in entries
    assert (metadata["Name"], metadata["License-Expression"]) == ("MedImgAnalysis", "Apache-2.0")
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert re.fullmatch(r"medimganalysis-\d+\.\d+\.\d+-py3-none-any\.whl", wheel.name)


def statements_with_effect(path: Path) -> list[str]:
    """What a file does when it is imported, besides importing and defining."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return [
        f"{path.name}:{node.lineno}: {ast.unparse(node)[:60]}"
        for node in tree.body
        if not isinstance(node, kept) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_module_file_defines_its_classes_and_does_nothing_else(name: str) -> None:
    (path,) = [*MODULES.glob(f"{name}.py"), *MODULES.glob(f"{name}/{name}.py")]
    assert statements_with_effect(path) == []
    allowed = {*sys.stdlib_module_names, "slicer", "vtk", "SimpleITK", "numpy", "scipy", "MedImgAnalysisLib"}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert {word.split(".")[0] for word in named} <= allowed, ast.unparse(node)

"""The plan of the house holds: who may import whom, what may not be called, how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "MedImgAnalysis"
LIBRARY = MODULES / "MedImgAnalysisLib"
PACKAGE = "MedImgAnalysisLib"

OPERATIONS = {"filtering", "registration", "segmentation", "agreement", "quality"}
LOWEST = {
    "__init__",
    "errors",
    "progress",
    "geometry",
    "values",
    "docstrings",
    "parameters",
    "resampling",
    "blockwise",
    "kernels",
    "boxes",
    "frames",
}
"""Plain building blocks; they import each other only."""
CORE = LOWEST | {"operation", "slabs", "machine", "rates_table", "rates", "plan", "tiles", "provenance", "compare"}
BUILDING = {"recipe_edit", "history"}
ENGINE = (
    CORE
    | OPERATIONS
    | BUILDING
    | {"catalog", "framewise", "execution", "recipe_steps", "recipe", "evidence", "preview"}
)
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(LOWEST, LOWEST),
    "operation": LOWEST | {"operation"},
    "slabs": LOWEST | {"operation"},
    "machine": LOWEST,
    "rates_table": set(),
    "rates": LOWEST | {"operation", "machine", "rates_table"},
    "plan": LOWEST | {"operation", "framewise", "slabs", "machine", "rates"},
    "tiles": LOWEST | {"operation", "slabs", "machine", "plan"},
    "provenance": CORE,
    "compare": CORE,
    **{room: LOWEST | {"operation", room} for room in OPERATIONS},
    # Finding the body and judging what a filter did are matters of image quality.
    "filtering": LOWEST | {"operation", "filtering", "quality"},
    # A registration is judged by the overlap of segments and the likeness of images; nothing is written twice.
    "registration": LOWEST | {"operation", "framewise", "registration", "agreement", "quality"},
    # The mesh of a segment is that of its features.
    "segmentation": LOWEST | {"operation", "segmentation", "quality"},
    "catalog": LOWEST | OPERATIONS | {"operation"},
    "framewise": LOWEST | {"operation"},
    "execution": CORE | {"framewise"},
    "preview": CORE | {"execution"},
    "recipe_steps": LOWEST | {"operation", "catalog", "recipe_steps"},
    "recipe": ENGINE - BUILDING - {"evidence"},
    "recipe_edit": LOWEST | {"operation", "catalog", "recipe_steps", "recipe"},
    "history": LOWEST | {"catalog", "recipe", "recipe_edit"},
    "evidence": ENGINE,
    "files": LOWEST | {"files"},
    "scene": ENGINE | {"scene", "pages"},
    "panel": ENGINE | {"scene", "pages", "batch", "panel"},
    "pages": LOWEST | {"operation", "files", "pages"},
    "dicom_out": LOWEST | {"files", "dicom_out"},
    "deidentify": LOWEST | {"files", "deidentify"},
    "batch": ENGINE | {"files", "scene", "pages", "dicom_out", "batch"},
    "stress": ENGINE | {"files", "pages", "batch", "stress"},
    "phantom": LOWEST,
    "demo_truth": LOWEST | {"phantom"},
    "demo": ENGINE | {"files", "scene", "pages", "batch", "phantom", "demo_truth"},
    "commands": ENGINE
    | {"files", "scene", "pages", "batch", "stress", "phantom", "demo", "dicom_out", "deidentify", "commands"},
    "__main__": ENGINE | {"batch", "commands", "__main__"},
}
"""Rooms (packages and files of the library) and the rooms they may import."""

ONLY_IN = {
    # The panel takes widgets and translation from slicer; nodes it leaves to the scene.
    "slicer": {"scene", "panel"},
    "ctk": {"panel"},
    "qt": {"panel"},
    "vtk": {"scene"},
    "vtkmodules": {"scene"},
    "pydicom": {"files", "dicom_out", "deidentify"},
    "highdicom": {"dicom_out"},
    "dicomanonymizer": {"deidentify"},
    "dask": {"batch"},
    "distributed": {"batch"},
    "skimage": OPERATIONS,
    "scipy": OPERATIONS | LOWEST,
    "SimpleITK": set(MAY_IMPORT),
    "numpy": set(MAY_IMPORT),
    "tqdm": {"__main__", "commands", "batch"},
}
"""Packages that are not of the standard library, and the rooms that may import them."""

LAZY = {
    "slicer",
    "vtk",
    "vtkmodules",
    "qt",
    "ctk",
    "scipy",
    "pydicom",
    "dask",
    "distributed",
    "skimage",
    "tqdm",
    "highdicom",
    "dicomanonymizer",
}
"""Packages that the start of the command line must not pay for."""

FORBIDDEN_CALLS = {
    "itkImageFromVolume": "does not copy with the right geometry",
    "addVolumeFromITKImage": "does not copy with the right geometry",
    "PullVolumeFromSlicer": "ignores parent transforms",
    "PushVolumeToSlicer": "ignores parent transforms",
    "exec": "code that is built at run time",
    "eval": "code that is built at run time",
}


def library_files() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def module_files() -> list[Path]:
    return sorted([*MODULES.glob("*.py"), *MODULES.glob("MedImg*/MedImg*.py")])


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def room(path: Path) -> str:
    first = path.relative_to(LIBRARY).parts[0]
    return first.removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[tuple[str, bool, int]]:
    """(dotted absolute name, whether at file scope, line) of every import of a library file."""
    at_top = {id(node) for node in _file_scope(tree(path).body)}
    package = [PACKAGE, *path.relative_to(LIBRARY).parts[:-1]]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in at_top, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                base += node.module.split(".") if node.module else []
            else:
                base = (node.module or "").split(".")
            # `from . import errors` names a file, `from .errors import X` a thing in it.
            for alias in node.names:
                yield ".".join([*base, alias.name]), id(node) in at_top, node.lineno


def _file_scope(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import; those under `if TYPE_CHECKING` do not."""
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from _file_scope(node.body)
            yield from _file_scope(node.orelse)
        elif isinstance(node, (ast.Try, ast.With)):
            yield from _file_scope(node.body)
            for handler in getattr(node, "handlers", []):
                yield from _file_scope(handler.body)
        elif isinstance(node, ast.ClassDef):
            yield from _file_scope(node.body)
        else:
            yield node


def test_every_room_of_the_library_is_in_the_plan() -> None:
    assert {room(path) for path in library_files()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", library_files(), ids=name_of)
def test_arrows_between_rooms_go_the_right_way(path: Path) -> None:
    wrong = []
    for name, _, line in imported(path):
        parts = name.split(".")
        if parts[0] == PACKAGE:
            target = parts[1] if len(parts) > 1 else "__init__"
            target = target if target in MAY_IMPORT else "__init__"
            if target not in MAY_IMPORT[room(path)]:
                wrong.append(f"line {line}: {room(path)} may not import {target}")
    assert wrong == []


@pytest.mark.parametrize("path", library_files(), ids=name_of)
def test_other_packages_are_imported_only_where_they_belong(path: Path) -> None:
    wrong = []
    for name, at_top, line in imported(path):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top == PACKAGE:
            continue
        if room(path) not in ONLY_IN.get(top, set()):
            wrong.append(f"line {line}: {top} in {room(path)}")
        elif top in LAZY and at_top and room(path) not in ("scene", "panel"):
            wrong.append(f"line {line}: {top} at file scope; import it in the function that needs it")
    assert wrong == []


@pytest.mark.parametrize("path", [*library_files(), *module_files()], ids=name_of)
def test_nothing_forbidden_is_called(path: Path) -> None:
    wrong = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in FORBIDDEN_CALLS:
                wrong.append(f"line {node.lineno}: {called}: {FORBIDDEN_CALLS[called]}")
            if called == "GetArrayViewFromImage" and node.args and isinstance(node.args[0], ast.Call):
                wrong.append(f"line {node.lineno}: a view of an image that nobody holds reads freed memory")
            if called in ("_", "tr", "translate") and any(isinstance(arg, ast.JoinedStr) for arg in node.args):
                wrong.append(f"line {node.lineno}: an f-string cannot be translated")
        if (
            isinstance(node, ast.ExceptHandler)
            and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
            and all(isinstance(line, ast.Pass) for line in node.body)
        ):
            wrong.append(f"line {node.lineno}: every error is swallowed")
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc):
            wrong.append(f"line {node.lineno}: NotImplementedError")
    assert wrong == []


def test_a_view_of_a_temporary_image_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import SimpleITK as sitk\na = sitk.GetArrayViewFromImage(sitk.Cast(b, 3))\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="freed memory"):
        test_nothing_forbidden_is_called(bad)


def test_a_wrong_arrow_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "LIBRARY", tmp_path)
    bad = tmp_path / "filtering" / "bad.py"
    bad.parent.mkdir()
    bad.write_text("def run():\n    from ..registration.register import Register\n    import slicer\n")
    with pytest.raises(AssertionError, match="filtering may not import registration"):
        test_arrows_between_rooms_go_the_right_way(bad)
    with pytest.raises(AssertionError, match="slicer in filtering"):
        test_other_packages_are_imported_only_where_they_belong(bad)


def code_files() -> list[Path]:
    helpers = [p for p in (ROOT / "Testing").rglob("*.py") if "__pycache__" not in p.parts]
    return sorted([*library_files(), *module_files(), *helpers, *(ROOT / "docs").glob("*.py")])


MADE = LIBRARY / "panel" / "catalog_texts.py"
"""Made by docs/make_texts.py, a line per text."""


@pytest.mark.parametrize("path", [path for path in code_files() if path != MADE], ids=name_of)
def test_no_file_is_longer_than_one_concept(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", code_files(), ids=name_of)
def test_no_unfinished_work_is_left(path: Path) -> None:
    # Split so that this file does not find itself; Qt's line edits have a text of that name.
    words = "|".join(["TO" + "DO", "FIX" + "ME", r"\bXX" + r"X\b", "[Pp]lace" + "holder(?!Text)", "proto" + "type"])
    assert re.findall(words, path.read_text(encoding="utf-8")) == []


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", library_files(), ids=name_of)
def test_public_functions_and_classes_say_what_they_do(path: Path) -> None:
    missing = [] if ast.get_docstring(tree(path)) else ["the file itself"]
    for node in _public(tree(path).body):
        if ast.get_docstring(node) is None and not _is_named_tuple(node):
            missing.append(node.name)
    assert missing == []


def _is_named_tuple(node: ast.stmt) -> bool:
    """The outputs of an operation; its docstring section describes them."""
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "NamedTuple" for base in node.bases)


def test_each_module_class_inherits_directly_so_that_slicer_finds_it_in_a_dropped_folder() -> None:
    for path in module_files():
        classes = [node for node in tree(path).body if isinstance(node, ast.ClassDef)]
        bases = {node.name: [ast.unparse(base) for base in node.bases] for node in classes}
        assert "ScriptedLoadableModule" in bases[path.stem], path


def test_importing_the_whole_catalog_loads_neither_slicer_nor_vtk_nor_scipy() -> None:
    code = (
        "import sys; import MedImgAnalysisLib.catalog, MedImgAnalysisLib.recipe; "
        "print([m for m in ('slicer', 'vtk', 'scipy', 'pydicom', 'qt', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=MODULES, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"

"""The extension that CMake would build: every file is installed, and the index's rules are kept.

CMake really runs, against a stand-in for Slicer's macros in Testing/cmake_stub.
"""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from extension_testing import INSTALLED, Built, configure, install, package

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "MedImgAnalysis"
TOP = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
LICENSE_NAMES = ["LICENSE", "LICENCE", "License.txt", "license.txt", "LICENSE.txt", "COPYING", "COPYING.txt"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return configure(tmp_path_factory.mktemp("build"), testing=True)


def wanted_files() -> set[Path]:
    """The files under MedImgAnalysis/ that a user of the extension needs."""
    found = set()
    for path in MODULES.rglob("*"):
        parts = path.relative_to(MODULES).parts
        hidden = any(p.startswith(".") or p in ("__pycache__", "Testing") or p.endswith(".egg-info") for p in parts)
        if path.is_file() and not hidden and path.name != "CMakeLists.txt" and path.suffix != ".pyc":
            found.add(path)
    return found


def test_cmake_installs_exactly_the_files_that_exist(built: Built) -> None:
    installed = {source.resolve() for _, source, _ in built.files}
    wanted = {path.resolve() for path in wanted_files()}
    assert len(wanted) > 50
    assert sorted(map(str, wanted - installed)) == [], "files that CMake does not install"
    assert sorted(map(str, installed - wanted)) == [], "files that CMake installs and nobody needs"


def test_no_two_files_are_installed_at_one_place(built: Built) -> None:
    """All modules of an extension share one folder; on some systems case does not distinguish names."""
    places = [place.casefold() for _, _, place in built.files]
    assert sorted({place for place in places if places.count(place) > 1}) == []


def test_files_keep_their_place_in_the_package(built: Built) -> None:
    for module, source, place in built.files:
        expected = source.relative_to(MODULES)
        if expected.parts[0] != "MedImgAnalysisLib" and (MODULES / expected.parts[0]).is_dir():
            expected = Path(*expected.parts[1:]) if expected.parts[0] == module else expected
        assert PurePosixPath(place) == PurePosixPath(expected.as_posix()), source


def test_nothing_is_installed_under_a_name_that_others_use(built: Built) -> None:
    """Top-level packages called Testing, Support or Widgets collide with those of other extensions."""
    tops = {PurePosixPath(place).parts[0] for _, _, place in built.files}
    assert all(top == "Resources" or top.startswith("MedImg") for top in tops), tops
    resources = [PurePosixPath(place).name for _, _, place in built.files if place.startswith("Resources/")]
    assert all(name.startswith("MedImg") for name in resources), resources


def test_every_module_folder_is_built_and_has_generic_tests(built: Built) -> None:
    folders = {p.name for p in MODULES.iterdir() if (p / f"{p.name}.py").is_file()} | {"MedImgAnalysis"}
    assert set(built.modules) == folders
    assert all(options == "generic_tests=TRUE" for options in built.modules.values())


def test_every_module_registers_its_self_test(built: Built) -> None:
    tested = {path.stem for path in built.tests}
    assert set(built.modules) <= tested
    assert all(path.is_file() for path in built.tests)


def test_the_index_configures_without_tests(tmp_path: Path) -> None:
    assert configure(tmp_path, testing=False).tests == []


def test_the_install_tree_holds_the_files_in_one_folder(built: Built, tmp_path: Path) -> None:
    """What is installed is byte for byte what is in the repository; nothing lies beside the folder of the modules."""
    install(built, tmp_path)
    folder = tmp_path / INSTALLED
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {f[2] for f in built.files}
    assert all((folder / place).read_bytes() == source.read_bytes() for _, source, place in built.files)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and folder not in p.parents]


def test_the_package_holds_what_is_installed(built: Built) -> None:
    with zipfile.ZipFile(package(built)) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert names == {f"{INSTALLED}/{place}" for _, _, place in built.files}


def test_the_package_carries_its_own_license_and_readme(built: Built) -> None:
    assert Path(built.extension["LICENSE_FILE"]).resolve() == ROOT / "LICENSE.txt"
    assert Path(built.extension["README_FILE"]).resolve() == ROOT / "README.md"
    assert built.extension["DEPENDS"] == "NA"
    assert built.extension["PACKAGED"] == "TRUE"


def quoted(variable: str) -> str:
    """The value as the checker of the extensions index finds it: one quoted string on one line."""
    found = re.findall(rf'set\s*\({variable}\s*"([^"]+)"\)', TOP)
    assert len(found) == 1, variable
    return found[0]


def test_the_project_name_is_the_extension_name() -> None:
    assert re.findall(r"project\s*\(\s*([^\s\)]+)", TOP, re.I) == ["MedImgAnalysis"]


@pytest.mark.parametrize("variable", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_of_the_index_page_are_files_of_the_repository(variable: str) -> None:
    for url in quoted(variable).split():
        head, _, path = url.partition("/main/")
        assert head == "https://raw.githubusercontent.com/MedImgAnalysis/SlicerMedImgAnalysis"
        picture = (ROOT / path).read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n", path


def test_the_icon_is_128_pixels_square() -> None:
    header = (ROOT / "Resources" / "Icons" / "MedImgAnalysis.png").read_bytes()[16:24]
    assert struct.unpack(">II", header) == (128, 128)


def test_the_metadata_are_simple_strings() -> None:
    assert quoted("EXTENSION_HOMEPAGE") == "https://github.com/MedImgAnalysis/SlicerMedImgAnalysis"
    assert quoted("EXTENSION_DEPENDS") == "NA"
    assert 40 < len(quoted("EXTENSION_DESCRIPTION")) < 400
    assert quoted("EXTENSION_CONTRIBUTORS")
    assert "## NEXT_MODULE" in TOP


def test_the_license_has_a_name_that_the_index_knows_and_the_readme_names_it() -> None:
    present = [name for name in LICENSE_NAMES if name in {p.name for p in ROOT.iterdir()}]
    assert present == ["LICENSE.txt"]
    text = (ROOT / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Apache" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_module_folder_is_no_package() -> None:
    """Slicer skips a dropped folder that holds __init__.py."""
    assert not (MODULES / "__init__.py").exists()
    for module in MODULES.glob("MedImg*/MedImg*.py"):
        assert not (module.parent / "__init__.py").exists(), module


def test_module_files_are_ascii() -> None:
    """Slicer reads them with the encoding of the platform."""
    for module in [*MODULES.glob("*.py"), *MODULES.glob("MedImg*/MedImg*.py")]:
        assert module.read_bytes().isascii(), module

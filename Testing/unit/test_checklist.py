"""The checklists of the extensions index: what a machine can check is checked, and the whole list is printed.

The items are those that a pull request to the index asks for (tiers 1, 3 and 5), and the questions of its review of
code and documents.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from medimg_testing import Figures
from MedImgAnalysisLib.catalog import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([ROOT / "MedImgAnalysis/MedImgAnalysis.py", *ROOT.glob("MedImgAnalysis/MedImg*/MedImg*.py")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = json.loads((ROOT / "docs" / "MedImgAnalysis.json").read_text(encoding="utf-8"))
TUTORIALS = sorted((ROOT / "docs").glob("tutorial-*.md"))
SCHEMA = {
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
                             "slicer-extension-catalog-entry-schema-v1.0.2.json#"},
        "category": {"enum": ["Analysis", "Filtering", "Quantification", "Registration", "Segmentation"]},
        "scm_url": {"type": "string", "pattern": r"^https://github\.com/\w+/Slicer\w+\.git$"},
        "scm_revision": {"type": "string"},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "build_subdirectory": {"type": "string"},
        "dicom_support_rule": {"type": "string"},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}  # fmt: skip
"""The schema of catalog entries, version 1.0.2; of the categories those that fit."""
BINARY = {".exe", ".dll", ".so", ".dylib", ".whl", ".zip", ".gz", ".jar", ".pyd", ".o", ".a", ".bin"}
NETWORK = {
    "requests",
    "urllib.request",
    "urllib3",
    "http",
    "http.client",
    "socket",
    "ftplib",
    "smtplib",
    "ssl",
    "webbrowser",
}


def variable(name: str) -> str:
    """A variable of CMakeLists.txt as the checker of the index reads it."""
    (value,) = re.findall(rf'set\s*\(EXTENSION_{name}\s*"([^"]+)"\)', CMAKE)
    return value


@cache
def source_files() -> list[Path]:
    return sorted(path for path in (ROOT / "MedImgAnalysis").rglob("*.py") if "__pycache__" not in path.parts)


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """What the source files consist of."""
    return [(p, node) for p in source_files() for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))]


@cache
def imports() -> list[tuple[Path, str]]:
    """Files and what they import, by full names."""
    return list(_imports())


def _imports() -> Iterator[tuple[Path, str]]:
    for path, node in nodes():
        if isinstance(node, ast.Import):
            yield from ((path, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield path, node.module or ""


def name_is_reasonable() -> bool:
    names = re.findall(r"project\s*\(\s*([^\s)]+)", CMAKE)
    return names == [(ROOT / "docs" / "MedImgAnalysis.json").stem] and not names[0].startswith("Slicer")


def repository_is_slicer_and_name() -> bool:
    return ENTRY["scm_url"].endswith("/SlicerMedImgAnalysis.git") and variable("HOMEPAGE") == ENTRY["scm_url"][:-4]


def description_is_short() -> bool:
    sentences = re.findall(r"[^.]+\.", variable("DESCRIPTION"))
    return 1 <= len(sentences) <= 2 and "".join(sentences) == variable("DESCRIPTION")


def license_is_there_and_named() -> bool:
    return (ROOT / "LICENSE.txt").is_file() and "[Apache License 2.0](LICENSE.txt)" in README


def entry_is_valid() -> bool:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(ENTRY, SCHEMA)
    return b"\r" not in (ROOT / "docs" / "MedImgAnalysis.json").read_bytes()


def revision_is_a_branch() -> bool:
    return ENTRY["scm_revision"] == "main" and not re.fullmatch(r"[0-9a-f]{7,40}", ENTRY["scm_revision"])


def pictures(name: str) -> list[Path]:
    urls = variable(name).split()
    start = "https://raw.githubusercontent.com/MedImgAnalysis/SlicerMedImgAnalysis/main/"
    assert all(url.startswith(start) for url in urls)
    return [ROOT / url.removeprefix(start) for url in urls]


def icon_is_a_picture() -> bool:
    (icon,) = pictures("ICONURL")
    return icon.read_bytes()[:4] == b"\x89PNG"


def screenshots_are_pictures() -> bool:
    found = pictures("SCREENSHOTURLS")
    return len(found) >= 1 and all(path.read_bytes()[:4] == b"\x89PNG" for path in found)


def entry_agrees_with_cmake() -> bool:
    return ENTRY["build_dependencies"] == [] and variable("DEPENDS") == "NA" and ENTRY["build_subdirectory"] == "."


def homepage_has_name_and_description() -> bool:
    title, first = README.split("\n\n")[:2]
    return title == "# MedImgAnalysis" and first.startswith("MedImgAnalysis is") and len(first) < 800


def homepage_has_a_picture() -> bool:
    return all((ROOT / path).is_file() for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)) and "![" in README


def homepage_describes_every_module() -> bool:
    titles = [re.search(r'title = _\("([^"]+)"\)', path.read_text(encoding="utf-8"))[1] for path in MODULES]
    return len(titles) == 7 and all(f"* **{title}**: " in README for title in titles)


def homepage_says_how_to_cite() -> bool:
    return "\n## Cite\n" in README and (ROOT / "CITATION.cff").is_file()


def nothing_is_downloaded_or_binary() -> bool:
    folders = ("MedImgAnalysis", "Resources", "Testing", "docs")
    files = [path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*")]
    return not [path for path in files if path.suffix in BINARY and not any(part[0] == "." for part in path.parts)]


def nothing_is_sent() -> bool:
    return not [(path.name, name) for path, name in imports() if name in NETWORK]


def tutorials_have_steps_pictures_and_data() -> bool:
    texts = [" ".join(path.read_text(encoding="utf-8").split()) for path in TUTORIALS]
    shown = "".join(texts)
    names = ("Filtering", "Registration", "Segmentation", "Agreement", "Quality")
    return (
        all(f"MedImg {name}" in shown for name in names)
        and all(text.count("](pictures/") >= 2 and "computed on your machine" in text for text in texts)
        and all((ROOT / path).is_file() for text in texts for path in re.findall(r"python (docs/\w+\.py)", text))
    )


def sample_data_is_registered() -> bool:
    return "registerCustomSampleDataSource(" in MODULES[-1].read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in source_files()
    )


def logic_and_interface_are_apart() -> bool:
    panels = ROOT / "MedImgAnalysis" / "MedImgAnalysisLib" / "panel"
    return not [path for path, name in imports() if name in ("qt", "ctk") and panels not in path.parents]


def styling_is_that_of_slicer() -> bool:
    return sum(path.read_text(encoding="utf-8").count("styleSheet =") for path in source_files()) <= 2


def built_without_a_compiler() -> bool:
    files = [path.suffix for path in (ROOT / "MedImgAnalysis").rglob("*") if path.is_file()]
    return not {".cxx", ".cpp", ".h", ".c"} & set(files)


def license_is_permissive() -> bool:
    return 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def every_operation_and_module_is_tested() -> bool:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "Testing" / "unit").glob("test_*.py"))
    untested = [o.__name__ for o in OPERATIONS.values() if not re.search(rf'\b{o.__name__}\b|"{o.name}"', tests)]
    selftests = [path for path in MODULES if f"class {path.stem}Test(" in path.read_text(encoding="utf-8")]
    return untested == [] and selftests == MODULES


def no_package_is_installed_without_a_question() -> bool:
    calls = (node.func for _path, node in nodes() if isinstance(node, ast.Call))
    called = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    return "pip_install" not in called and "torch" not in {name.split(".")[0] for _path, name in imports()}


CHECKLIST: tuple[tuple[str, str, Callable[[], bool]], ...] = (
    ("tier 1", "reasonable name, not beginning with Slicer", name_is_reasonable),
    ("tier 1", "repository is called Slicer and the name", repository_is_slicer_and_name),
    ("tier 1", "description in 1 or 2 sentences", description_is_short),
    ("tier 1", "LICENSE.txt in the root, named on the homepage", license_is_there_and_named),
    ("tier 1", "catalog entry follows its schema, with line feeds", entry_is_valid),
    ("tier 1", "revision is a branch", revision_is_a_branch),
    ("tier 1", "icon is a picture of the repository", icon_is_a_picture),
    ("tier 1", "at least one screenshot, a picture of the repository", screenshots_are_pictures),
    ("tier 1", "catalog entry agrees with CMakeLists.txt", entry_agrees_with_cmake),
    ("tier 1", "homepage: name and short description", homepage_has_name_and_description),
    ("tier 1", "homepage: picture", homepage_has_a_picture),
    ("tier 1", "homepage: a sentence for each module", homepage_describes_every_module),
    ("tier 1", "homepage: how to cite", homepage_says_how_to_cite),
    ("tier 1", "no binaries", nothing_is_downloaded_or_binary),
    ("tier 1", "nothing is sent anywhere", nothing_is_sent),
    ("tier 3", "tutorials with steps, pictures and data", tutorials_have_steps_pictures_and_data),
    ("tier 3", "sample data registered with Sample Data", sample_data_is_registered),
    ("tier 3", "logic and interface are apart", logic_and_interface_are_apart),
    ("tier 3", "no styling of its own", styling_is_that_of_slicer),
    ("tier 3", "built on all platforms: nothing to compile", built_without_a_compiler),
    ("tier 3", "permissive license", license_is_permissive),
    ("tier 5", "tests of every operation and every module", every_operation_and_module_is_tested),
    ("review", "packages are installed on a question only", no_package_is_installed_without_a_question),
)
"""What is asked, and how it is checked. Code and imports at file scope are checked in test_three_ways.py, building with
BUILD_TESTING=OFF in test_extension_files.py."""


BY_HAND = (
    ("tier 1", "repository has the topic 3d-slicer-extension"),
    ("tier 1", "known patents are mentioned"),
    ("tier 1", "unused features of the repository are hidden"),
    ("tier 3", "issues and pull requests are answered"),
    ("tier 3", "questions on the forum are answered"),
    ("tier 5", "a core developer has commit rights"),
)


@pytest.mark.parametrize(("tier", "item", "check"), CHECKLIST, ids=[item for _tier, item, _check in CHECKLIST])
def test_an_item_of_the_checklist(tier: str, item: str, check: Callable[[], bool], figures: Figures) -> None:
    kept = check()
    figures.say(f"{tier}: {item}: {'ok' if kept else 'NOT KEPT'}")
    assert kept


def test_what_a_person_has_to_do_is_in_the_list_for_releases(figures: Figures) -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    for tier, item in BY_HAND:
        figures.say(f"{tier}: {item}: by hand")
        assert item in text


def test_a_catalog_entry_that_is_wrong_would_be_found() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    for change in ({"homepage": "x"}, {"tier": 7}, {"category": "Everything"}, {"scm_url": "git@github.com:a/b.git"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**ENTRY, **change}, SCHEMA)

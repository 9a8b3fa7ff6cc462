"""Texts that people read go through `_()`, as literals, so that a translation finds them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "MedImgAnalysis"
FILES = [
    MODULES / "MedImgAnalysis.py",
    *sorted(MODULES.glob("MedImg*/MedImg*.py")),
    *sorted((MODULES / "MedImgAnalysisLib" / "panel").glob("*.py")),
]
TAKES_TEXT = {
    "QLabel", "QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QGroupBox", "QAction", "QTableWidgetItem",
    "QListWidgetItem", "setText", "setToolTip", "setTitle", "setWindowTitle", "setPlaceholderText", "setStatusTip",
    "setWhatsThis", "setSuffix", "setPrefix", "addItem", "addAction", "addTab", "insertItem", "setAccessibleName",
    "setHorizontalHeaderLabels", "setVerticalHeaderLabels", "setHeaderLabels", "errorDisplay", "warningDisplay",
    "infoDisplay", "confirmOkCancelDisplay", "confirmYesNoDisplay", "messageBox", "showStatusMessage", "delayDisplay",
    "getSaveFileName", "getOpenFileName", "getExistingDirectory", "push_button", "addRow", "say", "_say", "warn",
}  # fmt: skip
"""Calls that show the texts which they are given."""
PROPERTIES = {"text", "toolTip", "title", "placeholderText", "windowTitle", "noneDisplay", "statusTip", "helpText",
              "acknowledgementText", "plainText", "html", "suffix", "prefix"}  # fmt: skip
NO_WORDS = {"push_button": (0,), "addItem": (1,), "getSaveFileName": (2,)}
"""Arguments of these that nobody reads: names of widgets, data of items, names of files."""


def is_words(node: ast.AST) -> bool:
    """Whether a part of a program is a text with a word in it, written there and not translated."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        plain = "".join(part.split(">", 1)[-1] for part in node.value.split("<"))
        return any(a.isalpha() and b.isalpha() for a, b in pairwise(plain))
    if isinstance(node, ast.JoinedStr):
        return any(is_words(ast.Constant(value=part.value)) for part in node.values if isinstance(part, ast.Constant))
    if isinstance(node, ast.BinOp):
        return is_words(node.left) or is_words(node.right)
    if isinstance(node, ast.IfExp):
        return is_words(node.body) or is_words(node.orelse)
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(is_words(item) for item in node.elts)
    if isinstance(node, ast.Call) and name_of(node) == "format" and isinstance(node.func, ast.Attribute):
        return is_words(node.func.value)
    return False


def name_of(call: ast.Call) -> str:
    """The last word of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def untranslated(tree: ast.AST) -> list[int]:
    """Lines with a text that a widget shows and no translation finds."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in TAKES_TEXT:
            left_out = NO_WORDS.get(name_of(node), ())
            given = [argument for number, argument in enumerate(node.args) if number not in left_out]
            found += [node.lineno for argument in given if is_words(argument)]
        elif isinstance(node, ast.Assign):
            names = {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
            found += [node.lineno] if names & PROPERTIES and is_words(node.value) else []
    return found


def wrongly_translated(tree: ast.AST) -> list[int]:
    """Lines where `_` gets something that is no plain literal, or stands where its text is not found."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in ("_", "tr")]
    # Tools of translators do not look into f-strings.
    within = {id(node) for text in ast.walk(tree) if isinstance(text, ast.JoinedStr) for node in ast.walk(text)}
    return [
        call.lineno
        for call in calls
        if id(call) in within
        or len(call.args) != 1
        or not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_widget_shows_can_be_translated(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert untranslated(tree) == []
    assert wrongly_translated(tree) == []


@pytest.mark.parametrize(
    "line",
    [
        'label.text = "Two words"',
        'label.text = f"{count} files"',
        'qt.QLabel("Name:")',
        'button.setToolTip("Do it" if ready else "")',
        'combo.addItem("Red " + name)',
        'label.text = "{n} rows".format(n=3)',
        'push_button("okButton", "Ok", slot, tip)',
    ],
)
def test_a_text_that_is_forgotten_is_found(line):
    assert untranslated(ast.parse(line)) == [1]


@pytest.mark.parametrize("line", ['label.text = f"<b>{name}</b>"', 'label.text = _("Two words")', 'label.text = ""'])
def test_what_needs_no_translation_is_left_alone(line):
    assert untranslated(ast.parse(line)) == []


@pytest.mark.parametrize(
    "line", ['_(f"{count} files")', '_("a" + b)', "_(text)", '_("a {x}".format(x=1))', "f'<b>{_(\"Two\")}</b>'"]
)
def test_a_text_that_no_translation_can_have_is_found(line):
    assert wrongly_translated(ast.parse(line)) == [1]


def test_the_texts_of_operations_are_there_for_translators():
    command = [sys.executable, str(ROOT / "docs" / "make_texts.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tree = ast.parse((MODULES / "MedImgAnalysisLib" / "panel" / "catalog_texts.py").read_text(encoding="utf-8"))
    marked = [node.args[0].value for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) == "_"]
    assert len(marked) == len(set(marked)) > 3000


def test_qts_tool_for_translators_finds_every_text(tmp_path):
    package = find_spec("PySide6")
    tool = Path(package.origin).parent / ("lupdate.exe" if os.name == "nt" else "lupdate") if package else None
    if tool is None or not tool.is_file():
        pytest.skip("the tool lupdate of PySide6-Essentials is not there")
    command = [str(tool), "-tr-function-alias", "tr+=_", *map(str, FILES), "-ts", str(tmp_path / "texts.ts")]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    found = {message.findtext("source") for message in ElementTree.parse(tmp_path / "texts.ts").iter("message")}
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) == "_"]
    assert {call.args[0].value for call in calls} - found == set()

"""The texts that code of the library makes on the way: titles of table columns, and what a run says of its progress.

A text that is written as it is comes as a literal; an f-string comes as a template with `{0}`, `{1}`... for its values.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import MedImgAnalysisLib
from MedImgAnalysisLib.agreement import class_scores, surface
from MedImgAnalysisLib.parameters import unit_text
from MedImgAnalysisLib.quality.features import feature
from MedImgAnalysisLib.registration import evaluation_tables, landmark_fit
from MedImgAnalysisLib.values import Column

LIBRARY = Path(MedImgAnalysisLib.__file__).resolve().parent
OPERATIONS = ("filtering", "registration", "segmentation", "agreement", "quality")
FOLDERS = (*OPERATIONS, "kernels", "batch", "scene")
"""Where a panel's run comes by; files at the top of the library besides."""
NOT_RUN = {"demo", "demo_truth", "phantom"}
PUT_TOGETHER = ("Position", "{0} ({1})", "{0}; IBSI {1}, {2}")
"""Titles and descriptions of columns that have no f-string of their own where the column is made."""
MADE_ON_IMPORT = "{0} of {1}"
"""Descriptions of this form are there when a file is imported; as a template it would fit too much."""
OF_FRAMES = ("Frame {0} of {1}", "Frame {0} of {1}: {2}", "Image {0} of {1}", "Image {0} of {1}: {2}")
"""How `framewise` begins what it says."""


def sources() -> dict[str, ast.Module]:
    """Syntax trees of the files that a run can come by, by dotted name within the library, in a stable order."""
    paths = [path for path in LIBRARY.glob("*.py") if path.stem not in NOT_RUN]
    paths += [path for folder in FOLDERS for path in (LIBRARY / folder).rglob("*.py")]
    names = {".".join(path.relative_to(LIBRARY).with_suffix("").parts): path for path in paths}
    return {name: ast.parse(names[name].read_text(encoding="utf-8")) for name in sorted(names)}


def column_texts(trees: dict[str, ast.Module]) -> list[str]:
    """Titles, descriptions and units of the columns of all tables."""
    found = list(PUT_TOGETHER)
    for name, tree in trees.items():
        if name.partition(".")[0] not in (*OPERATIONS, "framewise"):
            continue
        for call in _calls(tree, {"Column"}):
            for part in (_argument(call, 1, "title"), _argument(call, 3, "description")):
                found += _texts(part, {})
            found += map(unit_text, _texts(_argument(call, 2, "unit"), {}))
        found += _of_columns(vars(importlib.import_module(f"MedImgAnalysisLib.{name}")).values())
    for rows in (surface._NUMBERS, *surface._ONLY.values()):
        found += [text for row in rows for text in row[1:]]
    found += [*feature.AGGREGATIONS.values(), *feature.UNDIRECTED.values()]
    found += [*evaluation_tables.AXES.values(), *landmark_fit.AXES.values()]
    for scores in (class_scores.BINARY, class_scores.MULTI):
        for key, text in scores.items():
            found += [key.replace("_", " ").capitalize(), text]
    return found


def progress_texts(trees: dict[str, ast.Module]) -> list[str]:
    """What is said while something runs: second arguments of `report`, and arguments called `message`."""
    constants = {key: value for tree in trees.values() for key, value in _constants(tree)}
    takers: dict[str, int] = {"report": 1}
    for tree in trees.values():
        takers |= {name: place for name, place in _functions_with_message(tree) if name != "report"}
    found = [*OF_FRAMES, *_sections(trees["quality.quality_report"])]
    for tree in trees.values():
        known = constants | dict(_constants(tree)) | dict(_assigned(tree))
        found += _defaults(tree)
        for call in _calls(tree, set(takers)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            found += _texts(_argument(call, takers[name], "message"), known)
    return found


def has_words(text: str) -> bool:
    """Whether there is a word to translate: two letters beside each other, outside of places for values."""
    return any(one.isalpha() and other.isalpha() for one, other in pairwise(re.sub(r"\{\d\}", " ", text)))


def _texts(part: ast.expr | None, known: dict[str, ast.expr]) -> Iterator[str]:
    """The literals or templates that an expression can be."""
    if isinstance(part, ast.Name) and part.id in known:
        part = known[part.id]
    if isinstance(part, ast.Constant) and isinstance(part.value, str):
        yield part.value
    elif isinstance(part, ast.IfExp):
        yield from _texts(part.body, known)
        yield from _texts(part.orelse, known)
    elif isinstance(part, ast.JoinedStr) and _template(part) != MADE_ON_IMPORT:
        yield _template(part)
        for inner in ast.walk(part):
            if inner is not part and isinstance(inner, ast.JoinedStr) and inner.values:
                yield _template(inner)


def _template(text: ast.JoinedStr) -> str:
    parts: list[str] = []
    number = 0
    for part in text.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            parts.append(f"{{{number}}}")
            number += 1
    return "".join(parts)


def _of_columns(values: Any) -> list[str]:
    """The same of the columns among values, and in sequences and mappings of them."""
    found: list[str] = []
    for value in values:
        if isinstance(value, Column):
            found += [value.title, value.description, unit_text(value.unit)]
        elif isinstance(value, feature.Feature):
            found += [value.title, value.text, unit_text(value.unit)]
        elif isinstance(value, (tuple, list)):
            found += _of_columns(value)
        elif isinstance(value, dict):
            found += _of_columns(value.values())
    return found


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    by_name = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    return by_name if by_name is not None else call.args[place] if place < len(call.args) else None


def _functions_with_message(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, place of the argument `message`) of functions; beyond all arguments where it has to be named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
            if "message" in names:
                yield node.name, names.index("message") - (names[0] == "self")
            elif any(argument.arg == "message" for argument in node.args.kwonlyargs):
                yield node.name, 1000


def _defaults(tree: ast.AST) -> Iterator[str]:
    """What functions say unless they are told what to say."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            places = zip(reversed(node.args.args), reversed(node.args.defaults), strict=False)
            for argument, default in (*places, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)):
                if argument.arg == "message":
                    yield from _texts(default, {})


def _sections(tree: ast.AST) -> Iterator[str]:
    """The sections of the quality report, which are (title, operation, inputs)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 3 and isinstance(node.elts[2], ast.Dict):
            yield from _texts(node.elts[0], {})


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Texts under a name of capitals."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield node.targets[0].id, node.value


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """f-strings under a name, as they are made in front of a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))

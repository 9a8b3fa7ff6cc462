"""What strangers could put into recipes, names and cells, for tests."""

from __future__ import annotations

import json
from typing import Any

from cases_testing import SMOOTH, THRESHOLD, recipe_data

NAMES = (
    "../x",
    "..",
    ".",
    "/etc/passwd",
    "C:\\x",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "",
    " ",
    "x" * 300,
    "{0.__class__}",
    "${HOME}",
    "%(x)s",
    "$(id)",
    "`id`",
    "a;b",
    "a b",
    "-x",
    "--out",
    "=1+1",
    "<b>",
    "\u202egnp",
    "\ud800",
    "ä",
)
"""Names that a recipe may not give to inputs, outputs or steps: they become names of files."""

TEXTS = (
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><svg onload=alert(1)>",
    "{0.__class__.__mro__}",
    "${jndi:ldap://x}",
    "%s%s%n",
    "../../../x",
    "$(touch owned)",
    "`touch owned`",
    "a\nb",
    "'; DROP TABLE",
    "ünï 患者 \u202e",
)
"""Texts that are allowed as text and must stay text."""

FILES = (
    "with space",
    "ünï 患者",
    "quo'te",
    'dou"ble',
    "new\nline",
    "-dash",
    "=1+1",
    "semi;colon",
    "per%20cent",
    "{0}",
    "a#b",
)
"""Names that files and cases of honest people have; a case id may not hold quotes or lines."""

NUMBERS = (1e308, -1, 0, "1e999", "NaN", "-Infinity", 10**400, True, None, "1", [], {}, [[[1]]], {"a": 1})


def recipes() -> dict[str, str]:
    """Texts of recipes that must be refused in one line, by what is wrong with them."""
    base = recipe_data(SMOOTH, THRESHOLD)
    found = {
        "deep lists": "[" * 200_000,
        "deep objects": '{"a":' * 200_000,
        "deep value": json.dumps(base).replace("1.0", "[" * 400 + "]" * 400),
        "too large": json.dumps({**base, "description": "x" * (1 << 20)}),
        "huge number": json.dumps(base).replace("1.0", "9" * 5000),
        "large number": json.dumps(base).replace("1.0", "9" * 4000),
        "infinite number": json.dumps(base).replace("1.0", "1e999"),
        "not a number": json.dumps(base).replace("1.0", "NaN"),
        "no recipe": "null",
        "a list": "[]",
        "empty": "",
        "binary": "\0\1\2",
        "long value": json.dumps(base).replace("1.0", json.dumps("x" * 900_000)),
        "other entries": json.dumps({**base, "import": "os"}),
        "two outputs in one file": json.dumps(
            recipe_data(SMOOTH, second("smoothed.nrrd"), outputs=["smoothed", "smoothed.nrrd"])
        ),
        "an output over the record": json.dumps(
            recipe_data(
                SMOOTH,
                {**THRESHOLD, "outputs": {"table": "provenance.json"}},
                outputs=["provenance.json"],
            )
        ),
        "two outputs in one data file": json.dumps(
            recipe_data(
                {**SMOOTH, "outputs": {"image": "a.mhd"}}, second("a.nhdr", "a.mhd"), outputs=["a.mhd", "a.nhdr"]
            )
        ),
    }
    for operation in ("__import__", "os.system", "../gaussian", "gaussian;id", "Gaussian()", "exec", ""):
        found[f"operation {operation!r}"] = json.dumps(
            recipe_data({**SMOOTH, "operation": operation}, outputs=["smoothed"])
        )
    for parameter in ("__class__", "__init__", "run", "known", "sigma_mm.__class__"):
        found[f"parameter {parameter!r}"] = json.dumps(
            recipe_data({**SMOOTH, "parameters": {parameter: 1}}, outputs=["smoothed"])
        )
    for name in NAMES:
        found[f"input {name[:20]!r}"] = json.dumps(
            {
                **recipe_data({**SMOOTH, "inputs": {"image": name}}, outputs=["smoothed"]),
                "inputs": {name: {"kind": "image"}},
            }
        )
        found[f"output {name[:20]!r}"] = json.dumps(recipe_data({**SMOOTH, "outputs": {"image": name}}, outputs=[name]))
        found[f"step {name[:20]!r}"] = json.dumps(recipe_data({**SMOOTH, "id": name}, outputs=["smoothed"]))
        found[f"kind {name[:20]!r}"] = json.dumps({**recipe_data(), "inputs": {"t1": {"kind": name}}})
    for number in NUMBERS:
        if number not in ("1", None, True):
            step = {**SMOOTH, "parameters": {"sigma_mm": number}}
            found[f"number {str(number)[:20]!r}"] = json.dumps(recipe_data(step, outputs=["smoothed"]))
    return found


def second(output: str, source: str = "smoothed") -> dict[str, Any]:
    """A second step that smooths the result of the first one."""
    return {**SMOOTH, "id": "second", "inputs": {"image": source}, "outputs": {"image": output}}


def replaced(tree: Any, path: tuple[int, ...], value: Any) -> Any:
    """A copy of JSON values in which the part at `path` (numbers of children) is another one."""
    if not path or not isinstance(tree, (dict, list)) or not tree:
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[path[0] % len(keys)]
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[key] = replaced(tree[key], path[1:], value)
    return copy

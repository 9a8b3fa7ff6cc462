"""Find names that Slicer does not have in Python source text, also in lines that no test runs."""

from __future__ import annotations

import ast
from pathlib import Path

from .facts import FACTS, normalized


def problems(path: Path) -> list[str]:
    """`line: what` for every unknown qt., ctk., slicer. name and signal signature in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            text = _unknown_name(_dotted(node))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("connect", "disconnect"):
            text = _unknown_signal(node)
        else:
            text = None
        if text:
            found.append((node.lineno, text))
    return [f"{line}: {text}" for line, text in sorted(found)]


def _dotted(node: ast.expr) -> list[str]:
    """['qt', 'Qt', 'AlignLeft'] of qt.Qt.AlignLeft; [] when it does not start with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


def _unknown_name(names: list[str]) -> str | None:
    match names:
        case ["qt", "Signal" | "Slot" | "Property", *_]:
            return None
        case ["qt", kind, *_] if kind not in FACTS.qt or FACTS.qt[kind].get("no6"):
            return None if kind in FACTS.qt_named else f"qt.{kind} is not in both Qt 5.15 and Qt 6"
        case ["qt", kind, *rest]:
            return _unknown_member("qt." + kind, kind, rest)
        case ["ctk", kind, *rest]:
            return _unknown_class("ctk", kind, rest)
        case ["slicer", "app", *rest]:
            return _unknown_member("slicer.app", "qSlicerApplication", rest)
        case ["slicer", "util", name, *_]:
            return None if name in FACTS.python["slicer.util"] else f"slicer.util.{name} does not exist"
        case ["slicer", kind, *rest] if kind.startswith(("qMRML", "qSlicer")):
            return _unknown_class("slicer", kind, rest)
    return None


def _unknown_class(namespace: str, kind: str, rest: list[str]) -> str | None:
    if FACTS.named.get(kind) == namespace:
        return None
    if FACTS.slicer.get(kind, {}).get("ns") != namespace:
        return f"{namespace}.{kind} does not exist"
    return _unknown_member(f"{namespace}.{kind}", kind, rest)


def _unknown_member(shown: str, kind: str, rest: list[str]) -> str | None:
    if not rest:
        return None
    member = FACTS.members(kind).get(rest[0])
    if member is None:
        return f"{shown}.{rest[0]} does not exist"
    if member.kind == "enum" and len(rest) > 1:
        return f"{shown}.{'.'.join(rest)}: the keys of an enum are on the class, {shown}.{rest[1]}"
    return None


def _unknown_signal(call: ast.Call) -> str | None:
    """A signature given as text to connect() must be a signal of some known class."""
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    signature = normalized(first.value)
    known = any(signature in entry.get("s", ()) for entry in (*FACTS.slicer.values(), *FACTS.qt.values()))
    return None if known else f"no class has the signal {first.value}"

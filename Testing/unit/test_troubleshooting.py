"""The page of troubles quotes what the library says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^\| \*([^*]+)\* \|", PAGE, re.M)


@cache
def said() -> str:
    """All texts of the library, those of f-strings with ... for what is filled in."""
    texts = []
    for path in (ROOT / "MedImgAnalysis" / "MedImgAnalysisLib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(v.value if isinstance(v, ast.Constant) else "..." for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"\{\w*\}", "...", node.value))
    return "\n".join(texts)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_one_of_the_library(message: str) -> None:
    pieces = [piece.strip(" ():;,") for piece in message.replace("format 1", "format ...").split("...")]
    assert max(map(len, pieces)) >= 12, "too short to be found by anybody"
    assert [piece for piece in pieces if piece not in said()] == []


def test_the_page_covers_the_troubles_that_people_have() -> None:
    assert len(MESSAGES) >= 25
    for word in ("overlap", "memory", "slices", "OpenGL", "slicer-core", "Dask", "Another batch", "recipe"):
        assert any(word in message for message in MESSAGES), word

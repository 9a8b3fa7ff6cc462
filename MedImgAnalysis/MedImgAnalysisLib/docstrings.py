"""Reads the sections of a docstring, so that each sentence is written once and shown everywhere.

One line that says what it does.

More text.

Parameters
----------
sigma_mm
    Standard deviation of the kernel.
"""

from __future__ import annotations

import inspect
import re


def summary(doc: str | None) -> str:
    """The first line of a docstring."""
    return inspect.cleandoc(doc or "").split("\n", 1)[0]


def body(doc: str | None) -> str:
    """The text before the first section."""
    return re.split(r"^\w[\w ]*\n-{3,}$", inspect.cleandoc(doc or ""), maxsplit=1, flags=re.M)[0].strip()


def paragraphs(doc: str | None) -> list[str]:
    """The text before the first section, a line per paragraph; the first one is the summary."""
    return [" ".join(part.split()) for part in body(doc).split("\n\n") if part.strip()]


def sections(doc: str | None) -> dict[str, dict[str, str]]:
    """`{"Parameters": {"sigma_mm": "Standard deviation of the kernel."}, ...}`."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(doc or ""), flags=re.M)
    return {title: _entries(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def inherited(cls: type, title: str) -> dict[str, str]:
    """The entries of one section, those of the base classes first and overruled by the class's own."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= sections(base.__doc__ if base is not object else None).get(title, {})
    return found


def _entries(text: str) -> dict[str, str]:
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.strip("\n").split("\n"):
        if line and not line[0].isspace():
            current = entries.setdefault(line.strip(), [])
        elif line.strip():
            current.append(line.strip())
    return {name: " ".join(lines) for name, lines in entries.items()}

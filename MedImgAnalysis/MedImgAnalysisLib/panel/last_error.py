"""The last error of a run, kept without anything that could name a patient.

Messages are left out altogether, because they name nodes and files. What raised them is kept: the class, the places in
the code, and the lines of code there, which say the same without the names.
"""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path

MOST_FRAMES = 12
MOST_LINES = 6
"""Lines of code that are shown of one statement."""

_last: list[str] = []


def remember(error: BaseException) -> None:
    """Keep what is safe to tell of an error; the error itself, and the images that it may hold, are not kept."""
    _last[:] = described(error).splitlines()


def last() -> str:
    """What `remember` has kept, empty when nothing went wrong."""
    return "\n".join(_last)


def forget() -> None:
    """Nothing went wrong so far."""
    _last.clear()


def described(error: BaseException) -> str:
    """The classes of an error and of those behind it, with the places in the code; no message, no path, no value."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(("raised from " if lines else "") + type(current).__name__)
        for frame in traceback.extract_tb(current.__traceback__)[-MOST_FRAMES:]:
            lines.append(f"  {place(frame.filename)}, line {frame.lineno}, in {frame.name}")
            lines += [f"    {text}" for text in _code(frame)]
        current = current.__cause__ or current.__context__
    return "\n".join(lines)


def place(filename: str) -> str:
    """A file of code without the folder in which somebody has it: the package and what is below it."""
    parts = Path(filename.replace("\\", "/")).parts
    for root in ("MedImgAnalysisLib", "site-packages", "qt-scripted-modules"):
        if root in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(root) :])
    return parts[-1] if parts and parts[-1].startswith("MedImg") else "elsewhere"


def _code(frame: traceback.FrameSummary) -> list[str]:
    """The statement, where it is code of the library or of an installed package; scripts of the user stay out."""
    if place(frame.filename) == "elsewhere" or frame.lineno is None:
        return []
    last_line = min(getattr(frame, "end_lineno", None) or frame.lineno, frame.lineno + MOST_LINES - 1)
    texts = (linecache.getline(frame.filename, number).strip() for number in range(frame.lineno, last_line + 1))
    return [text for text in texts if text]

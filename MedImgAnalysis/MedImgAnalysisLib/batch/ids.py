"""Case ids, which become folder names on every system."""

from __future__ import annotations

import re
import unicodedata

from ..errors import InputError

FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]')
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
OWN = ("results.csv", "results.json", "report.html", "recipe.json", "events.jsonl", "provenance.json")
MAX_BYTES = 120


def check_id(case: str, where: str = "") -> str:
    """The id without surrounding blanks; `InputError` when it cannot be a folder name everywhere.

    `where` names the place in the cohort for the message.
    """
    name = case.strip()
    problem = _problem(name)
    if problem:
        raise InputError(f"{where}{': ' if where else ''}the case id {case!r} {problem}.", case=case)
    return name


def is_id(case: str) -> bool:
    """Whether `check_id` takes it as it is."""
    return case == case.strip() and _problem(case) is None


def _problem(name: str) -> str | None:
    if not name:
        return "is empty"
    found = FORBIDDEN.search(name)
    if found:
        return f"holds {found.group()!r}, which a folder name must not have"
    if name.startswith(".") or name.endswith("."):
        return "begins or ends with a dot"
    if RESERVED.fullmatch(name):
        return "is a reserved name on Windows"
    if name.casefold() in OWN:
        return "is the name of a file that the batch writes"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not valid text"
    return f"is longer than {MAX_BYTES} bytes" if size > MAX_BYTES else None


def folded(case: str) -> str:
    """Equal for ids that are one folder on a file system that ignores case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", case).casefold())

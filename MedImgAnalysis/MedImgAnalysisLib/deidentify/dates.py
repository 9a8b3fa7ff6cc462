"""Dates moved by days: the interval between two dates of a patient stays, and so does the time of day."""

from __future__ import annotations

import re
from datetime import date, timedelta

DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")


def moved_date(text: str, days: int) -> str | None:
    """A date (YYYYMMDD, or the old YYYY.MM.DD) so many days later; None when it is no date."""
    found = DATE.fullmatch(text.strip())
    return None if found is None else _moved(found, days)


def moved_datetime(text: str, days: int) -> str | None:
    """A date and time (YYYYMMDDHHMMSS.FFFFFF&ZZXX) so many days later; None where it has no whole date."""
    found = re.match(r"(\d{4})(\d{2})(\d{2})(?=(\d{2}){0,3}(\.\d{1,6})?([+-]\d{4})?$)", text.strip())
    if found is None:
        return None
    day = _moved(found, days)
    return None if day is None else day + text.strip()[8:]


def _moved(found: re.Match[str], days: int) -> str | None:
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"

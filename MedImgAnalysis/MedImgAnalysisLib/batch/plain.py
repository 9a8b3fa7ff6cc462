"""JSON values: what may be undefined becomes null, and a file appears whole or not at all."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..values import Measurements

STAGING = ".medimg-"
"""Prefix of everything that is being written; what carries it is nobody's result."""


def plain(value: Any) -> Any:
    """`value` as JSON values; NaN and infinities become None, since JSON has none of them."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    return str(value)


def dumps(data: Any, indent: int | None = 2) -> str:
    """JSON text; characters beyond ASCII stay readable unless a path holds bytes that are no text."""
    ready = plain(data)
    text = json.dumps(ready, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(ready, indent=indent, allow_nan=False)
    return text


def columns_of(table: Measurements) -> dict[str, dict[str, str]]:
    """Title, unit and description by column key."""
    return {c.key: {"title": c.title, "unit": c.unit, "description": c.description} for c in table.columns}


def rows_of(table: Measurements) -> list[dict[str, Any]]:
    """The rows as JSON values, every column in every row."""
    return [{c.key: plain(row.get(c.key)) for c in table.columns} for row in table.rows]


def staging_name() -> str:
    """A name that nobody else uses."""
    return f"{STAGING}{secrets.token_hex(6)}"


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text so that `path` is either the old or the new file, never half of one.

    Halves of surrogate pairs, which are no text, become the escapes that JSON has for them.
    """
    beside = path.with_name(staging_name())
    try:
        with open(beside, "x", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}.", path=path) from error
    finally:
        beside.unlink(missing_ok=True)
    return path


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, None when there is no such file or it holds something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None

"""What happens to a batch, line by line."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from ..errors import FileError
from ..progress import logger
from .plain import plain

JOURNAL = "events.jsonl"


class Journal:
    """Appends events to `events.jsonl`; a line that has been written survives the end of the process.

    A line that cannot be written, as on a full disk, is said once and does not stop the batch.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            _end_last_line(self.path)
            self._stream: IO[bytes] = os.fdopen(os.open(self.path, flags, 0o666), "ab", buffering=0)
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise FileError(f"{self.path} cannot be written: {why}.", path=self.path) from None
        self._failed = False

    def write(self, event: str, **data: Any) -> None:
        """Append one event with the time."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **plain(data)}).encode() + b"\n"
        try:
            self._stream.write((b"\n" if self._failed else b"") + line)
            self._failed = False
        except OSError as error:
            if not self._failed:
                logger.warning("%s cannot be written: %s.", self.path, error.strerror or error)
            self._failed = True

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._stream.close()


def _end_last_line(path: Path) -> None:
    """A line that was cut off by a kill must not swallow the next one."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb+") as stream:
            if stream.seek(0, os.SEEK_END) and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n":
                stream.write(b"\n")
    except FileNotFoundError:
        pass

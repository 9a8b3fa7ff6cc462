"""What happens to a batch, line by line, and the lock that keeps a second one out."""

from __future__ import annotations

import errno
import json
import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import FileError
from ..progress import logger
from .plain import plain

JOURNAL = "events.jsonl"
LOCK = ".medimg.lock"


class Journal:
    """Appends events to `events.jsonl`; a line that has been written survives the end of the process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        _end_last_line(self.path)
        self._stream = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - closed by `close`

    def write(self, event: str, **data: Any) -> None:
        """Append one event with the time."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._stream.write(json.dumps({"time": now, "event": event, **plain(data)}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _end_last_line(path: Path) -> None:
    """A line that was cut off by a kill must not swallow the next one."""
    try:
        with open(path, "rb+") as stream:
            if stream.seek(0, os.SEEK_END) and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n":
                stream.write(b"\n")
    except FileNotFoundError:
        pass


class Lock:
    """Holds an output folder for one batch. The system lets go when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._stream: IO[str] | None = None

    def __enter__(self) -> Lock:
        try:
            stream = open(self._path, "a+", encoding="utf-8")
        except OSError as error:
            folder = self._path.parent
            raise FileError(f"{folder} cannot be written to: {error.strerror}.", path=folder) from None
        try:
            _lock(stream)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
                logger.warning("%s cannot be locked (%s); see that no other batch writes there.", stream.name, error)
                self._stream = stream
                return self
            stream.seek(0)
            holder = stream.read(200).strip() or "another process"
            stream.close()
            raise FileError(
                f"Another batch ({holder}) is writing to {self._path.parent}; wait for it, or choose another folder.",
                path=self._path.parent,
            ) from None
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {platform.node()}\n")
        stream.flush()
        self._stream = stream
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


if os.name == "nt":
    import msvcrt

    def _lock(stream: IO[str]) -> None:
        stream.seek(1 << 20)  # beyond the text, which others must be able to read
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        stream.seek(0)
else:
    import fcntl

    def _lock(stream: IO[str]) -> None:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

"""The lock that keeps a second batch out of an output folder, and the token by which a case knows its batch."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import Cancelled, FileError
from ..progress import logger
from .plain import staging_name

LOCK = ".medimg.lock"
HOLDER = re.compile(r"process (\d+) on (\S+), batch ([0-9a-f]+)")
BEAT_SECONDS = 10.0
"""How often a running batch touches its lock, for other computers whose file system does not pass locks on."""
SILENT_SECONDS = 6 * BEAT_SECONDS
MAX_BYTES = 400


class Lock:
    """Holds an output folder for one batch.

    The system lets go when the process ends, however it ends, so a lock of a dead process is taken over. A file system
    that does not pass locks on to other computers is covered by the time of the file, which the holder renews.

    Attributes
    ----------
    token
        What this batch writes into the lock; `still_wanted` asks for it.
    taken_over
        A sentence when an earlier batch did not end in order; empty otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self.token = secrets.token_hex(8)
        self.taken_over = ""
        self._stream: IO[str] | None = None
        self._end = threading.Event()

    def __enter__(self) -> Lock:
        folder = self.path.parent
        try:
            stream = _open(self.path)
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else error.strerror
            what = f"{self.path} cannot be used: {why}" if self.path.is_symlink() else f"{folder} cannot be written to"
            raise FileError(f"{what}{'' if self.path.is_symlink() else f': {why}'}.", path=folder) from None
        passed_on = True
        try:
            _lock(stream)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
                holder = _text(stream) or "another process"
                stream.close()
                raise _taken(folder, holder.partition(", batch")[0]) from None
            logger.warning("%s cannot be locked (%s); see that no other batch writes there.", stream.name, error)
            passed_on = False
        try:
            self._look_at_former(stream, passed_on)
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {platform.node() or 'unknown'}, batch {self.token}\n")
            stream.flush()
        except OSError as error:
            stream.close()
            raise FileError(f"{folder} cannot be written to: {error.strerror}.", path=folder) from None
        except FileError:
            stream.close()
            raise
        self._stream = stream
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._stream is not None:
            with suppress(OSError):
                self._stream.truncate(0)  # ended in order: nobody is named any more
            with suppress(OSError):
                self._stream.close()
            self._stream = None

    def _look_at_former(self, stream: IO[str], passed_on: bool) -> None:
        """Say whose lock is taken over, or refuse when the holder on another computer seems to be alive."""
        found = HOLDER.match(_text(stream))
        if found is None:
            return
        process, host = int(found[1]), found[2]
        if host == platform.node():
            if not passed_on and _alive(process):
                raise _taken(self.path.parent, f"process {process} on {host}")
        elif self._age() < SILENT_SECONDS:
            raise _taken(
                self.path.parent,
                f"process {process} on {host}, which gave a sign of life {self._age():.0f} s ago",
                f"; when it was killed, try again in {SILENT_SECONDS:.0f} s",
            )
        self.taken_over = f"An earlier batch (process {process} on {host}) did not end in order; this one goes on."

    def _age(self) -> float:
        """Seconds since the lock was last touched, by the clock of the file system."""
        probe = self.path.with_name(staging_name())
        try:
            probe.touch()
            return max(0.0, probe.stat().st_mtime - self.path.stat().st_mtime)
        except OSError:
            return SILENT_SECONDS
        finally:
            with suppress(OSError):
                probe.unlink()

    def _beat(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(self.path)


def still_wanted(path: str, token: str) -> None:
    """Raise `Cancelled` when the folder of the lock `path` belongs to another batch by now, or to none."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if token not in text:
        raise Cancelled("The batch that this case belongs to has ended; nothing was changed.")


def check_shared(path: str, token: str) -> None:
    """Raise `FileError` unless this computer sees the lock of the batch, as it does on a shared file system."""
    if not Path(path).is_file():
        raise FileError(
            f"{Path(path).parent} is not the folder of the batch on {platform.node()}; all computers must share the "
            "file system with inputs and results, under the same names.",
            path=Path(path).parent,
        )
    still_wanted(path, token)


def _taken(folder: Path, holder: str, more: str = "") -> FileError:
    return FileError(
        f"Another batch ({holder}) is writing to {folder}; wait for it, or choose another folder{more}.", path=folder
    )


def _open(path: Path) -> IO[str]:
    """Open for reading and writing at the end; a link is refused, since it may lead to a file of somebody else."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")


def _text(stream: IO[str]) -> str:
    try:
        stream.seek(0)
        return stream.read(MAX_BYTES).strip()
    except (OSError, ValueError):
        return ""


def _alive(process: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


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

"""The worker process: reads tasks as JSON lines, runs cases, answers with JSON lines."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any

from ..blockwise import set_thread_count
from ..errors import Cancelled
from ..progress import Progress
from .task import run_task

GRACE_SECONDS = 3.0
REPORT_SECONDS = 0.2


class Channel:
    """Answers go to the real standard output, which is kept for them; what libraries print goes to the error stream."""

    def __init__(self) -> None:
        private = os.dup(1)
        os.dup2(2, 1)
        self._stream: IO[str] = open(private, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 - for the whole process
        self._lock = threading.Lock()
        self._last = 0.0

    def answer(self, message: dict[str, Any]) -> None:
        """Send one answer; a parent that has gone is noticed by the reader of its requests."""
        with self._lock, suppress(OSError):
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()

    def report(self, fraction: float, message: str) -> None:
        """Send progress, at most five times a second."""
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self.answer({"progress": [round(fraction, 4), message]})


class Requests:
    """Reads requests in a thread, so that a cancel arrives in the middle of a case."""

    def __init__(self) -> None:
        self._tasks: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.progress: Progress | None = None
        self._stop = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """The next task; None when there are no more."""
        task = self._tasks.get()
        return None if self._stop else task

    def begin(self, progress: Progress) -> None:
        """Make `progress` the one that a cancel stops."""
        self.progress = progress
        if self._stop:
            progress.cancel()

    def _read(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                self._cancel()
            else:
                self._tasks.put(message)
        # The parent closed the pipe or was killed. A case that nobody waits for must not go on.
        self._tasks.put(None)
        self._cancel()
        time.sleep(GRACE_SECONDS)
        os._exit(3)

    def _cancel(self) -> None:
        self._stop = True
        if self.progress is not None:
            self.progress.cancel()


def main(threads: int) -> int:
    """Serve until the requests end."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_thread_count(threads)
    channel, requests = Channel(), Requests()
    while (task := requests.next()) is not None:
        progress = Progress(channel.report, lambda sentence: channel.answer({"warning": sentence}))
        requests.begin(progress)
        try:
            run_task(task, channel.answer, progress)
        except Cancelled:
            break
    return 0


if __name__ == "__main__":
    status = main(int(sys.argv[1]))
    sys.stderr.flush()
    # Without the interpreter's clean-up: the reading thread may hold standard input, and there is nothing to save.
    os._exit(status)

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
from pathlib import Path
from typing import IO, Any

from ..blockwise import set_thread_count
from ..errors import Cancelled, MedImgError
from ..progress import Progress
from ..recipe import Recipe
from .case import Extras, describe_inputs, finished, recipe_key, run_case
from .folder import check_free, record_of, remove

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

    def answer(self, **message: Any) -> None:
        """Send one answer; a parent that has gone is noticed by the reader of its requests."""
        with self._lock, suppress(OSError):
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()

    def report(self, fraction: float, message: str) -> None:
        """Send progress, at most five times a second."""
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self.answer(progress=[round(fraction, 4), message])


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
        progress = Progress(channel.report, lambda sentence: channel.answer(warning=sentence))
        requests.begin(progress)
        try:
            serve(task, channel, progress)
        except Cancelled:
            break
        except MedImgError as error:
            channel.answer(failed=error.as_json())
        except MemoryError:
            channel.answer(failed={"kind": "MemoryError", "message": "There is not enough memory; use fewer workers."})
        except Exception as error:  # noqa: BLE001 - one failed case must not stop the others, whatever it is
            text = " ".join(str(error).split())
            channel.answer(failed={"kind": type(error).__name__, "message": text or type(error).__name__})
    return 0


def serve(task: dict[str, Any], channel: Channel, progress: Progress) -> None:
    """Run one case, unless its result is there already. A failed case leaves no older result behind."""
    recipe = Recipe.from_data(task["recipe"])
    folder, extras = Path(task["folder"]), Extras(**task["extras"])
    channel.answer(started=os.getpid())
    try:
        inputs = describe_inputs(recipe, task["inputs"], folder, progress.part(0.0, 0.05))
        record, reason = (None, "") if task["restart"] else finished(folder, recipe_key(recipe), inputs, extras)
        if record is not None:
            channel.answer(kept=True)
            return
        record = run_case(
            recipe,
            task["inputs"],
            folder,
            case=task["case"],
            extras=extras,
            described=inputs,
            progress=progress.part(0.05, 1.0),
        )
    except Cancelled:
        raise
    except Exception:
        _remove_stale(folder)
        raise
    channel.answer(done={"seconds": record["seconds"], "reason": reason})


def _remove_stale(folder: Path) -> None:
    """An older result under this name would be taken for the result of the recipe that has just failed."""
    with suppress(MedImgError):
        check_free(folder)
        if record_of(folder) is not None:
            remove(folder)


if __name__ == "__main__":
    status = main(int(sys.argv[1]))
    sys.stderr.flush()
    # Without the interpreter's clean-up: the reading thread may hold standard input, and there is nothing to save.
    os._exit(status)

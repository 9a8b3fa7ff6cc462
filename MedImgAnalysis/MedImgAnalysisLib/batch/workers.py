"""Worker processes, one case at a time each.

A worker is `python -m MedImgAnalysisLib.batch.worker`; requests and answers are JSON lines on its
standard input and output. So a worker needs no copy of the main program, a case that kills its worker (out
of memory, a fault in a library) fails alone, and a worker whose parent was killed sees its input close
and ends itself.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import MedImgError, MissingPackageError
from ..progress import SILENT, Progress

CANCEL_SECONDS = 10.0
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


def core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Worker:
    """A worker process; its answers arrive in `events` as (worker, answer), None when it has ended."""

    def __init__(self, events: queue.Queue[tuple[Worker, Any]], threads: int) -> None:
        self.task: dict[str, Any] | None = None
        self._events = events
        self._last_lines: deque[str] = deque(maxlen=5)
        library = str(Path(__file__).resolve().parents[2])
        paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        with _interrupts_blocked():
            self.process = subprocess.Popen(
                [_python(), "-m", "MedImgAnalysisLib.batch.worker", str(threads)],
                env=environment,
                cwd=library,  # a file of the user's working folder must not stand for a module
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
                bufsize=1,
            )
        self.readers = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_errors)]
        for reader in self.readers:
            reader.start()

    def send(self, message: dict[str, Any]) -> None:
        """Ask for something; a worker that has ended says so in `events`."""
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """Let it end after what it is doing."""
        with suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def why_ended(self) -> str:
        """A sentence about a worker that ended in the middle of a case."""
        code = self.process.wait()
        for reader in self.readers[1:]:
            reader.join(timeout=2)
        last = f" Its last words: {self._last_lines[-1]}" if self._last_lines else ""
        if code == -getattr(signal, "SIGKILL", 9):
            return f"The worker process was killed, most likely for want of memory; use fewer workers.{last}"
        name = signal.Signals(-code).name if code < 0 and -code in set(signal.Signals) else f"exit status {code}"
        return f"The worker process ended unexpectedly ({name}).{last}"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                self._events.put((self, json.loads(line)))
        self.process.wait()
        self._events.put((self, None))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.strip():
                self._last_lines.append(line.strip()[:300])


def run_tasks(
    tasks: Iterable[dict[str, Any]],
    workers: int,
    threads: int,
    on_answer: Callable[[dict[str, Any], dict[str, Any]], None],
    progress: Progress = SILENT,
) -> None:
    """Run tasks in up to `workers` processes and hand every answer to `on_answer(task, answer)`.

    Answers have one key: `started`, `progress`, `warning`, or at the end of a task `done`, `kept`, or `failed` (an
    error as JSON). Raises `Cancelled` after all workers have ended, when `progress` is cancelled.
    """
    events: queue.Queue[tuple[Worker, Any]] = queue.Queue()
    waiting = deque(tasks)
    pool: list[Worker] = []
    try:
        while waiting or any(worker.task for worker in pool):
            while waiting and len(pool) < workers:
                pool.append(Worker(events, threads))
                _give(pool[-1], waiting)
            progress.check()
            try:
                worker, answer = events.get(timeout=0.1)
            except queue.Empty:
                continue
            task = worker.task
            if answer is None:
                pool.remove(worker)
                answer = {"failed": MedImgError(worker.why_ended()).as_json() | {"kind": "WorkerDied"}}
                worker.task = None
            elif answer.keys() & {"done", "kept", "failed"}:
                _give(worker, waiting)
            if task is not None:
                on_answer(task, answer)
    finally:
        _stop(pool, cancel=progress.cancelled or any(worker.task for worker in pool))
        _hand_over_late(events, on_answer)


def _give(worker: Worker, waiting: deque[dict[str, Any]]) -> None:
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        worker.send(worker.task)


def _hand_over_late(
    events: queue.Queue[tuple[Worker, Any]], on_answer: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    """A case that was completed while the others were being stopped is complete."""
    while not events.empty():
        worker, answer = events.get()
        if worker.task is not None and answer is not None and answer.keys() & {"done", "kept"}:
            on_answer(worker.task, answer)


def _stop(pool: list[Worker], cancel: bool) -> None:
    for worker in pool:
        if cancel:
            worker.send({"cancel": True})
        worker.close()
    for worker in pool:
        try:
            worker.process.wait(CANCEL_SECONDS)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        for reader in worker.readers:
            reader.join(timeout=2)


def _python() -> str:
    """The interpreter; the Slicer application itself is none, PythonSlicer beside it is."""
    here = Path(sys.executable)
    if not here.stem.lower().startswith("slicer"):
        return sys.executable
    places = os.pathsep.join([str(here.parent), str(here.parent / "bin"), os.environ.get("PATH", "")])
    found = shutil.which("PythonSlicer", path=places)
    if found is None:
        raise MissingPackageError(
            f"Workers need PythonSlicer, which is not beside {here}; run medimg batch outside Slicer.",
            package="PythonSlicer",
        )
    return found


class _interrupts_blocked:
    """Workers inherit a blocked SIGINT: Ctrl-C reaches them only as a request of the main process."""

    def __enter__(self) -> None:
        self._blocked = hasattr(signal, "pthread_sigmask")
        if self._blocked:
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        if self._blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

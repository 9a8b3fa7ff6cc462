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
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import MedImgError, MissingPackageError
from ..progress import SILENT, Progress
from .admission import Admission, Running, resident
from .task import LAST

OnAnswer = Callable[[dict[str, Any], dict[str, Any]], None]
"""Called with a task and one of its answers, see `task`."""

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
        self.running = Running(None)
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

    def death(self) -> dict[str, Any]:
        """The answer for a worker that ended in the middle of a case."""
        return {"failed": MedImgError(self.why_ended()).as_json() | {"kind": "WorkerDied"}}

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


class Pool:
    """Worker processes on this computer. They are fresh ones, as with the start method `spawn`: nothing is forked."""

    def __init__(self, workers: int, threads: int, admission: Admission | None = None) -> None:
        self.workers, self.threads = workers, threads
        self._admission = admission or Admission()

    def describe(self) -> dict[str, Any]:
        """For the journal."""
        return {"executor": "processes", "workers": self.workers, "threads": self.threads}

    def run(self, tasks: Sequence[dict[str, Any]], on_answer: OnAnswer, progress: Progress = SILENT) -> None:
        """Run tasks, see `executors.Executor`. A case starts when its planned memory fits beside those that run."""
        events: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        waiting = list(tasks)
        pool: list[Worker] = []
        try:
            while waiting or any(worker.task for worker in pool):
                self._start(waiting, pool, events, on_answer)
                progress.check()
                try:
                    worker, answer = events.get(timeout=0.1)
                except queue.Empty:
                    continue
                task = worker.task
                if answer is None:
                    pool.remove(worker)
                    answer = worker.death()
                if task is not None and answer.keys() & LAST:
                    worker.task = None
                    self._admission.done(task)
                    # The next case first: a worker need not wait until this one is written down.
                    self._start(waiting, pool, events, on_answer)
                if task is not None:
                    on_answer(task, answer)
        finally:
            stop(pool, cancel=progress.cancelled or any(worker.task for worker in pool))
            _hand_over_late(events, on_answer)

    def _start(
        self, waiting: list[dict[str, Any]], pool: list[Worker], events: queue.Queue[Any], on_answer: OnAnswer
    ) -> None:
        """Give cases to workers that have none, and start workers while there are too few."""
        while waiting:
            worker = next((worker for worker in pool if worker.task is None), None)
            if worker is None and len(pool) >= self.workers:
                return
            start = self._admission.choose(waiting, [w.running for w in pool if w.task is not None])
            if start is None:
                return
            if worker is None:
                worker = Worker(events, self.threads)
                pool.append(worker)
            task = worker.task = waiting.pop(start.index)
            worker.running = Running(start.need, worker.process.pid, resident(worker.process.pid))
            worker.send({**task, "refused": start.refused} if start.refused else task)
            if start.note:
                on_answer(task, {"note": start.note})


def _hand_over_late(events: queue.Queue[tuple[Worker, Any]], on_answer: OnAnswer) -> None:
    """A case that was completed while the others were being stopped is complete."""
    while not events.empty():
        worker, answer = events.get()
        if worker.task is not None and answer is not None and answer.keys() & {"done", "kept"}:
            on_answer(worker.task, answer)


def stop(pool: Sequence[Worker], cancel: bool) -> None:
    """End workers: at once with `cancel`, else after what they are doing."""
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

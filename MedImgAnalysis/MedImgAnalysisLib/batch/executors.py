"""Where the cases of a batch run: in this process, in worker processes, or on a Dask cluster.

All of them take the same tasks and give the same answers (see `task`), so a batch does not know where it runs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from ..blockwise import set_thread_count, thread_count
from ..errors import ParameterError
from ..progress import SILENT, Progress
from .task import run_task
from .workers import OnAnswer, Pool, core_count

REPORT_SECONDS = 0.2


class Executor(Protocol):
    """What runs tasks."""

    def describe(self) -> dict[str, Any]:
        """What it is, for the journal."""
        ...

    def run(self, tasks: Sequence[dict[str, Any]], on_answer: OnAnswer, progress: Progress = SILENT) -> None:
        """Run all tasks and hand every answer to `on_answer(task, answer)`, in the calling thread.

        Every task gets one last answer. Raises `Cancelled` when `progress` is cancelled, after everything that ran
        has ended; answers of cases that were completed meanwhile are handed over before.
        """
        ...


class InProcess:
    """One case after the other in this process: to find a fault with a debugger, or where no process may be started.

    A fault in a library ends the whole batch, which then goes on where it stopped.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def describe(self) -> dict[str, Any]:
        """For the journal."""
        return {"executor": "this process", "workers": 0, "threads": self.threads}

    def run(self, tasks: Sequence[dict[str, Any]], on_answer: OnAnswer, progress: Progress = SILENT) -> None:
        """Run tasks, see `Executor`."""
        before = thread_count()
        set_thread_count(self.threads)
        try:
            for task in tasks:
                progress.check()
                run_task(task, partial(on_answer, task), _Own(progress, task, on_answer))
        finally:
            set_thread_count(before)


class _Own(Progress):
    """The progress of one case: it stops with the batch, and what it says becomes answers."""

    def __init__(self, whole: Progress, task: dict[str, Any], on_answer: OnAnswer) -> None:
        super().__init__(self._told, lambda sentence: on_answer(task, {"warning": sentence}))
        self._whole, self._task, self._on_answer, self._last = whole, task, on_answer, 0.0

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def cancel(self) -> None:
        self._whole.cancel()

    def _told(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self._on_answer(self._task, {"progress": [fraction, message]})


def default_workers() -> int:
    """Half the cores, four at the most: every worker holds the images of one case in memory."""
    return max(1, min(4, core_count() // 2))


def _check_scheduler(address: str) -> None:
    """Raise `ParameterError` for what is neither an address with a port nor a file: Dask would look for it for long."""
    if not (os.path.isfile(address) or re.search(r":\d+/?$", address) or address.startswith("inproc:")):
        raise ParameterError(
            f"There is no Dask scheduler at {address}: give tcp://host:8786, a scheduler file that is there, or local.",
            field="dask",
            value=address,
        )


def choose(cases: int, workers: int | None, threads: int | None, dask: str | None) -> Executor:
    """The executor for a number of cases.

    `workers` are processes, 0 for this process; `threads` are those of each case, by default the cores shared among the
    workers; `dask` is the address of a scheduler, or `local`. Raises `ParameterError`.
    """
    for name, value, low in (("workers", workers, 0), ("threads", threads, 1)):
        if value is not None and value < low:
            raise ParameterError(f"{name} is {value}; it must be at least {low}.", field=name, value=value)
    if dask is not None and dask != "local":
        if workers is not None:
            raise ParameterError(
                "The workers of a Dask cluster are started with it; leave out the number of workers.",
                field="workers",
                value=workers,
            )
        _check_scheduler(dask)
        from .cluster import Cluster

        return Cluster(dask, threads or 1)
    count = min(default_workers() if workers is None else workers, cases)
    each = threads or max(1, core_count() // max(1, count))
    if dask is not None:
        from .cluster import LocalDask

        return LocalDask(max(1, count), each)
    return Pool(count, each) if count else InProcess(each)

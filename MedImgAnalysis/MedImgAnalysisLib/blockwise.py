"""Local work in slabs: threads, progress, cancel and bounded memory by one mechanism.

A slab is a range along the first numpy axis (k). The function gets the slab with a halo on both
sides and returns an array of the same first-axis length, of which the core is kept.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import SimpleITK as sitk

from .progress import PATIENCE, SILENT, Progress

Item = TypeVar("Item")
Done = TypeVar("Done")

SLAB_VALUES = 1 << 20
"""Numbers that one slab holds at the most, so that a cancel comes through quickly."""
HELPERS = 64
"""Threads beside the calling ones, at the most."""


def thread_count() -> int:
    """Threads that an operation may use: what SimpleITK is set to, so that one setting rules both."""
    return int(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())


def set_thread_count(threads: int) -> None:
    """Set the threads of SimpleITK filters and of slab work in this process."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(int(threads))


class _OneThread:
    """Counts who wants one thread, so that overlapping users restore the setting once, at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 1

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = thread_count()
                set_thread_count(1)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                set_thread_count(self._before)


ONE_THREAD = _OneThread()
"""`with ONE_THREAD:` for ITK code whose sums depend on how threads happen to run."""


def map_slabs(
    function: Callable[[np.ndarray], np.ndarray],
    source: np.ndarray,
    halo: int,
    out: np.ndarray,
    *,
    progress: Progress = SILENT,
    message: str = "",
) -> np.ndarray:
    """Fill `out[a:b]` with the core of `function(source[a - halo : b + halo])` for all slabs.

    Parameters
    ----------
    function
        Must give the same values whatever the slab, apart from the `halo` layers at cut ends. It
        should release the GIL (numpy, scipy.ndimage do).
    source
        Array with at least one axis; slabs are views along the first.
    halo
        Layers on either side that a value can depend on.
    out
        Array with the first-axis length of `source`, written in place and returned.
    """
    n = source.shape[0]
    layer = max(1, source[:1].size)
    depth = max(1, min(-(-n // (2 * thread_count())), max(SLAB_VALUES // layer, 2 * halo, 1)))

    def work(start: int) -> None:
        stop = min(start + depth, n)
        low, high = max(0, start - halo), min(n, stop + halo)
        out[start:stop] = function(source[low:high])[start - low : stop - low]

    for_each(work, range(0, n, depth), progress=progress, message=message)
    return out


def for_each(
    work: Callable[[Item], Done], items: Iterable[Item], *, progress: Progress = SILENT, message: str = ""
) -> list[Done]:
    """`[work(item) for item in items]` in threads, the calling one among them; stops between items when asked to.

    `work` should release the GIL most of the time and take between a millisecond and a quarter of a second, or ask
    `go_on` that often. When items fail, the first of them in order tells why.
    """
    job = _Job(work, list(items))

    def tell() -> None:
        progress.report(job.ended / len(job.items), message)

    progress.check()
    helpers = _helpers(os.getpid())
    before, _HERE.tell = _HERE.tell, tell
    try:
        helpers.ask(job, min(thread_count(), len(job.items)) - 1)
        while job.work_once():
            tell()
        helpers.take_back(job)
        while not job.left_alone(PATIENCE):
            tell()
    finally:
        _HERE.tell = before
        job.stop()
        helpers.take_back(job)
        job.left_alone()
    done = job.result()
    progress.report(1.0, message)
    return done


class _Here(threading.local):
    """What this thread says between the items that it works on, and when it last did so within one."""

    tell: Callable[[], None] | None = None
    told = 0.0


_HERE = _Here()


def go_on(progress: Progress) -> bool:
    """Whether nobody asked to stop, for items of `for_each` that may take long; the calling thread reports by it."""
    now = time.monotonic()
    if _HERE.tell is not None and now - _HERE.told >= PATIENCE:
        _HERE.told = now
        _HERE.tell()
    return not progress.cancelled


class _Job(Generic[Item, Done]):
    """Items that several threads work on: whoever is free takes the next one."""

    def __init__(self, work: Callable[[Item], Done], items: list[Item]) -> None:
        self.items, self.ended = items, 0
        self._work, self._taken, self._lock = work, 0, threading.Lock()
        self._helping, self._left = 0, threading.Condition(self._lock)
        self._done: dict[int, Done] = {}
        self._failed: dict[int, BaseException] = {}

    def begin(self) -> None:
        """Somebody helps from now on."""
        with self._lock:
            self._helping += 1

    def end(self) -> None:
        """Somebody does not help any more."""
        with self._lock:
            self._helping -= 1
            self._left.notify_all()

    def left_alone(self, seconds: float | None = None) -> bool:
        """Wait until nobody helps any more; whether that came in time."""
        with self._lock:
            return self._left.wait_for(lambda: not self._helping, seconds)

    def work_once(self) -> bool:
        """Work on the next item; False when there is none. What it raises is kept, and nothing more is taken."""
        with self._lock:
            number = self._taken
            if number >= len(self.items):
                return False
            self._taken += 1
        try:
            self._done[number] = self._work(self.items[number])
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread, by `result`
            self._failed[number] = error
            self.stop()
        with self._lock:
            self.ended += 1
        return True

    def stop(self) -> None:
        """Let nobody take another item."""
        with self._lock:
            self._taken = len(self.items)

    def result(self) -> list[Done]:
        """What all items gave; raises the error of the first that failed."""
        if self._failed:
            raise self._failed[min(self._failed)]
        return [self._done[number] for number in range(len(self.items))]


class _Helpers:
    """Threads that stay, because starting some takes longer than many a piece of work.

    A job that needs no help any more is taken back. So no more threads are started than work at a time, and calls
    within calls come to an end however few are free.
    """

    def __init__(self) -> None:
        self._asked = threading.Condition()
        self._jobs: list[_Job[Any, Any]] = []
        self._idle = self._count = 0

    def ask(self, job: _Job[Any, Any], count: int) -> None:
        """Let up to so many threads work on a job."""
        if count <= 0:
            return
        with self._asked:
            self._jobs += [job] * count
            self._asked.notify(count)
            for _ in range(min(len(self._jobs) - self._idle, HELPERS - self._count)):
                try:
                    threading.Thread(target=self._serve, name="MedImgAnalysis helper", daemon=True).start()
                except RuntimeError:
                    # None can be had, as when the interpreter ends: the calling thread does all.
                    return
                self._count += 1
                self._idle += 1

    def take_back(self, job: _Job[Any, Any]) -> None:
        """Let nobody begin to work on a job."""
        with self._asked:
            self._jobs = [other for other in self._jobs if other is not job]

    def _serve(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._jobs)
                job = self._jobs.pop(0)
                job.begin()
                self._idle -= 1
            try:
                while job.work_once():
                    pass
                # Before the caller hears of it: its next job must find this thread free.
                with self._asked:
                    self._idle += 1
            finally:
                job.end()
            # Else it would be kept, with all that it worked on, until there is another one.
            del job


@lru_cache(maxsize=1)
def _helpers(process: int) -> _Helpers:
    """Those of this process: a forked one has its own."""
    return _Helpers()


def ranges(length: int, layer: int, values: int = SLAB_VALUES) -> list[tuple[int, int]]:
    """(start, stop) of slabs of about `values` numbers along an axis of `length` layers of `layer` numbers.

    They do not depend on the number of threads, so that sums over them are always the same to the bit.
    """
    depth = max(1, min(length, values // max(layer, 1)))
    return [(start, min(start + depth, length)) for start in range(0, length, depth)]

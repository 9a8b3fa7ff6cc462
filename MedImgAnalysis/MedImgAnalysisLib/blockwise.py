"""Local work in slabs: threads, progress, cancel and bounded memory by one mechanism.

A slab is a range along the first numpy axis (k). The function gets the slab with a halo on both
sides and returns an array of the same first-axis length, of which the core is kept.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
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
    helpers = [_helpers(os.getpid()).submit(job.work) for _ in range(min(thread_count(), len(job.items)) - 1)]
    before, _HERE.tell = _HERE.tell, tell
    try:
        while job.work_once():
            tell()
        for helper in helpers:
            while not (helper.cancel() or _ended(helper)):
                tell()
    finally:
        _HERE.tell = before
        job.stop()
        wait(helper for helper in helpers if not helper.cancel())
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
        self._done: dict[int, Done] = {}
        self._failed: dict[int, BaseException] = {}

    def work(self) -> None:
        """Work until there is nothing left to take."""
        while self.work_once():
            pass

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


@lru_cache(maxsize=1)
def _helpers(process: int) -> ThreadPoolExecutor:
    """Threads that stay, because starting some takes longer than many a piece of work; a forked process has its own.

    Nobody waits for a helper that has not begun, so calls within calls come to an end however few are free.
    """
    return ThreadPoolExecutor(HELPERS, "MedImgAnalysis")


def _ended(future: Future[Any]) -> bool:
    """Wait a moment for a future; whether it has ended, in whatever way."""
    with suppress(NotYet):
        future.exception(timeout=0.1)
    return future.done()


def ranges(length: int, layer: int, values: int = SLAB_VALUES) -> list[tuple[int, int]]:
    """(start, stop) of slabs of about `values` numbers along an axis of `length` layers of `layer` numbers.

    They do not depend on the number of threads, so that sums over them are always the same to the bit.
    """
    depth = max(1, min(length, values // max(layer, 1)))
    return [(start, min(start + depth, length)) for start in range(0, length, depth)]

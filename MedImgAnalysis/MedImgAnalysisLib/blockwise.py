"""Local work in slabs: threads, progress, cancel and bounded memory by one mechanism.

A slab is a range along the first numpy axis (k). The function gets the slab with a halo on both
sides and returns an array of the same first-axis length, of which the core is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk

from .progress import SILENT, Progress

Item = TypeVar("Item")
Done = TypeVar("Done")

SLAB_VALUES = 1 << 20
"""Numbers that one slab holds at the most, so that a cancel comes through quickly."""


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
    """`[work(item) for item in items]` in threads; stops between items when asked to.

    `work` should release the GIL most of the time and take less than a quarter of a second.
    """
    items = list(items)
    progress.check()
    if len(items) == 1:
        done_alone = [work(items[0])]
        progress.report(1.0, message)
        return done_alone
    pool = ThreadPoolExecutor(thread_count())
    try:
        futures = [pool.submit(work, item) for item in items]
        # In turn, not `wait` for the first of all: that takes the locks of all at each step.
        for number, future in enumerate(futures):
            while not _ended(future):
                progress.report(number / len(futures), message)
            future.result()
            progress.report((number + 1) / len(futures), message)
    finally:
        pool.shutdown(cancel_futures=True)
    progress.check()
    return [future.result() for future in futures]


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

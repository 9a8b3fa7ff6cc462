"""Slabs give what the whole gives; progress and cancel come through."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import blockwise
from MedImgAnalysisLib.blockwise import (
    ONE_THREAD,
    for_each,
    go_on,
    map_slabs,
    ranges,
    set_thread_count,
    thread_count,
)
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.filtering import Median
from MedImgAnalysisLib.kernels.morphology import dilate
from MedImgAnalysisLib.kernels.neighbours import bilateral, nonlocal_means
from MedImgAnalysisLib.progress import Progress, Recorder, run_filter
from scipy.ndimage import maximum_filter


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 6), st.integers(1, 4), st.integers(1, 2000))
def test_slabs_with_a_halo_equal_the_whole(length, halo, threads, slab_values):
    array = np.random.default_rng(0).normal(0, 1, (length, 5, 4))
    before, kept = thread_count(), blockwise.SLAB_VALUES
    set_thread_count(threads)
    blockwise.SLAB_VALUES = slab_values
    try:
        found = map_slabs(lambda s: maximum_filter(s, (2 * halo + 1, 1, 1)), array, halo, np.empty_like(array))
    finally:
        set_thread_count(before)
        blockwise.SLAB_VALUES = kept
    np.testing.assert_array_equal(found, maximum_filter(array, (2 * halo + 1, 1, 1)))


def test_a_cancel_stops_between_slabs(monkeypatch):
    monkeypatch.setattr(blockwise, "SLAB_VALUES", 4)
    progress = Progress()
    threading.Timer(0.2, progress.cancel).start()
    array = np.zeros((200, 2))
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        map_slabs(lambda s: (time.sleep(0.05), s)[1], array, 0, array, progress=progress)
    assert time.perf_counter() - started < 1.0


@contextmanager
def two_threads():
    before = thread_count()
    set_thread_count(2)
    try:
        yield
    finally:
        set_thread_count(before)


def test_an_error_in_a_slab_comes_out():
    def fail(slab):
        raise ValueError("broken slab")

    with pytest.raises(ValueError, match="broken slab"):
        map_slabs(fail, np.zeros((4, 4)), 0, np.zeros((4, 4)))


def test_results_come_in_the_order_of_the_items_and_an_error_drops_the_rest():
    assert for_each(lambda n: (time.sleep(0.01 * (n % 3)), n)[1], range(20)) == list(range(20))
    done = []

    def fail(n):
        if n == 2:
            raise ValueError("broken item")
        time.sleep(0.01)
        done.append(n)

    with pytest.raises(ValueError, match="broken item"):
        for_each(fail, range(500))
    assert len(done) < 100


def test_the_first_item_in_order_that_fails_tells_why():
    together = threading.Barrier(2, timeout=5)

    def fail(n):
        together.wait()
        # The second one fails earlier.
        time.sleep(0.1 * (1 - n))
        raise ValueError(f"item {n}")

    with two_threads(), pytest.raises(ValueError, match="item 0"):
        for_each(fail, range(2))


def test_calls_within_calls_come_to_an_end_although_all_threads_are_busy():
    def nested(depth):
        return sum(for_each(nested, [depth - 1] * 4)) if depth else 1

    with two_threads():
        assert nested(5) == 4**5


def helping() -> int:
    return sum(thread.name == "MedImgAnalysis helper" for thread in threading.enumerate())


def test_many_short_calls_start_no_more_threads_than_work_at_a_time():
    code = """
import threading
from MedImgAnalysisLib.blockwise import for_each, set_thread_count
set_thread_count(3)
for n in range(2000):
    assert for_each(abs, [-1, -2, -3, -4]) == [1, 2, 3, 4]
assert threading.active_count() == 3, threading.active_count()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_what_was_worked_on_is_not_kept():
    class Large:
        pass

    def call():
        large = Large()
        assert for_each(lambda n: (time.sleep(0.01), large is not None)[1], range(6)) == [True] * 6
        return weakref.ref(large)

    with two_threads():
        gone = call()
    # A helper lets go of it a moment after it said that it is done.
    ended = time.perf_counter() + 5
    while gone() is not None and time.perf_counter() < ended:
        time.sleep(0.01)
    assert helping() and gone() is None


def test_many_calls_at_a_time_each_get_their_own_results_and_errors():
    wrong = []

    def uneven(n):
        time.sleep(0.0002 * (n % 4))
        if n % 17 == 13:
            raise ValueError(n)
        return n

    def call():
        for _ in range(10):
            wrong.extend(for_each(uneven, range(12)) != list(range(12)) for _ in range(2))
            with pytest.raises(ValueError, match=r"^13$"):
                for_each(uneven, range(40))

    callers = [threading.Thread(target=lambda: wrong.append(call())) for _ in range(12)]
    with two_threads():
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
    assert len(wrong) == 12 * 21 and not any(wrong)


def test_what_is_done_as_the_interpreter_ends_is_done_without_help():
    code = """
import atexit
from MedImgAnalysisLib.blockwise import for_each, set_thread_count
set_thread_count(4)
atexit.register(lambda: print(for_each(abs, range(5))))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.stdout.strip(), ended.stderr) == ("[0, 1, 2, 3, 4]", "")


class Told(Progress):
    """Keeps in which thread and after how many seconds of silence it was told something."""

    def __init__(self):
        super().__init__(self._tell)
        self.threads, self.silences, self.last = set(), [], time.perf_counter()

    def _tell(self, fraction, message):
        self.threads.add(threading.get_ident())
        self.silences.append(time.perf_counter() - self.last)
        self.last = time.perf_counter()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_calling_thread_reports_and_stops_within_items_that_take_long(count):
    progress = Told()
    threading.Timer(1.2, progress.cancel).start()

    def work(n):
        ended = time.perf_counter() + 30
        while go_on(progress) and time.perf_counter() < ended:
            # What an item calls takes nothing from it.
            for_each(time.sleep, [0.01])

    with two_threads(), pytest.raises(Cancelled):
        for_each(work, range(count), progress=progress)
    assert progress.threads == {threading.get_ident()}
    assert len(progress.silences) >= 5 and max(progress.silences) < 0.5
    assert time.perf_counter() - progress.last < 0.5


LONG = {
    "bilateral": lambda array, progress: bilateral(array, [5.0] * 3, [15] * 3, 1.0, progress),
    "nonlocal_means": lambda array, progress: nonlocal_means(array, [1] * 3, [12] * 3, 1.0, 1.0, progress),
    "dilate": lambda array, progress: dilate(array, [40.0] * 3, "ball", progress),
    "median": lambda array, progress: Median(radius_voxels=9).run(sitk.GetImageFromArray(array), progress=progress),
}


@pytest.mark.parametrize("name", LONG)
def test_wide_neighbourhoods_report_twice_a_second(name):
    array = np.random.default_rng(0).normal(size=(128, 128, 128)).astype(np.float32)
    progress = Told()
    threading.Timer(1.5, progress.cancel).start()
    # A quick machine may come to the end before.
    with suppress(Cancelled):
        LONG[name](array, progress)
    assert time.perf_counter() - progress.last < 0.5
    assert len(progress.silences) >= 3 and max(progress.silences) < 0.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_threads_of_its_own():
    code = """
import os, threading, time
from MedImgAnalysisLib.blockwise import for_each, set_thread_count
set_thread_count(2)

def threads():
    return set(for_each(lambda n: (time.sleep(0.05), threading.get_ident())[1], range(8)))

assert len(threads()) == 2
child = os.fork()
if not child:
    os._exit(len(threads()))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


@given(st.integers(1, 300), st.integers(0, 5000), st.integers(1, 10_000))
def test_ranges_cover_the_axis_once_and_hold_few_values(length, layer, values):
    found = ranges(length, layer, values)
    assert [n for start, stop in found for n in range(start, stop)] == list(range(length))
    assert all(stop - start == 1 or (stop - start) * layer <= values for start, stop in found)


def test_one_thread_is_restored_after_overlapping_users():
    before = thread_count()
    set_thread_count(3)
    try:
        with ONE_THREAD:
            with ONE_THREAD:
                assert thread_count() == 1
            assert thread_count() == 1
        assert thread_count() == 3
    finally:
        set_thread_count(before)


def test_an_itk_filter_reports_and_is_cancelled():
    image = sitk.GaussianSource(sitk.sitkFloat32, [128, 128, 128])
    seen: list[float] = []
    run_filter(sitk.MedianImageFilter(), image, progress=Progress(lambda f, m: seen.append(f)))
    assert seen and max(seen) <= 1
    progress = Progress()
    threading.Timer(0.1, progress.cancel).start()
    slow = sitk.CurvatureFlowImageFilter()
    slow.SetNumberOfIterations(200)
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        run_filter(slow, image, progress=progress)
    assert time.perf_counter() - started < 1.0


def test_parts_and_recorders_pass_on_reports_warnings_and_cancel():
    seen, said = [], []
    whole = Progress(lambda f, m: seen.append((round(f, 3), m)), said.append)
    recorder = Recorder(whole)
    recorder.part(0.5, 1.0).report(0.5, "half of the second half")
    recorder.warn("look")
    recorder.warn("look")
    assert seen == [(0.75, "half of the second half")] and said == recorder.warnings == ["look"]
    recorder.part(0, 1).cancel()
    assert whole.cancelled
    with pytest.raises(Cancelled):
        recorder.check()

"""How long operations take on this computer: from own past runs of about the same size, else from a table.

Work is counted in megavoxels, times the effort for a voxel (`Operation.effort`). A run that took a while is remembered
in a file of the user by its work, in steps of four: a run on a small image is mostly its start, and says nothing of a
large one. Where no run of a quarter of the work or more is known the table counts: measured once on another computer,
and scaled by how fast a small piece of work runs here.
"""

from __future__ import annotations

import json
import logging
import math
import os
import statistics
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from .blockwise import map_slabs, thread_count
from .machine import cache_folder
from .operation import Operation
from .rates_table import PROBE_SECONDS, SECONDS_PER_MEGAVOXEL

logger = logging.getLogger("MedImgAnalysis")

FILE = "rates.json"
KEPT = 5
"""Runs of a size that are remembered of an operation."""
STEP = 4.0
"""Ratio of the work of one size to that of the next smaller one."""
WORTH = 0.2
"""Seconds of a run below which its start is most of it."""
BELIEVED = 1000
"""Times the listed rate beyond which a run says nothing: the computer slept."""


def seconds_for(operation: Operation, work: float) -> tuple[float, bool] | None:
    """Seconds for so much work and whether they are from own runs; None where nothing is known of the operation."""
    if work <= 0:
        return None
    size, own = _size(work), _remembered().get(_key(operation), {})
    listed = SECONDS_PER_MEGAVOXEL.get(operation.name)
    if listed is not None:
        listed *= probe_seconds() / PROBE_SECONDS
        own = {of: [rate for rate in rates if rate <= BELIEVED * listed] for of, rates in own.items()}
    near = [of for of, rates in own.items() if rates and of >= size - 1]
    if near:
        return statistics.median(own[min(near, key=lambda of: abs(of - size))]) * work, True
    return None if listed is None else (listed * work, False)


def remember(operation: Operation, work: float, seconds: float) -> None:
    """Keep how long a run took; a file that cannot be written is left as it is."""
    if seconds < WORTH or work <= 0:
        return
    kept = _remembered()
    sizes = kept.setdefault(_key(operation), {})
    sizes[_size(work)] = [*sizes.get(_size(work), []), float(f"{seconds / work:.4g}")][-KEPT:]
    path = cache_folder() / FILE
    beside = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        logger.debug("%s: %s", path, error)


def _size(work: float) -> int:
    return math.floor(math.log(work, STEP))


def _key(operation: Operation) -> str:
    return f"{operation.name} {thread_count()}"


def _remembered() -> dict[str, dict[int, list[float]]]:
    """By operation and size, seconds per megavoxel."""
    try:
        found = json.loads((cache_folder() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {str(key): _rates(sizes) for key, sizes in found.items() if isinstance(sizes, Mapping)}


def _rates(sizes: Mapping[str, Any]) -> dict[int, list[float]]:
    return {
        int(size): [float(n) for n in numbers if isinstance(n, (int, float)) and n > 0]
        for size, numbers in sizes.items()
        if size.lstrip("-").isdecimal() and isinstance(numbers, list)
    }


def probe_seconds() -> float:
    """Seconds for a small fixed piece of work with the threads that are set; measured once in a process."""
    return _probe(thread_count())


@cache
def _probe(threads: int) -> float:
    array = np.random.default_rng(0).random((32, 128, 128), np.float32)
    out = np.empty_like(array)

    def work(slab: np.ndarray) -> np.ndarray:
        values = np.sqrt(slab * slab + 1)
        return np.maximum(np.minimum(values, slab), np.exp(-values))

    times = []
    for _ in range(5):
        started = time.perf_counter()
        map_slabs(work, array, 0, out)
        times.append(time.perf_counter() - started)
    return min(times)

"""How long operations take on this computer: seconds per megavoxel, from a table or from own past runs.

A run that took a while is remembered in a file of the user. Until there is one, the table counts: measured once on
another computer, and scaled by how fast a small piece of work runs here.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import time
from collections.abc import Mapping
from functools import cache

import numpy as np

from .blockwise import map_slabs, thread_count
from .machine import cache_folder
from .operation import Operation
from .rates_table import PROBE_SECONDS, SECONDS_PER_MEGAVOXEL

logger = logging.getLogger("MedImgAnalysis")

FILE = "rates.json"
KEPT = 9
"""Runs that are remembered of an operation."""
WORTH = 0.2
"""Seconds of a run below which its start is most of it."""

BELIEVED = 1000
"""Times the listed rate beyond which a run says nothing: the computer slept, or the image was tiny."""


def seconds_per_megavoxel(operation: Operation) -> tuple[float, bool] | None:
    """Seconds per megavoxel and whether they are from own runs; None where nothing is known of the operation."""
    own = _remembered().get(_key(operation), [])
    listed = SECONDS_PER_MEGAVOXEL.get(operation.name)
    if listed is not None:
        listed *= probe_seconds() / PROBE_SECONDS
        own = [rate for rate in own if rate <= BELIEVED * listed]
    if own:
        return statistics.median(own) * operation.effort(), True
    return None if listed is None else (listed * operation.effort(), False)


def remember(operation: Operation, megavoxels: float, seconds: float) -> None:
    """Keep how long a run took; a file that cannot be written is left as it is."""
    if seconds < WORTH or megavoxels <= 0:
        return
    kept = _remembered()
    key = _key(operation)
    kept[key] = [*kept.get(key, []), float(f"{seconds / megavoxels / operation.effort():.4g}")][-KEPT:]
    path = cache_folder() / FILE
    beside = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        logger.debug("%s: %s", path, error)


def _key(operation: Operation) -> str:
    return f"{operation.name} {thread_count()}"


def _remembered() -> dict[str, list[float]]:
    try:
        found = json.loads((cache_folder() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {
        str(key): [float(n) for n in numbers if isinstance(n, (int, float)) and n > 0]
        for key, numbers in found.items()
        if isinstance(numbers, list)
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

"""Time and peak memory of a call, in a process of its own so that nothing else is in the figure."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Figures:
    """Medians over the repeats; memory is the largest beyond what the process had before."""

    seconds: float
    cpu_seconds: float
    extra_mb: float
    repeats: int
    answer: dict[str, float]

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def measured(call: Callable[[], dict[str, float]], repeats: int, enough_seconds: float) -> Figures:
    """Run `call` up to `repeats` times, fewer once they took `enough_seconds` together."""
    wall, cpu, memory = [], [], []
    answer: dict[str, float] = {}
    for _ in range(repeats):
        with PeakMemory() as peak:
            start, used = time.perf_counter(), time.process_time()
            answer = call()
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
        memory.append(peak.extra_mb)
        if sum(wall) > enough_seconds:
            break
    return Figures(statistics.median(wall), statistics.median(cpu), max(memory), len(wall), answer)


class PeakMemory:
    """The largest resident memory inside the block beyond that at its start, in 10^6 bytes (Linux)."""

    def __enter__(self) -> PeakMemory:
        self.extra_mb = float("nan")
        self._before = _resident()
        self._peak = self._before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._peak = max(self._peak, _resident())
        self.extra_mb = (self._peak - self._before) / 1e6

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self._peak = max(self._peak, _resident())


def _resident() -> int:
    if not STATUS.exists():
        return 0
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

"""A real Dask cluster for tests: a scheduler and workers in processes of their own, on the loopback address only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cases_testing import environment, wait_for


class DaskProcesses:
    """Scheduler and workers on 127.0.0.1."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--no-dashboard", "--no-jupyter")
        wait_for(self._address, 200)
        self.address = self._address()
        self.workers = [self.add_worker() for _ in range(workers)]

    def add_worker(self, *options: str, preload: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker for one case at a time."""
        more = ["--preload", str(preload)] if preload else []
        return self._start("dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", *more, *options)

    def stop(self) -> None:
        """End everything."""
        for process in (*self.workers, self.scheduler):
            process.terminate()
        until = time.monotonic() + 5
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _address(self) -> str:
        with suppress(OSError, ValueError):
            return str(json.loads(self.file.read_text(encoding="utf-8"))["address"])
        return ""

    def _start(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        where = ("--host", "127.0.0.1", "--scheduler-file", str(self.file))
        with open(self.folder / f"{module}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *where, *options],
                env=environment() | {"DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "60s"},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )


def kill(process: subprocess.Popen[bytes] | int) -> None:
    """End a process without any chance to tidy up."""
    os.kill(process if isinstance(process, int) else process.pid, signal.SIGKILL)


def children_of(process: int) -> Sequence[int]:
    """Processes that this one has started and that run still."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = entry.read_text().rpartition(")")[2].split()
            if int(words[1]) == process and words[0] != "Z":
                found.append(int(entry.parent.name))
    return found

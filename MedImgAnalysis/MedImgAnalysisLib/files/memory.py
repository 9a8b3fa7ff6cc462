"""How much memory is free, so that a file that does not fit is refused instead of killing the program."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from ..errors import FileError
from .header import bytes_text


def available_memory() -> int | None:
    """Bytes that this process can still get; None where the system does not say."""
    if sys.platform == "win32":
        return _windows()
    found = [value for value in (_meminfo(), _cgroup()) if value is not None]
    if found:
        return min(found)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def check_memory(path: Path, needed: int) -> None:
    """`FileError` with both numbers when `needed` bytes are more than what is free."""
    free = available_memory()
    if free is not None and needed > free:
        raise FileError(
            f"{path}: the image needs {bytes_text(needed)} of memory, {bytes_text(free)} are available.",
            path=path,
            needed=needed,
            available=free,
        )


def _meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _cgroup() -> int | None:
    """What a container may still use; file caches count as free."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        caches = [line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    reclaimable = sum(int(value) for name, value in caches if name == "inactive_file")
    return max(int(limit) - used + reclaimable, 0)


def _windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.free)

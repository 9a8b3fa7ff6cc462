"""What this computer has: memory that a run could still use, and a folder for what is remembered between runs."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
"""Limit and use of a container, for both versions of control groups."""
FREE_MEMORY = "MEDIMG_FREE_MEMORY"
"""Environment variable with the bytes that may be used, such as 8e9, where the computer is not to be asked."""


def free_memory() -> int | None:
    """Bytes that can be used without swapping; None where the system does not tell."""
    told = os.environ.get(FREE_MEMORY, "")
    if told:
        try:
            return int(float(told))
        except ValueError:
            return None
    try:
        if sys.platform == "win32":
            return _windows()
        if sys.platform == "darwin":
            return _mac()
        return _linux()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _linux() -> int | None:
    match = re.search(r"MemAvailable:\s*(\d+) kB", MEMINFO.read_text(encoding="ascii"))
    free = int(match[1]) * 1024 if match else None
    for limit, used in CGROUPS:
        if limit.exists() and used.exists():
            most = limit.read_text(encoding="ascii").strip()
            if most.isdigit():
                left = max(0, int(most) - int(used.read_text(encoding="ascii")))
                free = left if free is None else min(free, left)
    return free


def _mac() -> int | None:
    text = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=2, check=True).stdout
    return mac_free(text)


def mac_free(text: str) -> int | None:
    """Bytes of the pages that `vm_stat` counts as free, inactive, speculative or purgeable."""
    page = re.search(r"page size of (\d+) bytes", text)
    counts = re.findall(r"Pages (?:free|inactive|speculative|purgeable):\s+(\d+)", text)
    return int(page[1]) * sum(map(int, counts)) if page and counts else None


class _MemoryStatus(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        ("total_physical", ctypes.c_ulonglong),
        ("free_physical", ctypes.c_ulonglong),
        ("total_page", ctypes.c_ulonglong),
        ("free_page", ctypes.c_ulonglong),
        ("total_virtual", ctypes.c_ulonglong),
        ("free_virtual", ctypes.c_ulonglong),
        ("free_extended", ctypes.c_ulonglong),
    )


def _windows() -> int | None:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(status)
    kernel = ctypes.CDLL("kernel32")
    return int(status.free_physical) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def memory_text(size: float) -> str:
    """`1.4 GB`, `320 MB` or `0.4 MB` (powers of ten)."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 2e6 else f"{size / 1e6:.1f} MB"


def cache_folder() -> Path:
    """Where this program remembers things for the user: MEDIMG_CACHE, else the usual folder of the system."""
    told = os.environ.get("MEDIMG_CACHE", "")
    if told:
        return Path(told)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "MedImgAnalysis"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/MedImgAnalysis").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "MedImgAnalysis"

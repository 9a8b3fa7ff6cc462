"""For developers: making Slicer's Reload button load the library anew, too."""

from __future__ import annotations

import importlib
import sys

LIBRARY = __name__.partition(".")[0]


def forget_library() -> None:
    """Drop all parts of the library from Python's memory, so that the next import reads the files.

    Objects that exist keep their old code; modules other than the one that is reloaded go on with it.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == LIBRARY]:
        del sys.modules[name]
    importlib.invalidate_caches()

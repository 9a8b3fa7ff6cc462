"""Imports the whole library in a fresh interpreter, and the modules on the stand-in; prints what came from where.

python Testing/import_everything.py [--modules] FOLDER...

The folders come first on the path, as Slicer (or pip) puts them there. With --modules every `MedImg*.py` in them is
loaded, set up and entered as Slicer does it; then `qt`, `ctk` and the scene are there for the library as well.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

NEED_SLICER = ("MedImgAnalysisLib.panel", "MedImgAnalysisLib.scene")


def library(with_slicer: bool) -> dict[str, str]:
    """Import all modules of the library; their files by name."""
    import MedImgAnalysisLib

    found = {}
    for module in pkgutil.walk_packages(MedImgAnalysisLib.__path__, "MedImgAnalysisLib.", onerror=print):
        if with_slicer or not module.name.startswith(NEED_SLICER):
            found[module.name] = str(importlib.import_module(module.name).__file__)
    return found


def modules(folders: list[Path]) -> dict[str, str]:
    """Load the modules of Slicer in these folders; their files by name."""
    from slicer_standin.modules import LoadedModule

    paths = sorted(path for folder in folders for path in folder.glob("MedImg*.py"))
    loaded = [LoadedModule(path) for path in paths]
    found = {module.name: str(module.python.__file__) for module in loaded}
    for module in loaded:
        module.unload()
    return found


def main(words: list[str]) -> None:
    folders = [Path(word) for word in words if word != "--modules"]
    sys.path[:0] = [str(folder) for folder in folders]
    with_modules = "--modules" in words
    if with_modules:
        sys.path.append(str(Path(__file__).resolve().parent))
        from slicer_standin import driving

        driving.installed()
        driving.begin()
    made = {"modules": modules(folders)} if with_modules else {}
    print(json.dumps({**made, "library": library(with_modules)}), flush=True)
    if with_modules:
        driving.end()
        driving.stop()
        # Qt and VTK are taken apart by the interpreter in any order, and crash once in a hundred times.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

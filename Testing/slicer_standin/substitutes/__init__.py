"""Small versions of Slicer's own Python files, for where its source is not at hand.

They are written for this project, offer a part of the real names (checked against the facts) and behave alike in it;
SLICER_BASE_PYTHON puts the real files in their place.
"""

from __future__ import annotations

import sys
from types import ModuleType

from ..facts import FACTS
from . import annotations, others, scripted, wrapper

CONTENT = {
    "ScriptedLoadableModule": scripted.PUBLIC,
    "parameterNodeWrapper": annotations.PUBLIC | wrapper.PUBLIC,
    "i18n": others.I18N,
    "cli": others.CLI,
    "testing": others.TESTING,
    "packaging": others.PACKAGING,
}


def register(slicer: ModuleType) -> None:
    """Make `slicer.<name>` importable for each of them."""
    for name, content in CONTENT.items():
        full = "slicer." + name
        unreal = content.keys() - set(FACTS.python[full])
        if unreal:
            raise AssertionError(f"{full} has no {sorted(unreal)}")
        module = ModuleType(full)
        vars(module).update(content)
        module.__all__ = list(content)
        sys.modules[full] = module
        setattr(slicer, name, module)

"""A report of a problem as plain text, without anything of a patient: no node, no file, no message, no text that was
typed."""

from __future__ import annotations

import platform
from typing import Any

import slicer

from .. import catalog
from ..machine import free_memory
from ..provenance import software
from . import last_error
from .packages import optional_packages
from .state import PanelParameters, PanelState

HEAD = """Report of MedImgAnalysis
It holds no names of nodes, files or patients, no messages and no texts that were typed.
"""
PANELS = ("MedImgFiltering", "MedImgRegistration", "MedImgSegmentation", "MedImgAgreement", "MedImgQuality")


def bug_report() -> str:
    """Versions, computer, modules, the last error, settings of the panels, and how many nodes of which class."""
    parts = {
        "Versions": _versions(),
        "Packages": [f"{package.name}: {package.state}" for package in optional_packages()],
        "Computer": _computer(),
        "Modules": [", ".join(slicer.app.moduleManager().modulesNames())],
        "Last error": last_error.last().splitlines() or ["none"],
        "Settings": settings() or ["none"],
        "Scene": _scene() or ["empty"],
    }
    return HEAD + "".join(f"\n{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in parts.items())


def _versions() -> list[str]:
    application = slicer.app
    rows = {"Slicer": f"{application.applicationVersion} revision {application.repositoryRevision}", **software()}
    return [f"{name}: {value}" for name, value in rows.items()]


def _computer() -> list[str]:
    memory = free_memory()
    return [
        f"system: {platform.system()} {platform.release()} {platform.machine()}",
        f"language: {slicer.app.applicationLocaleName}",
        f"free memory: {'unknown' if memory is None else f'{memory / 1e9:.1f} GB'}",
    ]


def settings() -> list[str]:
    """What the panels are set to; parameters that are texts say only that they are set."""
    found = []
    for name in PANELS:
        node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLScriptedModuleNode")
        wrapper: Any = PanelParameters
        state = None if node is None else PanelState(wrapper(node))
        operation = None if state is None else catalog.OPERATIONS.get(state.operation)
        if state is None or operation is None:
            continue
        values = state.parameters(operation.name)
        said = [
            f"{parameter.name}={_plain(parameter, values[parameter.name])}"
            for parameter in operation.parameters()
            if parameter.name in values
        ]
        found.append(" ".join([f"{name}:", operation.name, *said]))
    return found


def _plain(parameter: Any, value: Any) -> str:
    """A number, a word of a list, yes or no; of any other text only that it is there."""
    if isinstance(value, list):
        return repr(value) if all(isinstance(number, (int, float)) for number in value) else "(text)"
    if value is None or isinstance(value, (bool, int, float)) or value in parameter.choices:
        return str(value)
    return "(text)"


def _scene() -> list[str]:
    """Nodes by class."""
    scene = slicer.mrmlScene
    counts: dict[str, int] = {}
    for number in range(scene.GetNumberOfNodes()):
        name = scene.GetNthNode(number).GetClassName()
        counts[name] = counts.get(name, 0) + 1
    return [f"{count} {name}" for name, count in sorted(counts.items())]

"""Fixtures of the panel tests: the stand-in for Slicer's Qt side, loading modules, and what a user does.

Slicer's own Python files run on the stand-in when SLICER_BASE_PYTHON names the folder Base/Python of its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from slicer_standin.modules import LoadedModule
    from slicer_standin.record import Dialog


@pytest.fixture(scope="session")
def driving() -> ModuleType:
    """The functions behind the fixtures below; the test is skipped where the packages they need are missing."""
    if not all(find_spec(package) for package in ("PySide6", "slicer")):  # importing would be too early
        pytest.skip("the panel tests need the packages PySide6-Essentials and slicer-core")
    from slicer_standin import driving

    return driving


@pytest.fixture(scope="session")
def standin(driving: ModuleType) -> ModuleType:
    """The installed stand-in: `slicer`, and from now on `qt` and `ctk` can be imported."""
    return driving.installed()


@pytest.fixture(autouse=True)
def clean_scene(driving: ModuleType) -> Iterator[None]:
    """An empty scene before and after; fails the test when a slot raised or a dialog came up that was not expected."""
    driving.begin()
    yield
    driving.end()


@pytest.fixture
def slicer_app(standin: ModuleType) -> Any:
    """slicer.app."""
    return standin.app


@pytest.fixture
def load_module(clean_scene: None) -> Iterator[Callable[[Path | str], LoadedModule]]:
    """`load_module(path)`: import a module .py, set up its widget and enter it, as Slicer does; unloaded at the end."""
    from slicer_standin.modules import LoadedModule

    loaded = []

    def load(path: Path | str) -> LoadedModule:
        loaded.append(LoadedModule(path))
        return loaded[-1]

    yield load
    for module in loaded:
        module.unload()


@pytest.fixture
def slot_errors(driving: ModuleType, clean_scene: None) -> list[BaseException]:
    """What slots and observers raised so far; a test that expects something looks at it and empties the list."""
    return driving.RECORD.slot_errors


@pytest.fixture
def expect_dialogs(driving: ModuleType) -> Callable[..., list[Dialog]]:
    """`expect_dialogs(*answers)`: dialogs may come up and are answered in turn; gives the list of those shown."""
    return driving.expect_dialogs


@pytest.fixture
def answer_files(driving: ModuleType) -> Callable[..., list[Dialog]]:
    """`answer_files(*paths)`: what the next file dialogs return ('' is Cancel)."""
    return driving.answer_files


@pytest.fixture
def press(driving: ModuleType) -> Callable[[Any], None]:
    """`press(button)`: click as a user does; a disabled or hidden button is an error."""
    return driving.press


@pytest.fixture
def process_events(driving: ModuleType) -> Callable[..., None]:
    """`process_events(seconds=0)`: run the event loop until idle."""
    return driving.process_events


@pytest.fixture
def wait_until(driving: ModuleType) -> Callable[..., None]:
    """`wait_until(condition, timeout=10)`: run the event loop until `condition()` holds."""
    return driving.wait_until


@pytest.fixture
def grab(driving: ModuleType) -> Callable[..., Path]:
    """`grab(widget, path, width=460)`: a PNG of the widget, as wide as a Slicer panel."""
    return driving.grab

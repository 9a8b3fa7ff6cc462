"""Fixtures of the panel tests: the stand-in for Slicer's Qt side, module loading, and what a user does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from slicer_standin import driving, modules


@pytest.fixture(scope="session")
def standin() -> SimpleNamespace:
    """The installed stand-in: modules qt, ctk, slicer are importable from now on."""
    pytest.importorskip("PySide6")
    pytest.importorskip("slicer_core")
    return driving.installed()


@pytest.fixture(autouse=True)
def clean_scene(standin: SimpleNamespace) -> Iterator[None]:
    """An empty scene before and after; fails the test when a slot raised or a dialog came up that was not expected."""
    driving.begin()
    yield
    driving.end()


@pytest.fixture
def slicer_app(standin: SimpleNamespace) -> object:
    """slicer.app."""
    return standin.slicer.app


@pytest.fixture
def load_module(standin: SimpleNamespace) -> Iterator:
    """`load_module(path)` imports a module .py as Slicer does and gives its module, widget and logic; see LoadedModule."""
    loaded = []

    def load(path: Path | str) -> modules.LoadedModule:
        loaded.append(modules.LoadedModule(path))
        return loaded[-1]

    yield load
    for module in loaded:
        module.unload()


@pytest.fixture
def slot_errors(clean_scene: None) -> list[BaseException]:
    """What slots and observers raised so far; a test that expects something looks at it and empties the list."""
    return driving.RECORD.slot_errors


@pytest.fixture
def expect_dialogs() -> object:
    """`expect_dialogs(*answers)`: dialogs may come up and are answered in turn; gives the list of those shown."""
    return driving.expect_dialogs


@pytest.fixture
def answer_files() -> object:
    """`answer_files(*paths)`: what the next file dialogs return ('' is Cancel)."""
    return driving.answer_files


@pytest.fixture
def press() -> object:
    """`press(button)`: click as a user does; a disabled or hidden button is an error."""
    return driving.press


@pytest.fixture
def process_events() -> object:
    """`process_events()`: run the event loop until idle."""
    return driving.process_events


@pytest.fixture
def wait_until() -> object:
    """`wait_until(condition, timeout=10)`: run the event loop until `condition()` holds."""
    return driving.wait_until


@pytest.fixture
def grab() -> object:
    """`grab(widget, path, width=460)`: a PNG of the widget as wide as a Slicer panel."""
    return driving.grab

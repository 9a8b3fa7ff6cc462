"""The developer's Reload button: the library is read anew, and the new page works on the same scene."""

from __future__ import annotations

import importlib
import sys

import pytest
from panel_helpers import FILTERING, HOST, add_volume, choose, volumes
from slicer_standin.modules import LoadedModule


def library_modules() -> dict:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "MedImgAnalysisLib"}


@pytest.fixture
def library_restored(standin):
    """Other tests go on with the library as it was."""
    importlib.import_module("MedImgAnalysisLib.panel")
    before = library_modules()
    yield
    for name in library_modules():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def reload_seen(monkeypatch):
    """What is left of the library when Slicer comes to reload the module file."""
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

    seen = []
    monkeypatch.setattr(ScriptedLoadableModuleWidget, "onReload", lambda self: seen.append(library_modules()))
    return seen


@pytest.mark.parametrize("path", [FILTERING, HOST], ids=lambda path: path.stem)
def test_reload_drops_the_whole_library(load_module, library_restored, reload_seen, path):
    loaded = load_module(path)
    assert library_modules()
    loaded.widget.onReload()
    assert reload_seen == [{}]


def test_the_new_page_shows_what_the_old_one_did_and_works(
    load_module, library_restored, reload_seen, press, wait_until
):
    old = LoadedModule(FILTERING)
    add_volume()
    old.widget.panel.enter()
    choose(old.widget.panel.chooser.combo, "median")
    old.widget.panel.form.fields["in_plane"].widget.setChecked(True)
    old_class = type(old.widget.panel)
    old.widget.onReload()
    old.unload()
    new = load_module(FILTERING)
    panel = new.widget.panel
    assert type(panel) is not old_class
    assert panel.form.build().values() == {"radius_voxels": 1, "in_plane": True}
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    assert [node.GetName() for node in volumes()] == ["T1", "T1 Median"]

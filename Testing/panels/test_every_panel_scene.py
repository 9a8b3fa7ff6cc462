"""Every page and the scene: saved and loaded again, closed, reloaded and changed while an operation runs."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest
from panel_helpers import MODULES, add_segmentation, add_volume, choose, log_text, node_ids

OPERATIONS = {
    "MedImgFiltering": "median",
    "MedImgRegistration": "register",
    "MedImgSegmentation": "threshold",
    "MedImgAgreement": "compare_segmentations",
    "MedImgQuality": "compare_images",
}
RECIPES = "MedImgRecipes"
RUNNING = ("MedImgFiltering", "MedImgRegistration", "MedImgSegmentation", RECIPES)


def fill() -> None:
    """What every operation above can work on."""
    volume = add_volume("T1")
    add_segmentation(volume, "Reader 1")
    add_segmentation(volume, "Reader 2")
    add_volume("FLAIR")


def path(name: str):
    return MODULES / name / f"{name}.py"


class Held:
    """Operations that wait in their thread until they may go on."""

    def __init__(self) -> None:
        self.started, self.go_on = threading.Event(), threading.Event()

    def hold(self, operation: str, monkeypatch) -> None:
        from MedImgAnalysisLib import catalog

        cls = catalog.find(operation)
        true_run = cls.run
        cls.inputs(), cls.outputs()

        def run(operation, *values, **named):
            self.started.set()
            self.go_on.wait(20)
            return true_run(operation, *values, **named)

        monkeypatch.setattr(cls, "run", run)


@pytest.fixture
def held():
    waiting = Held()
    yield waiting
    waiting.go_on.set()


@pytest.fixture
def running(load_module, held, press, wait_until, monkeypatch):
    """Start the operation of a page; gives the page and what ends the waiting."""

    def start(name):
        fill()
        loaded = load_module(path(name))
        panel = loaded.widget.panel
        panel.enter()
        operation = "median" if name == RECIPES else OPERATIONS[name]
        if name == RECIPES:
            panel.add_step(operation)
        else:
            choose(panel.chooser.combo, operation)
        held.hold(operation, monkeypatch)
        press(panel.run.apply_button)
        wait_until(held.started.is_set)

        def end():
            held.go_on.set()
            wait_until(lambda: not panel.run.runner.running, timeout=60)
            return panel

        return loaded, end

    return start


@pytest.mark.parametrize("name", RUNNING)
def test_closing_the_scene_while_it_runs(running, name):
    import slicer

    loaded, end = running(name)
    slicer.mrmlScene.Clear(0)
    before = node_ids()
    panel = end()
    assert node_ids() == before
    assert "The scene was closed while" in log_text(panel) and "The result was dropped." in log_text(panel)
    assert not panel.run.apply_button.enabled
    fill()
    loaded.enter()
    assert panel.run.apply_button.text == "Apply"


@pytest.mark.parametrize("name", RUNNING)
def test_deleting_an_input_while_it_runs(running, name):
    import slicer

    _loaded, end = running(name)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T1"))
    before = node_ids()
    panel = end()
    assert node_ids() == before
    assert "T1 was deleted while the operation was running. The result was dropped." in log_text(panel)


@pytest.mark.parametrize("name", RUNNING)
def test_other_nodes_may_come_and_go_while_it_runs(running, name):
    import slicer

    _loaded, end = running(name)
    other = add_volume("CT")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Motion")
    slicer.mrmlScene.RemoveNode(other)
    before = node_ids()
    panel = end()
    assert "Done in" in panel.run.status.text, log_text(panel)
    assert len(node_ids()) > len(before)


@pytest.mark.parametrize("name", RUNNING)
def test_another_scene_opened_while_it_runs_gets_nothing_of_it(running, tmp_path, name):
    import slicer

    kept = add_volume("Other patient")
    file = str(tmp_path / "other.mrb")
    assert slicer.mrmlScene.WriteToMRB(file)
    slicer.mrmlScene.RemoveNode(kept)
    _loaded, end = running(name)
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(file, True)
    before = node_ids()
    panel = end()
    assert node_ids() == before
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert [node.GetName() for node in volumes] == ["Other patient"]
    assert "The result was dropped." in log_text(panel)


@pytest.mark.parametrize("name", RUNNING)
def test_reloading_the_module_while_it_runs(running, held, load_module, process_events, monkeypatch, name):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

    importlib.import_module("MedImgAnalysisLib.panel")
    library = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "MedImgAnalysisLib"}
    reloaded = []
    monkeypatch.setattr(ScriptedLoadableModuleWidget, "onReload", lambda self: reloaded.append(self))
    loaded, _end = running(name)
    threading.Timer(0.2, held.go_on.set).start()  # the page waits for its thread a little
    loaded.widget.onReload()
    sys.modules.update(library)
    loaded.widget.cleanup()  # as Slicer does next
    before = node_ids()
    process_events(0.3)
    assert reloaded and node_ids() == before
    loaded.unload()
    panel = load_module(path(name)).widget.panel
    panel.enter()
    assert panel.run.apply_button.enabled
    assert panel.run.apply_button.text == "Apply"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_saved_scene_shows_what_was_set(load_module, tmp_path, name):
    import slicer

    fill()
    loaded = load_module(path(name))
    panel = loaded.widget.panel
    choose(panel.chooser.combo, OPERATIONS[name])
    changed = dict(panel.form.build().values())
    for parameter in panel.operation.parameters():
        if parameter.kind == "bool":
            changed[parameter.name] = not changed[parameter.name]
            break
    else:
        changed |= {"segment": "Bone of the saved scene"} if "segment" in changed else {"bins": 77}
    panel.form.show(changed)
    panel.form._on_change()
    shown = state(panel)
    assert any(nodes for nodes, _segment in shown[2].values())
    file = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(file)
    loaded.unload()
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(file, True)
    again = load_module(path(name)).widget.panel
    assert state(again) == shown
    assert again.run.apply_button.enabled


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_scene_that_is_loaded_while_the_page_is_open_shows_what_was_set(load_module, tmp_path, name):
    import slicer

    fill()
    panel = load_module(path(name)).widget.panel
    choose(panel.chooser.combo, OPERATIONS[name])
    shown = state(panel)
    assert any(nodes for nodes, _segment in shown[2].values())
    file = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(file)
    choose(panel.chooser.combo, next(other for other in panel.operations if other != OPERATIONS[name]))
    slicer.mrmlScene.Clear(0)
    assert not any(selector.nodes() for selector in panel.inputs.selectors.values())
    assert slicer.mrmlScene.ReadFromMRB(file, True)
    assert state(panel) == shown
    assert panel.run.apply_button.enabled


def state(panel) -> tuple:
    """Everything that a page shows of its settings."""
    inputs = {role: ([node.GetName() for node in selector.nodes()], selector.segment())
              for role, selector in panel.inputs.selectors.items()}  # fmt: skip
    outputs = {role: getattr(panel.outputs.node(role), "GetName", str)() for role in panel.outputs.combos}
    return panel.operation.name, panel.form.build().values(), inputs, outputs


def test_a_saved_scene_shows_its_recipe(load_module, tmp_path):
    import slicer

    fill()
    loaded = load_module(path(RECIPES))
    panel = loaded.widget.panel
    panel.enter()
    for operation in ("median", "auto_threshold"):
        panel.add_step(operation)
    steps = [step.operation for step in panel.recipe.steps]
    assert panel.run.apply_button.enabled
    file = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(file)
    loaded.unload()
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(file, True)
    again = load_module(path(RECIPES)).widget.panel
    assert [step.operation for step in again.recipe.steps] == steps
    assert again.run.apply_button.enabled


@pytest.mark.parametrize("name", [*OPERATIONS, RECIPES])
def test_a_page_can_be_cleaned_up_twice_and_in_an_empty_scene(load_module, name):
    import slicer

    loaded = load_module(path(name))
    slicer.mrmlScene.Clear(0)
    loaded.widget.cleanup()
    loaded.widget.cleanup()
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []

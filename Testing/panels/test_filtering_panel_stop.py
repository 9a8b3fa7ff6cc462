"""Runs that do not end well: cancelled, refused, failed, or the scene changed under them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, add_volume, choose, log_text, node_ids, noisy_image, volumes


@pytest.fixture
def panel(load_module):
    return load_module(FILTERING).widget.panel


@pytest.fixture
def small_slabs(monkeypatch):
    """Progress comes in small steps also on a small image."""
    from MedImgAnalysisLib import blockwise

    monkeypatch.setattr(blockwise, "SLAB_VALUES", 1)


@pytest.fixture
def long_run(panel, press, wait_until, small_slabs):
    """Start a median that takes some seconds, and give the input once the run is under way."""

    def start():
        volume = add_volume("Big", noisy_image((240, 64, 64)))
        panel.enter()
        choose(panel.chooser.combo, "median")
        panel.form.fields["radius_voxels"].widget.setValue(5)
        press(panel.run.apply_button)
        wait_until(lambda: panel.run.progress_bar.value > 0 or not panel.run.runner.running, timeout=30)
        assert panel.run.runner.running, log_text(panel)
        return volume

    return start


def test_cancel_stops_at_once_and_leaves_the_scene_as_it_was(panel, long_run, wait_until):
    long_run()
    before = node_ids()
    assert panel.run.apply_button.text == "Cancel"
    started = time.monotonic()
    panel.run.apply_button.click()  # press() would run the event loop, and the run may be over by then
    assert not panel.run.apply_button.enabled
    assert panel.run.status.text == "Stopping..."
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert time.monotonic() - started < 5  # half a second on an idle machine
    assert node_ids() == before
    assert panel.run.apply_button.text == "Apply"
    assert panel.run.apply_button.enabled
    assert panel.run.progress_bar.isHidden()
    assert panel.run.status.text == "Cancelled; nothing was changed."
    assert "Cancelled; nothing was changed." in log_text(panel)


def test_after_a_cancel_the_next_run_works(panel, long_run, press, wait_until):
    long_run()
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    panel.form.reset()
    panel.form.fields["in_plane"].widget.setChecked(True)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=30)
    assert [node.GetName() for node in volumes()] == ["Big", "Big Median"]


def test_deleting_the_input_drops_the_result_and_says_so(panel, long_run, wait_until):
    import slicer

    slicer.mrmlScene.RemoveNode(long_run())
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert volumes() == []
    assert "Big was deleted while the operation was running. The result was dropped." in log_text(panel)
    assert not panel.run.apply_button.enabled


def test_deleting_the_output_drops_the_result_and_says_so(panel, press, wait_until, small_slabs):
    import slicer

    add_volume("Big", noisy_image((240, 64, 64)))
    target = add_volume("Target")
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(5)
    panel.outputs.show("image", target)
    press(panel.run.apply_button)
    slicer.mrmlScene.RemoveNode(target)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert [node.GetName() for node in volumes()] == ["Big"]
    assert "Target was deleted" in log_text(panel)


def test_deleting_another_node_does_not_disturb(panel, press, wait_until):
    import slicer

    add_volume()
    other = add_volume("Other")
    panel.enter()
    press(panel.run.apply_button)
    slicer.mrmlScene.RemoveNode(other)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert [node.GetName() for node in volumes()] == ["T1", "T1 Gaussian smoothing"]


def test_closing_the_scene_drops_the_result_and_says_so(panel, long_run, wait_until):
    import slicer

    long_run()
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert volumes() == []
    assert "The scene was closed while the operation was running. The result was dropped." in log_text(panel)
    add_volume("Next")
    panel.enter()
    assert panel.run.apply_button.enabled


def test_leaving_the_module_lets_the_run_go_on(panel, press, wait_until):
    add_volume()
    panel.enter()
    press(panel.run.apply_button)
    panel.exit()
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert [node.GetName() for node in volumes()] == ["T1", "T1 Gaussian smoothing"]


def test_unloading_the_module_stops_the_run(panel, long_run, process_events):
    import threading

    long_run()
    panel.cleanup()
    process_events(0.2)
    assert not panel.run.runner.running
    assert [node.GetName() for node in volumes()] == ["Big"]
    assert [thread for thread in threading.enumerate() if thread.name == "MedImgAnalysis"] == []


def test_an_image_with_nan_is_refused_in_plain_words(panel, press, wait_until):
    image = noisy_image()
    array = sitk.GetArrayFromImage(image)
    array[3, 4, 5] = np.nan
    broken = sitk.GetImageFromArray(array)
    broken.CopyInformation(image)
    add_volume("Broken", broken)
    panel.enter()
    before = node_ids()
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert node_ids() == before
    assert "1 voxels that are NaN or infinite" in panel.run.status.text
    assert panel.run.status.text in log_text(panel)
    assert panel.run.apply_button.enabled


def test_a_volume_without_voxels_is_refused_in_plain_words(panel, press):
    import slicer

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    panel.enter()
    press(panel.run.apply_button)
    assert not panel.run.runner.running
    assert "has no voxels" in panel.run.status.text
    assert panel.run.apply_button.enabled


@pytest.mark.parametrize("error", [ZeroDivisionError("kaput"), MemoryError()])
def test_an_unexpected_error_is_told_and_leaves_the_scene_as_it_was(panel, press, wait_until, monkeypatch, error):
    import slicer
    from MedImgAnalysisLib.filtering import Gaussian

    def fail(self, image, mask=None, *, progress=None):
        raise error

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: shown.append((text, more)))
    add_volume()
    panel.enter()
    Gaussian.inputs()
    Gaussian.outputs()
    monkeypatch.setattr(Gaussian, "run", fail)
    before = node_ids()
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert node_ids() == before
    if isinstance(error, MemoryError):
        assert shown == []
        assert "not enough memory" in panel.run.status.text
    else:
        assert "kaput" in shown[0][0]
        assert "ZeroDivisionError" in shown[0][1]["detailedText"]
        assert "kaput" in panel.run.status.text


@pytest.mark.parametrize("installs", [True, False])
def test_a_missing_package_is_offered_and_the_user_applies_again(panel, press, wait_until, monkeypatch, installs):
    import slicer
    from MedImgAnalysisLib.errors import MissingPackageError
    from MedImgAnalysisLib.filtering import Gaussian

    def fail(self, image, mask=None, *, progress=None):
        raise MissingPackageError("This needs the package scikit-image.", package="scikit-image")

    asked = []

    def ensure(requirements, requester=None):
        asked.append((requirements, requester))
        if not installs:
            raise RuntimeError("no network")

    add_volume()
    panel.enter()
    Gaussian.inputs()
    Gaussian.outputs()
    monkeypatch.setattr(Gaussian, "run", fail)
    monkeypatch.setattr(slicer.packaging, "pip_ensure", ensure)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert asked == [(["scikit-image"], "MedImgFiltering")]
    assert "This needs the package scikit-image." in log_text(panel)
    assert ("Apply again." if installs else "no network") in panel.run.status.text

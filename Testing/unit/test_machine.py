"""Free memory as each system tells it, and what is remembered of past runs."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from MedImgAnalysisLib import machine, rates
from MedImgAnalysisLib.filtering import Bilateral, Gaussian, Median, NonlocalMeans
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.machine import free_memory, mac_free, memory_text
from MedImgAnalysisLib.plan import amount_of_work
from MedImgAnalysisLib.rates import remember, seconds_for

VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            400000.
Pages inactive:                           20000.
Pages speculative:                         1000.
Pages wired down:                        100000.
Pages purgeable:                            500.
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where runs are remembered; the listed rates count as they are, however fast this computer is."""
    monkeypatch.setenv("MEDIMG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(rates, "SECONDS_PER_MEGAVOXEL", {"gaussian": 0.5, "nonlocal_means": 10.0})
    monkeypatch.setattr(rates, "probe_seconds", lambda: rates.PROBE_SECONDS)
    return tmp_path / "cache"


def test_linux_tells_what_is_available(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable:    2000 kB\n")
    monkeypatch.delenv("MEDIMG_FREE_MEMORY", raising=False)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUPS", ())
    monkeypatch.setattr(sys, "platform", "linux")
    assert free_memory() == 2000 * 1024


def test_a_container_has_no_more_than_its_limit(tmp_path, monkeypatch):
    for name, text in (("meminfo", "MemAvailable: 2000 kB\n"), ("max", "500000\n"), ("now", "400000\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.delenv("MEDIMG_FREE_MEMORY", raising=False)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUPS", ((tmp_path / "max", tmp_path / "now"),))
    monkeypatch.setattr(sys, "platform", "linux")
    assert free_memory() == 100000
    (tmp_path / "max").write_text("max\n")
    assert free_memory() == 2000 * 1024


def test_the_pages_of_a_mac_are_counted():
    assert mac_free(VM_STAT) == 31500 * 16384
    assert mac_free("nothing") is None


def test_a_system_that_does_not_tell_gives_none(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDIMG_FREE_MEMORY", raising=False)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "missing")
    monkeypatch.setattr(sys, "platform", "linux")
    assert free_memory() is None


def test_a_user_can_say_how_much_may_be_used(monkeypatch):
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "8e9")
    assert free_memory() == 8_000_000_000
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "plenty")
    assert free_memory() is None


def test_this_computer_has_some_memory(monkeypatch):
    monkeypatch.delenv("MEDIMG_FREE_MEMORY", raising=False)
    assert free_memory() is None or free_memory() > 1e6


def test_memory_is_told_in_words():
    assert [memory_text(n) for n in (1.44e9, 3.2e8, 4e5)] == ["1.4 GB", "320 MB", "0.4 MB"]


GRID = Grid((8, 8, 8), (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


def test_without_runs_the_table_counts_scaled_to_this_computer(folder, monkeypatch):
    monkeypatch.setattr(rates, "probe_seconds", lambda: 2 * rates.PROBE_SECONDS)
    assert seconds_for(Gaussian(), 3.0) == (3.0, False)
    assert seconds_for(Median(), 3.0) is None


def test_own_runs_count_more_than_the_table(folder):
    for seconds in (4.0, 6.0, 50.0):
        remember(Gaussian(), 2.0, seconds)
    assert seconds_for(Gaussian(), 2.5) == (7.5, True)
    assert json.loads((folder / "rates.json").read_text()) != {}


def test_small_runs_say_nothing_of_large_ones(folder):
    """The start of the program is most of a run on few voxels."""
    for _ in range(20):
        remember(Gaussian(), 0.001, 0.3)
    assert seconds_for(Gaussian(), 0.001) == (pytest.approx(0.3), True)
    assert seconds_for(Gaussian(), 10.0) == (5.0, False)
    remember(Gaussian(), 12.0, 6.6)
    assert seconds_for(Gaussian(), 10.0) == (pytest.approx(5.5), True)
    for _ in range(20):
        remember(Gaussian(), 0.001, 0.3)
    assert seconds_for(Gaussian(), 10.0) == (pytest.approx(5.5), True), "many small ones drive out no large one"
    assert seconds_for(Gaussian(), 1.0) == (pytest.approx(0.55), True), "a larger one is better than the table"


def test_runs_with_more_work_tell_what_less_work_takes():
    image = image_like(np.zeros((8, 8, 8), np.float32), GRID)
    wide = NonlocalMeans(search_radius_voxels=6)
    ratio = amount_of_work(wide, {"image": image}) / amount_of_work(NonlocalMeans(), {"image": image})
    assert ratio == pytest.approx((13 / 7) ** 3)


def test_an_effort_in_millimetres_is_that_of_the_voxels_at_hand():
    """Sigma 1.5 mm has fewer neighbours in slices of 3 mm than in cubes of 1 mm."""
    thick = Grid((8, 8, 8), (1.0, 1.0, 3.0), (0.0,) * 3, GRID.direction)
    assert Bilateral(sigma_mm=1.0).effort(GRID) == 1
    assert 1 < Bilateral(sigma_mm=1.5).effort(thick) < 0.6 * Bilateral(sigma_mm=1.5).effort(GRID)


def test_short_runs_are_not_remembered(folder):
    remember(Gaussian(), 1.0, 0.05)
    assert not folder.exists()


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", '{"gaussian 2": "fast"}', '{"gaussian 2": [-1]}', '{"gaussian 2": {"0": [-1], "x": [1]}}'],
)
def test_a_broken_file_is_as_good_as_none(folder, text):
    folder.mkdir()
    (folder / "rates.json").write_text(text)
    remember(Gaussian(), 1.0, 2.0)
    assert seconds_for(Gaussian(), 1.0) == (2.0, True)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDIMG_CACHE", str(tmp_path / "file" / "cache"))
    remember(Gaussian(), 1.0, 2.0)
    assert not seconds_for(Gaussian(), 1.0)[1]


def test_the_probe_is_a_small_piece_of_work():
    assert 0 < rates.probe_seconds() < 2


def test_a_run_in_which_the_computer_slept_is_not_believed(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIMG_CACHE", str(tmp_path))
    listed, here = seconds_for(Gaussian(), 1.0)
    assert not here
    remember(Gaussian(), 1.0, 1000.0 * max(listed, 1.0))
    assert seconds_for(Gaussian(), 1.0) == (pytest.approx(listed, rel=0.01), False)

"""Kills a batch at chosen steps of its work with files, many times, and looks at what is left.

    python kill_points.py FOLDER KILLS SEED

A child process (forked, so that it starts at once) runs a batch of small cases in its own process and kills itself with
SIGKILL when it is about to take its n-th step on files: open, rename, remove, make a folder, or flush to the disk. Some
kills leave half of a file that is being written. Then the folder is looked at, and the next child goes on with it,
until all cases are done; that is a round. At the end a finished batch is started again and killed at each of its steps.
Prints one JSON object with what was seen.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cases_testing import SMOOTH, THRESHOLD, recipe_data, write_raw
from MedImgAnalysisLib.batch.cohort import Cohort, load
from MedImgAnalysisLib.batch.folder import whole_record
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.recipe import Recipe

CASES = [f"case {number:02d}" for number in range(20)]
STEPS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "tempfile.mkdtemp", "os.truncate"}
TABLES = ("results.csv", "results.json", "report.html", "recipe.json")


class Killer:
    """Counts steps on files below a folder and ends this process at the n-th one."""

    def __init__(self, folder: Path, at: int, cut: bool) -> None:
        self._folder, self._at, self._cut = os.fspath(folder), at, cut
        self.steps = 0
        sys.addaudithook(self._seen)
        fsync = os.fsync

        def flush(descriptor: int) -> None:
            self._step(descriptor)
            fsync(descriptor)

        os.fsync = flush

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and any(isinstance(a, (str, os.PathLike)) and self._inside(a) for a in arguments):
            self._step()

    def _inside(self, path: Any) -> bool:
        return os.fspath(path).startswith(self._folder) if isinstance(os.fspath(path), str) else False

    def _step(self, written: int | None = None) -> None:
        """One step; `written` is a file that is complete by now, of which a kill a moment before leaves half."""
        self.steps += 1
        if self.steps == self._at:
            if self._cut and written is not None:
                os.ftruncate(written, os.fstat(written).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], int]) -> int | None:
    """Exit status of `work` in a forked process; None when it was killed."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = work()
        except BaseException:  # noqa: BLE001 - the parent must see what it was
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(status)
    _, state = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(state) if not os.WIFSIGNALED(state) else None


def batch(recipe: Recipe, cohort: Cohort, out: Path, at: int, cut: bool = False) -> tuple[int | None, int]:
    """Run the batch in a child that ends at its step `at` (0: never); exit status, None if killed, and its steps."""
    count = out.parent / "steps"

    def work() -> int:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the whole process
        killer = Killer(out, at, cut)
        result = run_batch(recipe, cohort, out, workers=0, threads=1)
        count.write_text(str(killer.steps))
        return 0 if not result.failed else 1

    status = in_child(work)
    return status, int(count.read_text()) if status is not None else 0


def finished(out: Path) -> dict[str, tuple[int, str]]:
    """Inode and hashes of the cases under their final names; raises when one of them is not whole."""
    found = {}
    for folder in out.iterdir() if out.exists() else ():
        if folder.is_dir() and not folder.name.startswith(".medimg-"):
            record = whole_record(folder)
            assert record is not None, f"{folder.name} is there, but not whole"
            assert record["case"] == folder.name and folder.name in CASES, f"{folder.name} is no case"
            present = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
            assert present == {*record["files"], "provenance.json"}, f"{folder.name} holds {present}"
            for entry in record["outputs"].values():
                assert (folder / entry["file"]).stat().st_size == entry["bytes"], f"{folder.name}: a file is cut"
            found[folder.name] = folder.stat().st_ino, json.dumps(record["outputs"], sort_keys=True)
    return found


def check_tables(out: Path) -> None:
    """Tables are whole or not there."""
    for name in TABLES:
        if (out / name).exists():
            text = (out / name).read_text(encoding="utf-8")
            assert text.endswith(("\n", "</html>")), f"{name} is cut"
            if name.endswith(".json"):
                json.loads(text)


def hidden(out: Path) -> dict[str, dict[int, str]]:
    """By case, inode and hashes of what is complete and has not got its name yet."""
    found: dict[str, dict[int, str]] = {}
    for folder in out.glob(".medimg-*"):
        record = whole_record(folder)
        if record is not None:
            hashes = json.dumps(record["outputs"], sort_keys=True)
            found.setdefault(str(record["case"]), {})[folder.stat().st_ino] = hashes
    return found


def main(place: Path, kills: int, seed: int) -> dict[str, Any]:
    """Rounds of kills until there were `kills` of them."""
    recipe = Recipe.from_data(recipe_data(SMOOTH, THRESHOLD))
    for number, case in enumerate(CASES):
        write_raw(place / f"{case}.nrrd", np.random.default_rng(number).normal(0, 1, (4, 8, 8)).astype(np.float32))
    (place / "cohort.csv").write_text("id,t1\n" + "".join(f"{case},{case}.nrrd\n" for case in CASES))
    cohort = load(place / "cohort.csv", recipe)
    status, steps = batch(recipe, cohort, place / "whole", 0)
    assert status == 0 and len(finished(place / "whole")) == len(CASES)
    wanted = {case: hashes for case, (_, hashes) in finished(place / "whole").items()}
    table = (place / "whole" / "results.csv").read_bytes()

    gc.freeze()
    random_ = random.Random(seed)
    seen: Counter[str] = Counter()
    out = place / "out"
    while seen["kills"] < kills:
        shutil.rmtree(out, ignore_errors=True)
        if seen["rounds"] % 2:  # every second round puts its results in the place of those of another recipe
            batch(Recipe.from_data(recipe_data(SMOOTH, outputs=["smoothed"])), cohort, out, 0)
        round_ = Round(recipe, cohort, out, wanted, table)
        while not round_.step(random_.randint(1, steps // 4), random_.random() < 0.5):
            pass
        seen += round_.seen
        seen["rounds"] += 1
    random_kills = seen["kills"]
    round_ = Round(recipe, cohort, out, wanted, table)
    at = 1
    while not round_.step(at, cut=True):
        at += 1
    assert round_.seen["redone"] == 0, "a finished case was computed again"
    seen += round_.seen
    seen += each_step_of_a_replaced_case(recipe, Cohort(cohort.cases[:1]), place, wanted)
    counts = {name: seen[name] for name in ("kills", "lost", "duplicated", "redone")}
    return {"cases": len(CASES), "steps": steps, "rounds": seen["rounds"], "random kills": random_kills, **counts}


def each_step_of_a_replaced_case(recipe: Recipe, cohort: Cohort, place: Path, wanted: dict[str, str]) -> Counter[str]:
    """The result of another recipe is replaced, and the batch killed at each step of that; one of both is there."""
    seen: Counter[str] = Counter()
    other, out, case = place / "other", place / "replaced", cohort.cases[0].id
    batch(Recipe.from_data(recipe_data(SMOOTH, outputs=["smoothed"])), cohort, other, 0)
    at = 0
    while True:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(other, out)
        round_ = Round(recipe, cohort, out, {case: wanted[case]}, None)
        at += 1
        if round_.step(at, cut=False):
            return seen
        round_.step(0, cut=False)
        seen += round_.seen


class Round:
    """A batch that is killed and goes on until it is done."""

    def __init__(self, recipe: Recipe, cohort: Cohort, out: Path, wanted: dict[str, str], table: bytes | None) -> None:
        self.seen: Counter[str] = Counter()
        self._work = recipe, cohort, out
        self._out, self._wanted, self._table = out, wanted, table
        self._before = set(finished(out))
        self._done: dict[str, set[int]] = {}
        """Inodes of the folders of finished cases, one of which must stay."""

    def step(self, at: int, cut: bool) -> bool:
        """Run until step `at` and look at what is left; True when the batch came to its end before that."""
        status, _ = batch(*self._work, at, cut)
        now, waiting = finished(self._out), hidden(self._out)
        check_tables(self._out)
        self.seen["kills"] += status is None
        self.seen["lost"] += len((self._before | set(self._done)) - set(now) - set(waiting))
        known = {case: {inode, *waiting.get(case, {})} for case, (inode, _) in now.items()}
        self.seen["redone"] += sum(case in known and not inodes & known[case] for case, inodes in self._done.items())
        self._done = {}
        for case, hashes in self._wanted.items():
            folders = dict([now[case]]) if case in now else waiting.get(case, {})
            mine = {inode for inode, found in folders.items() if found == hashes}
            if mine:
                self._done[case] = mine
        if status is None:
            return False
        assert status == 0, f"the last run ended with {status}"
        assert list(self._out.glob(".medimg-*")) == [], "something half-written is left"
        assert {case: hashes for case, (_, hashes) in now.items()} == self._wanted, "other results"
        assert self._table is None or (self._out / "results.csv").read_bytes() == self._table, "another table"
        self.seen["duplicated"] += sum(f.is_dir() for f in self._out.iterdir()) - len(self._wanted)
        return True


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))

"""What a batch costs beyond its operations, how it scales, and what it survives.

    python Testing/benchmarks/batch.py scale [--cases 100 1000] [--dask local]    peak memory, overhead of small cases
    python Testing/benchmarks/batch.py speedup [--repeats 3]        two workers against one, one thread each
    python Testing/benchmarks/batch.py dask [--repeats 3]           Dask against the pool
    python Testing/benchmarks/batch.py kills [--kills 40]           SIGKILL at random moments, on a pool of two workers

Overhead of a case is the time of the batch times its workers minus the time of the operations, by the number of cases:
starting workers, hashing and reading inputs, writing outputs and records, tables and the report are all in it. The same
in processor time holds on a busy computer, too. The gap is the time of a worker between two cases.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "MedImgAnalysis"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from cases_testing import SLOW, SMOOTH, THRESHOLD, environment, events, recipe_data, start, write_raw, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.folder import whole_record
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.recipe import Recipe

SMALL = recipe_data(SMOOTH, THRESHOLD)
LONG = recipe_data(SLOW, outputs=["slow"])
BARE = """
import json, sys
from MedImgAnalysisLib import files
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.recipe import Recipe
set_thread_count(1)
recipe = Recipe.from_data(json.loads(sys.argv[1]))
for path in sys.argv[2:]:
    recipe.run({"t1": files.read(path, "image")})
"""


def cohort(folder: Path, cases: int, shape: tuple[int, int, int]) -> Path:
    """Images of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(cases):
        write_raw(folder / f"{number}.nrrd", np.random.default_rng(number).normal(0, 1, shape).astype(np.float32))
    rows = "".join(f"case {number:04d},{number}.nrrd\n" for number in range(cases))
    (folder / "cohort.csv").write_text(f"id,t1\n{rows}", encoding="utf-8")
    return folder / "cohort.csv"


def timed(data: dict[str, Any], csv: Path, out: Path, **how: Any) -> tuple[float, float]:
    """Seconds of a batch, and of the operations in it."""
    recipe = Recipe.from_data(data)
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    result = run_batch(recipe, load(csv, recipe), out, threads=1, **how)
    seconds = time.perf_counter() - started
    assert not result.failed, result.failed[0].error
    records = (json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*/provenance.json"))
    return seconds, sum(step["seconds"] for record in records for step in record["steps"])


def scale(place: Path, options: argparse.Namespace) -> None:
    """Each size in a process of its own, whose peak memory is that of the parent."""
    for cases in options.cases:
        more = ["--dask", options.dask] if options.dask else []
        subprocess.run([sys.executable, __file__, "one", "--cases", str(cases), *more], check=True)


def one(place: Path, options: argparse.Namespace) -> None:
    """One batch of small cases on two workers."""
    cases = options.cases[0]
    csv = cohort(place / "in", cases, (16, 32, 32))
    peaks: dict[int, int] = {}
    seen: list[int] = []

    def look(event: str, case: str, data: dict[str, Any]) -> None:
        if event == "started":
            seen[:] = list(dict.fromkeys([*seen, data["process"]]))
        elif event == "done":
            for process in seen:
                peaks[process] = max(peaks.get(process, 0), peak_of(process))

    seconds, operations = timed(SMALL, csv, place / "out", workers=2, dask=options.dask, on_event=look)
    parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(usage.ru_utime + usage.ru_stime for usage in used)
    overhead = (2 * seconds - operations) / cases
    working = processor_of_operations(csv)
    where = "workers of Dask" if options.dask else "workers"
    print(
        f"{cases} cases, 2 {where}: {seconds:.1f} s; overhead {overhead * 1e3:.1f} ms a case, "
        f"in processor time {(processor / cases - working) * 1e3:.1f} ms beside operations of {working * 1e3:.1f} ms; "
        f"gap {gap(place / 'out') * 1e3:.1f} ms; "
        f"peak memory: parent {parent / 1e3:.0f} MB, worker {max(peaks.values()) / 1e3:.0f} MB; "
        f"report {(place / 'out' / 'report.html').stat().st_size / 1e6:.2f} MB; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def processor_of_operations(csv: Path) -> float:
    """Processor seconds of the recipe on one case, in memory."""
    recipe = Recipe.from_data(SMALL)
    images = [files.read(case.inputs["t1"], "image") for case in load(csv, recipe).cases[:30]]
    set_thread_count(1)
    recipe.run({"t1": images[0]})
    before = time.process_time()
    for image in images:
        recipe.run({"t1": image})
    return (time.process_time() - before) / len(images)


def gap(out: Path) -> float:
    """Median seconds of a worker between the end of a case and the start of the next one, by the journal."""
    ended: dict[int, datetime] = {}
    runs: dict[str, int] = {}
    gaps = []
    for event in events(out):
        now = datetime.fromisoformat(event["time"])
        if event["event"] == "started":
            runs[event["case"]] = event["process"]
            if event["process"] in ended:
                gaps.append((now - ended[event["process"]]).total_seconds())
        elif event["event"] == "done":
            ended[runs[event["case"]]] = now
    return statistics.median(gaps)


def peak_of(process: int) -> int:
    """Peak resident kilobytes of a process that runs."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def ratios(name: str, repeats: int, first: Callable[[], float], second: Callable[[], float]) -> None:
    """Runs both in turn and prints the ratio of the medians and all times."""
    times: list[tuple[float, float]] = [(first(), second()) for _ in range(repeats)]
    before, after = (statistics.median(column) for column in zip(*times, strict=True))
    shown = "; ".join(f"{a:.2f} and {b:.2f} s" for a, b in times)
    print(f"{name}: {before / after:.2f} ({shown}); load {os.getloadavg()[0]:.1f}", flush=True)


def speedup(place: Path, options: argparse.Namespace) -> None:
    """Cases that take about half a second on one core."""
    csv = cohort(place / "in", options.cases[0] if options.cases else 24, (32, 64, 64))
    ratios(
        "one worker / two workers",
        options.repeats,
        lambda: timed(LONG, csv, place / "out", workers=1)[0],
        lambda: timed(LONG, csv, place / "out", workers=2)[0],
    )
    ratios("the same operations in one process / in two", options.repeats, lambda: bare(csv, 1), lambda: bare(csv, 2))


def bare(csv: Path, count: int) -> float:
    """Seconds for the same operations in `count` processes that do nothing else: what the computer itself allows."""
    recipe = Recipe.from_data(LONG)
    paths = [case.inputs["t1"] for case in load(csv, recipe).cases]
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, json.dumps(LONG), *paths[n::count]],
            env=environment() | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        )
        for n in range(count)
    ]
    if any(process.wait() for process in running):
        raise SystemExit("A process failed.")
    return time.perf_counter() - started


def dask(place: Path, options: argparse.Namespace) -> None:
    """Dask in this process, and on processes of its own."""
    from dask_testing import DaskProcesses

    csv = cohort(place / "in", options.cases[0] if options.cases else 24, (32, 64, 64))
    run_batch(Recipe.from_data(SMALL), load(csv, Recipe.from_data(SMALL)), place / "warm", workers=1, dask="local")

    def pool() -> float:
        return timed(LONG, csv, place / "out", workers=2)[0]

    ratios(
        "local Dask / pool", options.repeats, lambda: timed(LONG, csv, place / "out", workers=2, dask="local")[0], pool
    )
    processes = DaskProcesses(place, workers=2)
    try:
        timed(SMALL, csv, place / "warm", dask=processes.address)
        ratios("Dask processes / pool", options.repeats,
               lambda: timed(LONG, csv, place / "out", dask=processes.address)[0], pool)  # fmt: skip
    finally:
        processes.stop()


def kills(place: Path, options: argparse.Namespace) -> None:
    """The main process or one of its workers is killed at a random moment until the batch is done, over and over."""
    cohort(place / "in", 20, (8, 16, 16))
    recipe = write_recipe(place / "recipe.json", SMOOTH, THRESHOLD)
    whole = place / "whole"
    run_batch(Recipe.load(recipe), load(place / "in" / "cohort.csv", Recipe.load(recipe)), whole, workers=2)
    wanted = {path.parent.name: hashes(path.parent) for path in whole.glob("*/provenance.json")}
    chance = random.Random(options.seed)
    count = {"kills": 0, "rounds": 0, "lost": 0, "half": 0, "other": 0}
    while count["kills"] < options.kills:
        out = place / "out"
        shutil.rmtree(out, ignore_errors=True)
        done: set[str] = set()
        while True:
            batch = start("batch", recipe, place / "in" / "cohort.csv", "--out", out, "--workers", "2", "--quiet")
            try:
                batch.wait(chance.uniform(0.5, options.seconds))
            except subprocess.TimeoutExpired:
                batch.kill()
                count["kills"] += 1
            status = batch.wait()
            batch.communicate()
            now = (
                {path.name for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")}
                if out.exists()
                else set()
            )
            count["half"] += sum(whole_record(out / case) is None for case in now)
            hidden = (
                {str((whole_record(path) or {}).get("case")) for path in out.glob(".medimg-*")}
                if out.exists()
                else set()
            )
            count["lost"] += len(done - now - hidden)
            done |= now
            if status == 0:
                break
        count["other"] += {case: hashes(out / case) for case in now} != wanted
        count["rounds"] += 1
        print(", ".join(f"{number} {name}" for name, number in count.items()), flush=True)


def hashes(folder: Path) -> dict[str, str]:
    """Value hashes of a case."""
    record = whole_record(folder) or {"outputs": {}}
    return {name: entry["value_sha256"] for name, entry in record["outputs"].items()}


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scale", "one", "speedup", "dask", "kills"])
    parser.add_argument("--cases", type=int, nargs="+")
    parser.add_argument("--dask", choices=["local"], help="of scale: the same on Dask")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=4.0, help="latest moment of a kill")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "scale":
        options.cases = options.cases or [100, 1000]
    os.environ |= environment()
    with tempfile.TemporaryDirectory() as folder:
        work = {"scale": scale, "one": one, "speedup": speedup, "dask": dask, "kills": kills}[options.what]
        work(Path(folder), options)


if __name__ == "__main__":
    main()

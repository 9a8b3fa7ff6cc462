"""Small cases for tests of the command line and the batch: images, recipes, cohorts, and running the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

LIBRARY = Path(__file__).resolve().parents[1] / "MedImgAnalysis"

SMOOTH: dict[str, Any] = {
    "id": "smooth",
    "operation": "gaussian",
    "parameters": {"sigma_mm": 1.0},
    "inputs": {"image": "t1"},
    "outputs": {"image": "smoothed"},
}
THRESHOLD: dict[str, Any] = {
    "id": "threshold",
    "operation": "auto_threshold",
    "inputs": {"image": "smoothed"},
    "outputs": {"labels": "seg", "table": "size"},
}
SLOW: dict[str, Any] = {
    "id": "slow",
    "operation": "median",
    "parameters": {"radius_voxels": 8},
    "inputs": {"image": "t1"},
    "outputs": {"image": "slow"},
}


def recipe_data(
    *steps: dict[str, Any], outputs: Sequence[str] = ("smoothed", "seg", "size"), name: str = "Test"
) -> dict[str, Any]:
    """A recipe with the input t1; by default smooth and threshold."""
    return {
        "medimg_recipe": 1,
        "name": name,
        "inputs": {"t1": {"kind": "image"}},
        "steps": list(steps or (SMOOTH, THRESHOLD)),
        "outputs": list(outputs),
    }


def write_recipe(
    path: Path, *steps: dict[str, Any], outputs: Sequence[str] = ("smoothed", "seg", "size"), name: str = "Test"
) -> Path:
    """`recipe_data` in a file."""
    path.write_text(json.dumps(recipe_data(*steps, outputs=outputs, name=name)), encoding="utf-8")
    return path


def blob(seed: int = 0, size: int = 24) -> sitk.Image:
    """A float32 image of a bright ball with noise on an anisotropic grid; each seed has another ball."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in (size // 2, size, size)), indexing="ij")
    radius = size / 4 + seed % 5
    ball = ((i - size / 2) ** 2 + (j - size / 2) ** 2 + 4 * (k - size / 4) ** 2) < radius**2
    noise = np.random.default_rng(seed).normal(0, 4, ball.shape)
    image = sitk.GetImageFromArray((100 * ball + noise).astype(np.float32))
    image.SetSpacing((1.0, 1.0, 2.0))
    image.SetOrigin((-12.0, 3.5, 40.0))
    return image


def write_cohort(folder: Path, cases: Sequence[str], size: int = 24) -> Path:
    """A cohort with an image and an age per case."""
    lines = ["id,t1,age"]
    for number, case in enumerate(cases):
        sitk.WriteImage(blob(number, size), str(folder / f"{case}.nrrd"))
        lines.append(f"{case},{case}.nrrd,{40 + number}")
    path = folder / "cohort.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def environment() -> dict[str, str]:
    """The environment in which the program is found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(LIBRARY), os.environ.get("PYTHONPATH")]))}


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the program."""
    return subprocess.Popen(
        [sys.executable, "-m", "MedImgAnalysisLib", *map(str, arguments)],
        env=environment(),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def medimg(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def events(folder: Path) -> list[dict[str, Any]]:
    """The journal of a batch; a line that is being written is left out."""
    try:
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `condition` is true and return what it gave."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not collected by its parent does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def leftovers(folder: Path) -> list[str]:
    """Half-written things in a folder and below."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob(".medimg-*")]


def write_raw(path: Path, array: np.ndarray) -> None:
    """A NRRD file of a float32 array (k, j, i) without any library, whose threads would not live through a fork."""
    sizes = " ".join(str(n) for n in reversed(array.shape))
    header = (
        f"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        "space directions: (1,0,0) (0,1,0) (0,0,2)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (0,0,0)\n\n"
    )
    path.write_bytes(header.encode() + np.ascontiguousarray(array, "<f4").tobytes())

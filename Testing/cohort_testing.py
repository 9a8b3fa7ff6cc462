"""Cohorts for tests and measurements of the report, made from a seed: records, and pictures of slices."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.batch.results import CaseResult
from MedImgAnalysisLib.batch.thumbnails import SMALL, write_small

ORGANS = ("Liver", "Spleen", "Left kidney", "Right kidney", "Lesion <3>")
ABOUT = {
    "segment": ("Segment", "", "Name of the segment"),
    "volume_ml": ("Volume", "ml", "Volume of the voxels"),
    "surface_cm2": ("Surface", "cm²", "Area of the surface"),
    "max_diameter_mm": ("Largest diameter", "mm", "Largest distance of two points"),
    "mean": ("Mean", "HU", "Mean of the voxels"),
    "sd": ("SD", "HU", "Standard deviation of the voxels"),
    "components": ("Components", "", "Number of parts"),
    "status": ("Status", "", "Why a number is missing"),
}
PLANES = ("axial", "coronal", "sagittal")


def made_cohort(count: int, folder: Path | None = None, organs: int = 5, sets: int = 1) -> list[CaseResult]:
    """`count` cases with the volumes of organs; every 20th has failed, every 10th a warning, case 8 a huge spleen.

    With `folder` each finished case has 3 pictures for each of `sets` outputs there.
    """
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as name:
        drawn = _drawn(Path(name), rng) if folder is not None else []
        return [_case(number, rng, folder, drawn, organs, sets) for number in range(count)]


def _case(
    number: int, rng: np.random.Generator, folder: Path | None, drawn: list[tuple[Path, Path]], organs: int, sets: int
) -> CaseResult:
    name = f"patient {number:04d}"
    carried = {"age": str(int(rng.integers(20, 90))), "site": "ABC"[number % 3]}
    if number % 20 == 3:
        message = f"/data/{name}.nrrd cannot be read: it ends after 4096 of 1048576 bytes."
        return CaseResult(name, carried, "failed", {"kind": "FileError", "message": message})
    rows: list[dict[str, Any]] = []
    for order, organ in enumerate(ORGANS[:organs]):
        size = float(1500 / (order + 1) * np.exp(rng.normal(0, 0.1)))
        if (number, organ) == (8, "Spleen"):
            size *= 4
        absent = number % 17 == 5 and order == 4
        rows.append({
            "segment": organ,
            "volume_ml": None if absent else size,
            "surface_cm2": None if absent else 4.8 * size ** (2 / 3),
            "max_diameter_mm": None if absent else float(20 * size ** (1 / 3) + rng.normal(0, 2)),
            "mean": None if absent else float(rng.normal(100, 10)),
            "sd": None if absent else float(rng.normal(20, 1)),
            "components": 0 if absent else 1,
            "status": "empty" if absent else "",
        })  # fmt: skip
    pictures: list[str] = []
    if folder is not None:
        place = folder / name / "snapshots"
        (place / SMALL).mkdir(parents=True)
        for group in range(sets):
            for order, plane in enumerate(PLANES):
                pictures.append(f"snapshots/organs{group or ''}-{plane}.png")
                large, small = drawn[(number + order + group) % len(drawn)]
                shutil.copyfile(large, folder / name / pictures[-1])
                shutil.copyfile(small, place / SMALL / Path(pictures[-1]).with_suffix(".jpg").name)
    columns = {key: {"title": title, "unit": unit, "description": text} for key, (title, unit, text) in ABOUT.items()}
    digest = f"{number:064x}"
    return CaseResult(name, carried, "done", None, {
        "measurements": {"organs": {"columns": columns, "rows": rows}},
        "warnings": ["The image is 12 mm thick; small structures are missed."] if number % 10 == 4 else [],
        "seconds": float(rng.uniform(3, 9)),
        "started": "2026-01-02T03:04:05+00:00",
        "threads": 1,
        "inputs": {"ct": {"path": f"/data/{name}.nrrd", "relative": f"../../data/{name}.nrrd", "sha256": digest}},
        "outputs": {"organs": {"file": "organs.seg.nrrd", "sha256": digest[::-1]},
                    "table": {"file": "table.csv", "sha256": digest}},
        "software": {"MedImgAnalysis": "1.0", "SimpleITK": "2.5.5"},
        "snapshots": pictures,
    })  # fmt: skip


def _drawn(folder: Path, rng: np.random.Generator) -> list[tuple[Path, Path]]:
    """Six pictures with their small copies, of which those of all cases are copies."""
    found = []
    for number in range(6):
        picture = folder / f"{number}.png"
        sitk.WriteImage(_picture(rng), str(picture))
        small = write_small(picture)
        assert small is not None
        found.append((picture, small))
    return found


def _picture(rng: np.random.Generator, size: int = 512) -> sitk.Image:
    """A picture of about the detail of a slice view: a noisy ellipse with a coloured outline."""
    j, i = np.mgrid[:size, :size]
    radius = np.hypot((i - size / 2) / rng.uniform(0.9, 1.4), (j - size / 2) / rng.uniform(0.9, 1.4))
    coarse = sitk.GetImageFromArray(rng.normal(size=(size, size)).astype(np.float32))
    noise = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(coarse, 2.0))
    grey = np.where(radius < size * 0.4, 110 + 120 * noise, 4)
    pixels = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    pixels[np.abs(radius - size * 0.2) < 1.2] = (230, 60, 40)
    return sitk.GetImageFromArray(pixels, isVector=True)

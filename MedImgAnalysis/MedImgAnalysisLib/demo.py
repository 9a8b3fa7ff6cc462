"""The whole path on a head whose truth is known: `medimg demo`.

Phantom, files, recipe, the five operations, tables, scene, pictures and report; at the end each result
is compared with the truth.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import files
from .batch import results
from .batch.case import Extras, run_case
from .demo_truth import GAUSSIAN_SIGMA_MM, MEDIAN_RADIUS, Check, as_table, checks_of
from .errors import FileError, MissingPackageError
from .phantom import Phantom, head
from .progress import SILENT, Progress
from .recipe import Recipe
from .values import Labels

CASE = "phantom"
TILT_DEG = 10.0
"""The FLAIR slices are oblique, as clinical ones are."""

RECIPE: dict[str, Any] = {
    "medimg_recipe": 1,
    "name": "Demo: align, threshold, compare",
    "description": "Aligns T1 with FLAIR, finds tissue in T1 and lesions in FLAIR, and compares both with the truth.",
    "inputs": {
        "flair": {"kind": "image"},
        "t1": {"kind": "image"},
        "white_matter": {"kind": "mask"},
        "true_tissue": {"kind": "labels"},
        "true_lesions": {"kind": "labels"},
    },
    "steps": [
        {
            "id": "denoise_t1",
            "operation": "median",
            "parameters": {"radius_voxels": MEDIAN_RADIUS},
            "inputs": {"image": "t1"},
            "outputs": {"image": "t1_denoised"},
        },
        {
            "id": "smooth_flair",
            "operation": "gaussian",
            "parameters": {"sigma_mm": GAUSSIAN_SIGMA_MM},
            "inputs": {"image": "flair"},
            "outputs": {"image": "flair_smooth"},
        },
        {
            "id": "align",
            "operation": "register",
            "parameters": {"model": "rigid"},
            "inputs": {"fixed": "flair_smooth", "moving": "t1_denoised"},
            "outputs": {"transform": "motion", "image": "t1_on_flair"},
        },
        {
            "id": "find_tissue",
            "operation": "auto_threshold",
            "parameters": {"segment": "Tissue"},
            "inputs": {"image": "t1_on_flair"},
            "outputs": {"labels": "tissue", "table": "tissue_size"},
        },
        {
            "id": "find_lesions",
            "operation": "auto_threshold",
            "parameters": {"segment": "Lesions"},
            "inputs": {"image": "flair", "mask": "white_matter"},
            "outputs": {"labels": "lesions", "table": "lesion_size"},
        },
        {
            "id": "compare_tissue",
            "operation": "compare_segmentations",
            "inputs": {"reference": "true_tissue", "test": "tissue"},
            "outputs": {"table": "tissue_agreement"},
        },
        {
            "id": "compare_lesions",
            "operation": "compare_segmentations",
            "inputs": {"reference": "true_lesions", "test": "lesions"},
            "outputs": {"table": "lesion_agreement"},
        },
    ],
    "outputs": [
        "t1_denoised",
        "flair_smooth",
        "motion",
        "t1_on_flair",
        "tissue",
        "lesions",
        "tissue_size",
        "lesion_size",
        "tissue_agreement",
        "lesion_agreement",
    ],
}


def run_demo(out: str | Path, progress: Progress = SILENT, quiet: bool = False) -> int:
    """Make the phantom, run the demo recipe on its files, write everything to `out` and compare with the truth.

    Parameters
    ----------
    out
        Folder; files of an earlier demo in it are replaced.
    progress
        Reports and stops the run.
    quiet
        Print nothing.

    Returns
    -------
    int
        0 when every result is as close to the truth as it should be, else 1.
    """
    out, started = Path(out).absolute(), time.perf_counter()
    say = (lambda text="": None) if quiet else print
    say("A head with known tissue, lesions, noise and motion, imaged as FLAIR (oblique, thick slices) and T1.")
    progress.report(0.0, "Phantom")
    truth = head(tilt_deg=TILT_DEG)
    recipe = Recipe.from_data(RECIPE)
    paths = write_inputs(truth, out / "data", progress.part(0.02, 0.08))
    (out / "recipe.json").write_text(recipe.as_json(), encoding="utf-8")
    say(f"Recipe {out / 'recipe.json'}:")
    for step in recipe.steps:
        bound = ", ".join(f"{role} = {name}" for role, name in step.inputs.items())
        say(f"  {step.operation:<22} {bound:<44} -> {', '.join(step.outputs.values())}")
    folder = out / "results" / CASE
    record = run_case(recipe, paths, folder, case=CASE, extras=_extras(progress), progress=progress.part(0.08, 0.95))
    outputs = {
        name: files.read(folder / entry["file"], entry["kind"], progress) for name, entry in record["outputs"].items()
    }
    checks = checks_of(truth, outputs)
    files.write(as_table(checks), out / "results" / "truth.csv", "table")
    written = results.write(out / "results", recipe, [results.CaseResult(CASE, {}, "done", None, record)], ())
    progress.report(1.0, "Done")
    _say_truth(say, truth, checks)
    _say_next(say, out, folder, record, written["report"], time.perf_counter() - started)
    return 0 if all(check.within for check in checks) else 1


def write_inputs(truth: Phantom, folder: Path, progress: Progress = SILENT) -> dict[str, str]:
    """Write the phantom's files to `folder` and tell which one is for which input of the recipe."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder} cannot be made: {error.strerror or error}.", path=folder) from None

    def save(value: Any, name: str, kind: str) -> str:
        progress.report(0.5, f"Writing {name}")
        return str(files.write(value, folder / files.file_name(name, kind), kind))

    def alone(name: str) -> Labels:
        return Labels.from_masks([(name, truth.truth.mask(name))], [truth.truth.find(name).color])

    whole = save(truth.truth, "truth", "labels")
    save(truth.motion, "true_motion", "transform")
    save(truth.points, "points", "landmarks")
    return {
        "flair": save(truth.flair, "flair", "image"),
        "t1": save(truth.t1, "t1", "image"),
        "white_matter": f"{whole}#White matter",
        "true_tissue": save(alone("Tissue"), "true_tissue", "labels"),
        "true_lesions": save(alone("Lesions"), "true_lesions", "labels"),
    }


def _extras(progress: Progress) -> Extras:
    """Scene and pictures, unless the package for them is missing, which is said once."""
    from .scene import standalone

    try:
        standalone.start()
    except MissingPackageError as error:
        progress.warn(f"No scene file and no pictures: {error}")
        return Extras()
    return Extras(f"{CASE}.mrb", True)


def _say_truth(say: Any, truth: Phantom, checks: list[Check]) -> None:
    import SimpleITK as sitk

    before = truth.errors_mm(sitk.Transform(3, sitk.sitkIdentity))
    say(f"\nCompared with the truth (the head had moved by {before.mean():.1f} mm, at most {before.max():.1f} mm):")
    for check in checks:
        say(check.text())
    failed = sum(not check.within for check in checks)
    say(f"{failed} of {len(checks)} are out of bounds." if failed else f"All {len(checks)} are within their bounds.")


def _say_next(say: Any, out: Path, folder: Path, record: Mapping[str, Any], report: Path, seconds: float) -> None:
    say(f"\nDone in {seconds:.0f} s. What to look at:")
    say(f"  {report}    the report, opens in a browser")
    scene = record["options"]["scene"]
    if scene:
        say(f"  {folder / scene}    drop it into 3D Slicer")
    for picture in record["snapshots"][:1]:
        say(f"  {(folder / picture).parent}    pictures of the slices")
    say(f"  {folder / 'provenance.json'}    how every result came about")
    say("What to try:")
    say(f"  medimg verify {folder}")
    say(f"  medimg apply gaussian --in image={out / 'data' / 'flair.nrrd'} --set sigma_mm=2 --out image=smooth.nrrd")

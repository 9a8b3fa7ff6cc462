"""Denoise, align and threshold real heads: three cases at once, as one by one in memory."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cases_testing import leftovers
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(
    {
        "medimg_recipe": 1,
        "name": "Align and threshold",
        "inputs": {"fixed": {"kind": "image"}, "moving": {"kind": "image"}},
        "steps": [
            {
                "id": "denoise",
                "operation": "median",
                "parameters": {"radius_voxels": 1, "in_plane": True},
                "inputs": {"image": "moving"},
                "outputs": {"image": "denoised"},
            },
            {
                "id": "align",
                "operation": "register",
                "parameters": {"finest_mm": 4, "start": "moments"},
                "inputs": {"fixed": "fixed", "moving": "denoised"},
                "outputs": {"transform": "motion", "image": "aligned"},
            },
            {
                "id": "threshold",
                "operation": "auto_threshold",
                "inputs": {"image": "aligned"},
                "outputs": {"labels": "head", "table": "size"},
            },
        ],
        "outputs": ["motion", "aligned", "head", "size"],
    }
)


def test_a_batch_of_real_heads_equals_the_recipe_in_memory_and_verifies(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "mr_brain_ms_p01"
    pairs = {
        "T1": ("study1_FLAIR", "study1_T1W"),
        "T2": ("study1_FLAIR", "study1_T2W"),
        "later": ("study2_FLAIR", "study1_T1W"),
    }
    lines = [
        "id,fixed,moving",
        *(f"{case},{folder / fixed}.nii.gz,{folder / moving}.nii.gz" for case, (fixed, moving) in pairs.items()),
    ]
    (tmp_path / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    result = run_batch(RECIPE, load(tmp_path / "cohort.csv", RECIPE), out, workers=2)
    assert [case.state for case in result.cases] == ["done"] * 3
    table = {row["id"]: row for row in csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8")))}
    for case, names in pairs.items():
        fixed, moving = (files.read(folder / f"{name}.nii.gz", "image") for name in names)
        expected = RECIPE.run({"fixed": fixed, "moving": moving}).outputs
        assert fingerprint(files.read(out / case / "aligned.nrrd", "image")) == fingerprint(expected["aligned"])
        assert fingerprint(files.read(out / case / "motion.h5", "transform")) == fingerprint(expected["motion"])
        assert fingerprint(files.read(out / case / "head.seg.nrrd", "labels")) == fingerprint(expected["head"])
        assert float(table[case]["size.Foreground.volume_ml [ml]"]) == expected["size"].rows[0]["volume_ml"]
        assert 1200 < float(table[case]["size.Foreground.volume_ml [ml]"]) < 2600
    assert main(["verify", str(out / "T1")]) == 0
    assert leftovers(tmp_path) == []

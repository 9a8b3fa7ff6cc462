"""Pages of a cohort: each case gets its dossier, the report leads to it."""

from __future__ import annotations

import json

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.resampling import resample
from registration_testing import fixed_grid, moving_grid, rigid, spot

RECIPE = {
    "medimg_recipe": 1,
    "name": "Judge registrations",
    "inputs": {"ct": {"kind": "image"}, "mr": {"kind": "image"}, "motion": {"kind": "transform"}},
    "steps": [
        {"id": "align", "operation": "apply_transform",
         "inputs": {"image": "mr", "transform": "motion", "reference": "ct"},
         "outputs": {"image": "aligned"}},
        {"id": "smooth", "operation": "gaussian", "inputs": {"image": "aligned"}, "outputs": {"image": "smoothed"}},
        {"id": "judge", "operation": "evaluate_registration",
         "inputs": {"fixed": "ct", "moving": "mr", "transform": "motion"},
         "outputs": {"table": "numbers", "criteria": "criteria", "jacobian": "jacobian"}},
    ],
    "outputs": ["aligned", "smoothed", "numbers", "criteria", "jacobian"],
}  # fmt: skip


def cohort(folder) -> None:
    """Two cases that differ in how well the transform fits."""
    middle = np.array(rigid().TransformPoint(fixed_grid().corners.mean(axis=0).tolist()))
    mr = image_like((500 * spot(moving_grid(), middle, 5.0)).astype(np.float32), moving_grid())
    files.write(mr, folder / "mr.nrrd")
    files.write(resample(mr, fixed_grid(), rigid()), folder / "ct.nrrd")
    files.write(rigid(), folder / "good.h5")
    files.write(sitk.TranslationTransform(3, (3.0, 0.0, 0.0)), folder / "poor.h5")
    rows = ["id,ct,mr,motion", "good,ct.nrrd,mr.nrrd,good.h5", "poor,ct.nrrd,mr.nrrd,poor.h5"]
    (folder / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "judge.recipe.json").write_text(json.dumps(RECIPE), encoding="utf-8")


def test_each_case_has_a_page_per_step_that_measures_or_aligns_and_the_report_leads_there(tmp_path, capsys):
    cohort(tmp_path)
    line = [str(tmp_path / "judge.recipe.json"), str(tmp_path / "cohort.csv"), "--out", str(tmp_path / "out")]
    assert main(["batch", *line, "--workers", "1", "--quiet"]) == 0
    assert not (tmp_path / "out" / "good" / "pages").exists()
    assert main(["batch", *line, "--workers", "1", "--pages"]) == 0
    assert "pages are asked for this time" in capsys.readouterr().err
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for case in ("good", "poor"):
        folder = tmp_path / "out" / case
        record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        assert record["pages"] == ["pages/align.html", "pages/judge.html"]
        assert set(record["pages"]) <= set(record["files"])
        assert f'href="{case}/pages/judge.html"' in report
        text = (folder / "pages" / "judge.html").read_text(encoding="utf-8")
        assert text.count("data:image/jpeg") == 18 and "mr.nrrd" in text and ">Criteria<" in text
        assert (folder / "pages" / "align.html").read_text(encoding="utf-8").count("data:image/jpeg") == 15
    # Finished cases with pages are kept.
    assert main(["batch", *line, "--workers", "1", "--pages", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == ["good", "poor"]


def test_one_case_gets_its_pages_too(tmp_path, capsys):
    cohort(tmp_path)
    inputs = [word for name in ("ct=ct.nrrd", "mr=mr.nrrd", "motion=good.h5")
              for word in ("--in", name.replace("=", f"={tmp_path}/"))]  # fmt: skip
    recipe = str(tmp_path / "judge.recipe.json")
    assert main(["run", recipe, *inputs, "--out", str(tmp_path / "case"), "--pages", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pages"] == [str(tmp_path / "case" / "pages" / f"{name}.html") for name in ("align", "judge")]

"""Runs of recipes and of single operations give DICOM objects that refer to the right series, or say why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, recipe_data
from dicom_testing import ball, write_multiframe, write_series
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import Extras, describe_inputs, finished, recipe_key, run_case
from MedImgAnalysisLib.batch.verify import verify
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.recipe import Recipe

highdicom = pytest.importorskip("highdicom")
import pydicom  # noqa: E402

ON_SECOND: dict[str, Any] = {
    "id": "move",
    "operation": "resample",
    "inputs": {"image": "t1", "reference": "t2"},
    "outputs": {"image": "moved"},
}


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def recipe() -> Recipe:
    return Recipe.from_data(recipe_data(SMOOTH, THRESHOLD, outputs=("seg", "size")))


def run(folder: Path, series: str, given: Recipe | None = None, **more: str) -> dict[str, Any]:
    paths = {"t1": series, **more}
    return run_case(given or recipe(), paths, folder, extras=Extras(dicom=True), progress=quiet())


def test_a_case_from_dicom_gets_its_segments_and_its_table(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", ball())
    record = run(tmp_path / "out", str(tmp_path / "ct"))
    assert record["dicom"] == {"seg": "seg.dcm", "size": "size.dcm"} and not record["warnings"][1:]
    assert {"seg.dcm", "size.dcm"} <= set(record["files"])
    labels = files.read(tmp_path / "out" / "seg.seg.nrrd", "labels")
    back = files.read(tmp_path / "out" / "seg.dcm", "labels")
    assert back.names == labels.names
    volume = sum(int(sitk.GetArrayFromImage(labels.mask(s)).sum()) for s in labels.segments)
    assert volume == sum(int(sitk.GetArrayFromImage(back.mask(s)).sum()) for s in back.segments) > 0
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    report = highdicom.sr.srread(str(tmp_path / "out" / "size.dcm"))
    assert seg.SegmentSequence[0].SegmentAlgorithmName
    assert report.PatientID == seg.PatientID == "MRN-4711-0815"
    measured = [m.value for g in report.content.get_image_measurement_groups() for m in g.get_measurements()] + [
        m.value for g in report.content.get_volumetric_roi_measurement_groups() for m in g.get_measurements()
    ]
    recorded = [
        float(v) for row in record["measurements"]["size"]["rows"] for v in row.values() if isinstance(v, (int, float))
    ]
    assert sorted(measured) == sorted(recorded) != []
    assert verify(tmp_path / "out", quiet()).equal


def test_a_case_without_dicom_is_computed_again_when_dicom_is_asked_for(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", ball())
    paths = {"t1": str(tmp_path / "ct")}
    run_case(recipe(), paths, tmp_path / "out", progress=quiet())
    described = describe_inputs(recipe(), paths, tmp_path / "out")
    key = recipe_key(recipe())
    assert finished(tmp_path / "out", key, described, Extras())[0] is not None
    assert finished(tmp_path / "out", key, described, Extras(dicom=True)) == (
        None,
        "DICOM results are asked for this time",
    )


def test_an_input_that_is_no_dicom_gives_a_warning_and_everything_else(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ball().astype(np.float32))
    sitk.WriteImage(image, str(tmp_path / "t1.nrrd"))
    record = run(tmp_path / "out", str(tmp_path / "t1.nrrd"))
    assert record["dicom"] == {} and set(record["outputs"]) == {"seg", "size"}
    assert any(
        "seg: no DICOM segmentation is written: it was not made from a DICOM image." in w for w in record["warnings"]
    )
    assert any("size: no DICOM report is written" in w for w in record["warnings"])
    # What was said of the DICOM objects is no difference of the results.
    assert not any("did not come again" in note for note in verify(tmp_path / "out", quiet()).notes)


def test_segments_on_another_grid_are_left_out_with_the_reason(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", ball())
    shrink = {"id": "grid", "operation": "resample", "parameters": {"spacing_mm": [1.0, 1.0, 1.0]},
              "inputs": {"image": "t1"}, "outputs": {"image": "smoothed"}}  # fmt: skip
    given = Recipe.from_data(recipe_data(shrink, THRESHOLD, outputs=("seg", "size")))
    record = run(tmp_path / "out", str(tmp_path / "ct"), given)
    assert list(record["dicom"]) == ["size"]
    assert any("seg: no DICOM segmentation is written: it lies on another grid" in w for w in record["warnings"])


def test_of_two_series_the_one_on_whose_slices_the_segments_lie_is_referred_to(tmp_path: Path) -> None:
    write_series(tmp_path / "a", ball(), series="1.2.7.1")
    write_series(tmp_path / "b", ball((7, 18, 22)), spacing=(1.0, 1.0, 3.0), series="1.2.7.2")
    step = {**THRESHOLD, "inputs": {"image": "moved"}}
    data = recipe_data(ON_SECOND, step, outputs=("seg", "size"))
    data["inputs"]["t2"] = {"kind": "image"}
    run(tmp_path / "out", str(tmp_path / "a"), Recipe.from_data(data), t2=str(tmp_path / "b"))
    made = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.7.2"


def test_two_frames_of_reference_that_fit_are_ambiguous(tmp_path: Path) -> None:
    write_series(tmp_path / "a", ball(), series="1.2.7.1", FrameOfReferenceUID="1.2.7.8")
    write_series(tmp_path / "b", ball(), series="1.2.7.2", FrameOfReferenceUID="1.2.7.9")
    step = {**THRESHOLD, "inputs": {"image": "moved"}}
    data = recipe_data(ON_SECOND, step, outputs=("seg", "size"))
    data["inputs"]["t2"] = {"kind": "image"}
    record = run(tmp_path / "out", str(tmp_path / "a"), Recipe.from_data(data), t2=str(tmp_path / "b"))
    assert "seg" not in record["dicom"]
    assert any("different frames of reference" in w for w in record["warnings"])


def test_apply_writes_segments_and_their_measurements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_multiframe(tmp_path / "ct" / "all.dcm", ball())
    ct, seg, report = tmp_path / "ct", tmp_path / "organs.dcm", tmp_path / "sizes.dcm"
    assert main(["apply", "auto_threshold", "--in", f"image={ct}", "--out", f"labels={seg}", "--quiet"]) == 0
    words = ["apply", "measure_segments", "--in", f"labels={seg}", "--in", f"image={ct}", "--out", f"table={report}"]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["measurements"]["table"][0]
    (group,) = highdicom.sr.srread(str(report)).content.get_volumetric_roi_measurement_groups()
    reference = group.referenced_segment[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == pydicom.dcmread(seg).SOPInstanceUID
    found = {m.name.meaning: m.value for m in group.get_measurements()}
    assert found["Volume"] == row["volume_ml"] and found["Mean"] == row["mean"]
    assert not list(tmp_path.glob(".medimg-*"))


def test_apply_refuses_before_the_work_and_leaves_nothing_after_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "ct", ball())
    sitk.WriteImage(sitk.GetImageFromArray(ball()), str(tmp_path / "t1.nrrd"))
    apply = ["apply", "auto_threshold", "--out", f"labels={tmp_path / 'o.dcm'}"]
    assert main([*apply, "--in", f"image={tmp_path / 't1.nrrd'}"]) == 2
    assert "none of the inputs is DICOM" in capsys.readouterr().err
    write_series(tmp_path / "tilt", ball(), along=np.array([0.1, 0.3, 0.9]))
    table = tmp_path / "t.csv"
    assert main([*apply, "--in", f"image={tmp_path / 'tilt'}", "--out", f"table={table}", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'o.dcm'}: no DICOM segmentation is written: the slices of 'image' were interpolated" in said
    assert not table.exists() and not (tmp_path / "o.dcm").exists() and not list(tmp_path.glob(".medimg-*"))


def test_a_mask_is_a_segment_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "ct", ball())
    ct, target = f"image={tmp_path / 'ct'}", tmp_path / "body.dcm"
    words = ["apply", "body_mask", "--in", ct, "--out", f"mask={target}", "--quiet"]
    assert main(words) == 0
    back = files.read(target, "labels")
    assert back.names == ("mask",)
    assert sitk.GetArrayFromImage(back.mask("mask")).any()
    mean = ["apply", "median", "--in", ct, "--evidence", "--out", f"evidence={tmp_path / 'e.dcm'}"]
    assert main(mean) == 2
    assert "evidence is not written as DICOM" in capsys.readouterr().err


def test_run_and_batch_take_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "ct", ball())
    path = tmp_path / "recipe.json"
    path.write_text(recipe().as_json())
    words = ["run", str(path), "--in", f"t1={tmp_path / 'ct'}", "--out", str(tmp_path / "one"), "--dicom", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["dicom"] == {
        name: str(tmp_path / "one" / f"{name}.dcm") for name in ("seg", "size")
    }
    (tmp_path / "cohort.csv").write_text("id,t1\np1,ct\n")
    words = ["batch", str(path), str(tmp_path / "cohort.csv"), "--out", str(tmp_path / "many"), "--dicom", "--quiet"]
    assert main(words) == 0
    one, other = (pydicom.dcmread(tmp_path / place / "seg.dcm") for place in ("one", "many/p1"))
    assert one.SOPInstanceUID == other.SOPInstanceUID and one.PixelData == other.PixelData


def test_de_identified_series_give_results_without_the_patient(tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer")
    from MedImgAnalysisLib.deidentify import Secret
    from planted_testing import WORDS, planted, planted_in

    planted(tmp_path / "Müller")
    (tmp_path / "salt").write_bytes(b"0123456789abcdef")
    words = ["deidentify", str(tmp_path / "Müller"), str(tmp_path / "clean"), "--salt-file", str(tmp_path / "salt")]
    assert main([*words, "--quiet"]) == 0
    record = run(tmp_path / "out", str(tmp_path / "clean"))
    assert set(record["dicom"]) == {"seg", "size"}
    assert planted_in(tmp_path / "out", WORDS) == []
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    uid = Secret(b"0123456789abcdef").uid
    assert seg.StudyInstanceUID == uid("1.2.3") and seg.FrameOfReferenceUID == uid("1.2.3.9")
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == uid("1.2.3.4")

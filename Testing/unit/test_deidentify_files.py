"""What is left out or warned of, where files may go, and the command."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("dicomanonymizer")
import pydicom
from dicom_testing import PATIENT, ball, write_series
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.deidentify import Secret
from MedImgAnalysisLib.deidentify.profile import profile
from MedImgAnalysisLib.errors import FileError, InputError, MissingPackageError
from planted_testing import KEY, WORDS, planted, planted_in, quiet, read_all, run


@pytest.mark.parametrize(
    ("changes", "reason"),
    (
        ({"BurnedInAnnotation": "YES"}, "images that say they hold burned-in text"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary captures, which may be pictures of a screen"),
        ({"Modality": "US"}, "images of modality US, which usually carry text"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "images that are screens or reports by their type"),
    ),
)
def test_images_with_text_are_left_out_unless_they_are_wanted(
    changes: dict[str, str], reason: str, tmp_path: Path
) -> None:
    write_series(tmp_path / "in" / "plain", ball()[:1])
    write_series(tmp_path / "in" / "text", ball()[:2], series="1.2.77", **changes)
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.written == 1 and report.left_out[reason] == 2
    assert any(reason in sentence for sentence in report.warnings)
    report = run(tmp_path / "in", tmp_path / "with", "annotated")
    assert report.written == 3 and any("Look at them" in sentence for sentence in report.warnings)


@pytest.mark.parametrize(
    ("changes", "warned"),
    (({"BodyPartExamined": "HEAD"}, True), ({}, True), ({"BodyPartExamined": "KNEE"}, False),
     ({"BodyPartExamined": "CHEST", "StudyDescription": "Sinus and chest"}, True)),
)  # fmt: skip
def test_heads_are_warned_of(changes: dict[str, str], warned: bool, tmp_path: Path) -> None:
    write_series(tmp_path / "in", ball()[:2], **changes)
    assert any("face" in sentence for sentence in run(tmp_path / "in", tmp_path / "out").warnings) == warned


def test_drawings_in_spare_bits_are_cleared_and_values_stay(tmp_path: Path) -> None:
    write_series(tmp_path / "in", ball()[:1])
    (path,) = (tmp_path / "in").iterdir()
    dataset = pydicom.dcmread(path)
    values = np.frombuffer(dataset.PixelData, "<i2")
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = (values & 0x0FFF | 0x5000).astype("<i2").tobytes() + b"Planted behind them."
    dataset.save_as(path)
    report = run(tmp_path / "in", tmp_path / "out")
    (made,) = read_all(tmp_path / "out")
    assert np.array_equal(np.frombuffer(made.PixelData, "<i2"), values)
    assert any("spare bits" in sentence for sentence in report.warnings)
    assert planted_in(tmp_path / "out", ["planted"]) == []


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    (tmp_path / "in" / "Müller.txt").write_text("Planted")
    report_only = pydicom.dcmread(next((tmp_path / "in").glob("*.dcm")))
    del report_only.PixelData
    report_only.save_as(tmp_path / "in" / "sr.dcm")
    damaged = next((tmp_path / "in").glob("0*.dcm")).read_bytes()
    (tmp_path / "in" / "cut.dcm").write_bytes(damaged[:1500])
    (tmp_path / "in" / "again.dcm").write_bytes(damaged)
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.written == 9
    assert report.left_out["files that are not DICOM"] == report.left_out["repeated instances"] == 1
    assert sum(report.left_out.values()) == 4
    assert planted_in(tmp_path / "out", WORDS) == []


def test_the_crosswalk_is_private_and_never_among_the_results(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    run(tmp_path / "in", tmp_path / "out", crosswalk=tmp_path / "who.csv")
    assert stat.S_IMODE(os.stat(tmp_path / "who.csv").st_mode) == 0o600
    write_series(tmp_path / "formula", ball()[:1], PatientName="=1+1")
    run(tmp_path / "formula", tmp_path / "new", crosswalk=tmp_path / "formula.csv")
    assert ",'=1+1," in (tmp_path / "formula.csv").read_text(encoding="utf-8")
    _, row = (tmp_path / "who.csv").read_text(encoding="utf-8").splitlines()
    assert row.startswith(f"{PATIENT['PatientID']},{PATIENT['PatientName']},,P") and row.endswith(
        str(KEY.days("id\0MRN-4711-0815\0"))
    )
    (tmp_path / "link").symlink_to(tmp_path / "more")
    for place, words in (
        ("more/who.csv", "must not lie"),
        ("link/who.csv", "must not lie"),
        ("who.csv", "exists already"),
        ("none/who.csv", "does not exist"),
    ):
        with pytest.raises(FileError, match=words):
            run(tmp_path / "in", tmp_path / "more", crosswalk=tmp_path / place)
    assert not (tmp_path / "more").exists()


def test_places_that_would_mix_old_and_new_files_are_refused(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    for out in ("in", "in/new", "."):
        with pytest.raises(FileError, match="outside"):
            run(tmp_path / "in", tmp_path / out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FileError, match="holds something"):
        run(tmp_path / "in", tmp_path / "full")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing to de-identify"):
        run(tmp_path / "empty", tmp_path / "out")


def test_a_secret_must_be_long_enough(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("secret\n")
    with pytest.raises(FileError, match="6 bytes; it needs 16"):
        Secret.load(tmp_path / "short")
    with pytest.raises(FileError, match="No such file"):
        Secret.load(tmp_path / "none")


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dicomanonymizer.dicomfields_selector", None)
    profile.cache_clear()
    with pytest.raises(MissingPackageError, match="pip install dicom-anonymizer"):
        profile()
    profile.cache_clear()


def test_the_command_writes_all_or_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted(tmp_path / "in")
    (tmp_path / "salt").write_bytes(KEY.key)
    words = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--salt-file", str(tmp_path / "salt"), "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert data["files"] == 9 and list(data["patients"]) == [KEY.patient("id\0MRN-4711-0815\0")]
    assert planted_in(tmp_path / "out", WORDS) == [] and not any(word in said.out for word in WORDS)
    assert main(words) == 2 and "holds something" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    assert main(["deidentify", str(tmp_path / "none"), str(tmp_path / "more")]) == 2
    assert not (tmp_path / "more").exists() and not list(tmp_path.glob(".medimg-*"))


def test_real_series_keep_their_voxels_and_places(data_dir: Path, tmp_path: Path) -> None:
    for name in ("mr_t1_oblique", "sts003/PET"):
        source, out = data_dir / "dicom" / name, tmp_path / name.replace("/", "_")
        run(source, out, "patient")
        before, after = (files.read(place, "image", quiet()) for place in (source, out))
        assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
        assert before.GetOrigin() == after.GetOrigin() and before.GetSpacing() == after.GetSpacing()


def test_the_kind_of_an_image_may_be_in_its_file_header_alone(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "dicom" / "ct_j2k"
    assert run(source, tmp_path / "out").written == 20
    before, after = (files.read(place, "image", quiet()) for place in (source, tmp_path / "out"))
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    write_series(tmp_path / "in", ball()[:2])
    for path in (tmp_path / "in").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPClassUID, dataset.file_meta.MediaStorageSOPClassUID = "", "1.2.840.10008.5.1.4.1.1.7"
        dataset.save_as(path)
    with pytest.raises(InputError, match="2 secondary captures"):
        run(tmp_path / "in", tmp_path / "captures")


def test_a_file_that_cannot_be_written_leaves_no_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "in", ball()[:2])
    _, broken = sorted((tmp_path / "in").iterdir())
    dataset = pydicom.dcmread(broken)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ""
    dataset.PatientID = "another"
    dataset.save_as(broken)
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.written == 1 and report.left_out == {"damaged files": 1}
    assert [place.name for place in (tmp_path / "out").iterdir() if place.is_dir()] == list(report.patients)


def test_an_image_that_says_it_holds_no_text_is_taken_whatever_it_is(tmp_path: Path) -> None:
    write_series(tmp_path / "in", ball()[:2], Modality="US", BurnedInAnnotation="NO")
    assert run(tmp_path / "in", tmp_path / "out").written == 2


def test_a_study_of_two_patient_ids_is_warned_of(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "a", ball()[:1])
    write_series(tmp_path / "in" / "b", ball()[:1], series="1.2.88", IssuerOfPatientID="elsewhere")
    report = run(tmp_path / "in", tmp_path / "out")
    assert len(report.patients) == 2 and any("several patient ids" in sentence for sentence in report.warnings)


def test_damaged_headers_leak_nothing(tmp_path: Path) -> None:
    """Bytes, types and lengths of elements are changed at random; a file is clean or not written."""
    planted(tmp_path / "whole")
    data = next((tmp_path / "whole").iterdir()).read_bytes()
    end = data.find(b"\xe0\x7f\x10\x00")
    kinds = [b"OB", b"UN", b"LO", b"SQ", b"UI", b"DS", b"TM", b"PN", b"SH", b"CS", b"AS", b"IS", b"UT", b"US", b"FD"]
    places = [m.start() for m in re.finditer(rb"AE|AS|CS|DA|DS|DT|IS|LO|PN|SH|SQ|TM|UI|UT|US|OW|UN", data[:end])]
    random = np.random.default_rng(7)
    written = 0
    for n in range(120):
        changed, source, out = bytearray(data), tmp_path / f"in{n}", tmp_path / f"out{n}"
        for _ in range(random.integers(1, 5)):
            at = places[random.integers(len(places))]
            what = random.integers(3)
            if what == 0:
                changed[random.integers(132, end)] = random.integers(256)
            elif what == 1:
                changed[at : at + 2] = kinds[random.integers(len(kinds))]
            else:
                changed[at + 2] = random.integers(256)
        source.mkdir()
        (source / "m.dcm").write_bytes(changed)
        try:
            written += run(source, out).written
        except InputError:
            continue
        assert planted_in(out, WORDS) == [], n
    assert 30 < written < 110


@pytest.mark.parametrize(("number", "said"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies")])
def test_counts_are_said_in_the_right_number(number, said):
    from MedImgAnalysisLib.commands.deidentify import _count

    assert _count(number, "study", "studies") == said
    assert _count(number, "patient") == said.replace("studies", "patients").replace("study", "patient")

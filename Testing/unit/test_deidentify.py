"""De-identified data sets hold none of what was planted, fit together as before, and keep every pixel."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("dicomanonymizer")
import pydicom
from dicom_testing import ball, write_series
from MedImgAnalysisLib import files
from MedImgAnalysisLib.deidentify import Choices, Secret, deidentify_folder
from MedImgAnalysisLib.deidentify.dates import moved_date, moved_datetime
from MedImgAnalysisLib.deidentify.profile import profile
from MedImgAnalysisLib.errors import ParameterError
from planted_testing import KEY, WORDS, plant, planted, planted_in, quiet, read_all, run
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless


def test_nothing_that_was_planted_is_in_any_byte_of_the_results(tmp_path: Path) -> None:
    planted(tmp_path / "in" / "Müller Jörgen")
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.written == 9
    assert len(planted_in(tmp_path / "in", WORDS)) > 9 * 10
    assert planted_in(tmp_path / "out", WORDS) == []


def test_the_search_for_what_was_planted_looks_into_compressed_files(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress("x Müller y".encode()))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("n", "PLANTED" * 50)
    sitk.WriteImage(
        sitk.GetImageFromArray(np.frombuffer(b"Planted!" * 8, np.uint8)[None]), str(tmp_path / "c.nrrd"), True
    )
    assert planted_in(tmp_path, WORDS) == ["a.gz: Müller", "b.zip: Planted", "c.nrrd: Planted"]


@pytest.mark.parametrize("syntax", (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless))
def test_other_encodings_are_as_clean_and_keep_their_pixels(syntax: str, tmp_path: Path) -> None:
    def encode(dataset: Dataset) -> None:
        plant(dataset)
        if syntax == RLELossless:
            dataset.compress(syntax)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
            for tag in [element.tag for element in dataset if element.tag.group in (0x5000, 0x6000)]:
                del dataset[tag]
        else:
            dataset.file_meta.TransferSyntaxUID = syntax

    (tmp_path / "in").mkdir()
    made = write_series(tmp_path / "plain", ball())
    for number, path in enumerate(sorted((tmp_path / "plain").iterdir())):
        dataset = pydicom.dcmread(path)
        encode(dataset)
        pydicom.dcmwrite(
            tmp_path / "in" / f"{number}.dcm",
            dataset,
            implicit_vr=False,
            little_endian=syntax != ExplicitVRBigEndian,
            force_encoding=syntax == ExplicitVRBigEndian,
        )
    assert run(tmp_path / "in", tmp_path / "out").written == len(made)
    assert planted_in(tmp_path / "out", WORDS) == []
    before = files.read(tmp_path / "plain", "image", quiet())
    after = files.read(tmp_path / "out", "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    assert before.GetOrigin() == after.GetOrigin() and before.GetDirection() == after.GetDirection()


def test_references_still_fit_and_uids_of_the_standard_stay(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    run(tmp_path / "in", tmp_path / "out")
    made = read_all(tmp_path / "out")
    assert len({d.SOPInstanceUID for d in made}) == 9 and len({d.SeriesInstanceUID for d in made}) == 1
    first = KEY.uid("1.2.3.4.1")
    assert first in {d.SOPInstanceUID for d in made}
    for dataset in made:
        item = dataset.SourceImageSequence[0]
        assert item.ReferencedSOPInstanceUID == first and item.ReferencedSOPClassUID.name == "CT Image Storage"
        assert item.ReferencedImageSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID == first
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.FrameOfReferenceUID == KEY.uid("1.2.3.9")


def test_dates_move_together_and_intervals_and_times_stay(tmp_path: Path) -> None:
    planted(tmp_path / "in" / "one")
    later = {"StudyDate": "20240310", "StudyInstanceUID": "1.2.55", "SeriesInstanceUID": "1.2.56"}
    write_series(tmp_path / "in" / "two", ball()[:2], series="1.2.56", study="1.2.55", StudyDate=later["StudyDate"])
    write_series(tmp_path / "in" / "other", ball()[:2], series="1.2.66", study="1.2.65", PatientID="X-1")
    run(tmp_path / "in", tmp_path / "out")
    by_study = {d.StudyInstanceUID: d for d in read_all(tmp_path / "out")}
    one, two, other = (by_study[KEY.uid(uid)] for uid in ("1.2.3", "1.2.55", "1.2.65"))
    days = KEY.days("id\0MRN-4711-0815\0")
    assert one.StudyDate == moved_date("20240229", days) and two.StudyDate == moved_date("20240310", days)
    assert one.AcquisitionDateTime == f"{moved_date('20240229', days)}101112.5+0100"
    assert one.StudyTime == "101112" and one.PatientBirthDate == ""
    assert one.PatientID == two.PatientID != other.PatientID
    assert one.StudyDate != other.StudyDate
    assert one.LongitudinalTemporalInformationModified == "MODIFIED"


@pytest.mark.parametrize(
    ("text", "days", "moved"),
    (
        ("20240301", -1, "20240229"),
        ("2024.03.01", -1, "20240229"),
        ("20240101", -366, "20221231"),
        ("20240230", -1, None),
        ("00010101", -1, None),
        ("2024", -1, None),
        ("Müller", -1, None),
    ),
)
def test_dates_are_moved_by_the_calendar(text: str, days: int, moved: str | None) -> None:
    assert moved_date(text, days) == moved


@pytest.mark.parametrize(
    ("text", "moved"),
    (
        ("20240301", "20240229"),
        ("202403012359", "202402292359"),
        ("20240301235959.123456-0500", "20240229235959.123456-0500"),
        ("202403", None),
        ("20240301 Müller", None),
    ),
)
def test_moments_keep_their_time_of_day(text: str, moved: str | None) -> None:
    assert moved_datetime(text, -1) == moved


def test_dates_can_be_removed_altogether(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    deidentify_folder(tmp_path / "in", tmp_path / "out", KEY, Choices(dates="remove"), progress=quiet())
    for dataset in read_all(tmp_path / "out"):
        assert dataset.StudyDate == "" and "AcquisitionDateTime" in dataset
        assert (
            dataset.AcquisitionDateTime.startswith("1900")
            and dataset.LongitudinalTemporalInformationModified == "REMOVED"
        )
        codes = {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}
        assert codes == {"113100"}


def test_the_same_secret_gives_the_same_files_and_another_one_others(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    run(tmp_path / "in", tmp_path / "1")
    run(tmp_path / "in", tmp_path / "2")
    run(tmp_path / "in", tmp_path / "3", secret=Secret.new())

    def listed(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.dcm")}

    assert listed(tmp_path / "1") == listed(tmp_path / "2")
    assert not listed(tmp_path / "1").keys() & listed(tmp_path / "3").keys()


def test_what_was_done_is_counted_without_values(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    report = run(tmp_path / "in", tmp_path / "out")
    data = json.loads((tmp_path / "out" / "deidentification.json").read_text())
    assert data == json.loads(json.dumps(report.as_data()))
    assert data["attributes"]["InstitutionName"] == {"replaced": 9}
    assert data["attributes"]["SeriesDescription"] == {"removed": 9}
    assert data["attributes"]["SequenceName"] == {"held a name or number of the patient": 9}
    assert data["attributes"]["private attributes"]["removed"] >= 9 * 10
    assert "Pixels were not looked at" in data["not_done"]
    for dataset in read_all(tmp_path / "out"):
        assert dataset.PatientIdentityRemoved == "YES"
        assert {i.CodeValue for i in dataset.DeidentificationMethodCodeSequence} == {"113100", "113107"}


def test_the_table_is_that_of_the_standard() -> None:
    table = profile()
    assert len(table.actions) > 600
    for keyword, action in (("PatientName", "Z"), ("PatientID", "D"), ("AccessionNumber", "Z"), ("PatientAddress", "X"),
                            ("SOPInstanceUID", "U"), ("SeriesDescription", "X"), ("InstitutionName", "XD"),
                            ("Modality", ""), ("PixelSpacing", ""), ("ImagePositionPatient", "")):  # fmt: skip
        assert table.action(pydicom.tag.Tag(keyword)) == action, keyword
    assert table.action(pydicom.tag.Tag(0x60023000)) == table.action(pydicom.tag.Tag(0x50100020)) == "X"


def test_attributes_are_kept_on_request_but_never_the_patient(tmp_path: Path) -> None:
    planted(tmp_path / "in")
    report = run(tmp_path / "in", tmp_path / "out", "patient", "SeriesDescription", "ManufacturerModelName")
    for dataset in read_all(tmp_path / "out"):
        assert (dataset.PatientAge, dataset.PatientSex, float(dataset.PatientWeight)) == ("090Y", "M", 81.5)
        assert dataset.SeriesDescription == "REMOVED"  # The planted name is that of a person in the file.
        assert "DeidentificationMethodCodeSequence" not in dataset
    assert any("SeriesDescription" in sentence for sentence in report.warnings)
    assert planted_in(tmp_path / "out", WORDS) == []
    for word in ("PatientName", "PatientBirthDate", "AcquisitionDate", "StudyInstanceUID", "OperatorsName", "Shoesize"):
        with pytest.raises(ParameterError, match="cannot be kept"):
            Choices.parse([word])


def test_a_kept_description_stays_where_it_names_nobody(tmp_path: Path) -> None:
    write_series(tmp_path / "in", ball(), SeriesDescription="T1 axial")
    run(tmp_path / "in", tmp_path / "out", "SeriesDescription")
    assert {d.SeriesDescription for d in read_all(tmp_path / "out")} == {"T1 axial"}


def test_kinds_of_objects_stay_and_instances_that_look_like_them_do_not(tmp_path: Path) -> None:
    def odd(dataset: Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.3.12.2.1107.5.9.1"
        dataset.FrameOfReferenceUID, dataset.DeviceUID = "1.2.840.10008.1.4.1.1", "1.2.840.10008.99.4711"

    planted(tmp_path / "in", odd)
    run(tmp_path / "in", tmp_path / "out")
    for dataset in read_all(tmp_path / "out"):
        assert dataset.SOPClassUID == "1.3.12.2.1107.5.9.1"
        assert dataset.FrameOfReferenceUID.name == "Talairach Brain Atlas Frame of Reference"
        assert dataset.DeviceUID.startswith("2.25.")


def test_patients_without_an_id_are_told_apart_by_name_and_birth_date_or_study(tmp_path: Path) -> None:
    nobody = {"PatientID": "", "PatientName": "Anonymous"}
    for number, more in enumerate(({}, {"PatientBirthDate": "19600101"}, {"PatientBirthDate": ""})):
        for study in (1, 2):
            uid = f"1.2.{number}.{study}"
            write_series(tmp_path / "in" / uid, ball()[:1], series=f"{uid}.3", study=uid, **nobody, **more)
    assert len(run(tmp_path / "in", tmp_path / "out").patients) == 4


def test_every_attribute_of_the_table_loses_its_value_at_every_level(tmp_path: Path) -> None:
    values = {"UI": "1.2.3.4.5.6.7", "AS": "093Y", "DA": "19511224", "DT": "19511224101112", "TM": "101112.195112",
              "UR": "http://planted", "CS": "PLANTED", "AE": "PLANTED", "OB": b"PLANTED!", "UN": b"PLANTED!",
              "OW": b"PLANTED!"}  # fmt: skip
    texts = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")

    def fill(dataset: Dataset, nested: bool) -> int:
        count = 0
        for tag in (tag for tag in profile().actions if tag >> 16 >= 8):
            vr = pydicom.datadict.dictionary_VR(tag) if pydicom.datadict.dictionary_has_tag(tag) else "UN"
            if vr == "SQ":
                item = Dataset()
                item.TextValue, item.PersonName = "Planted in a sequence", "Planted^Sequence"
                if not nested and profile().actions[tag] == "U":  # The others go as a whole.
                    fill(item, nested=True)
                dataset.add_new(tag, vr, [item])
            elif vr in values or vr in texts:
                dataset.add_new(tag, vr, values.get(vr, "Planted"))
            count += vr == "SQ" or vr in values or vr in texts
        return count

    def change(dataset: Dataset) -> None:
        keep = {key: dataset[key].value for key in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")}
        assert fill(dataset, nested=False) > 600
        for key, value in keep.items():
            setattr(dataset, key, value)

    write_series(tmp_path / "in", ball()[:1])
    (path,) = (tmp_path / "in").iterdir()
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    assert run(tmp_path / "in", tmp_path / "out").written == 1
    assert planted_in(tmp_path / "out", ("planted", "19511224", "1.2.3.4", "093Y")) == []
    deidentify_folder(tmp_path / "in", tmp_path / "dateless", KEY, Choices(dates="remove"), progress=quiet())
    assert planted_in(tmp_path / "dateless", ("planted", "19511224", "195112", "1.2.3.4", "093Y")) == []

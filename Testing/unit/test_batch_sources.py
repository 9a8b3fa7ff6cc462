"""Cohorts from patterns of file names and from folders of DICOM series."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases_testing import recipe_data
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import files
from MedImgAnalysisLib.batch.dicom_cohort import Rule, from_dicom
from MedImgAnalysisLib.batch.patterns import Pattern, filled, from_patterns
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.recipe import Recipe

TWO = Recipe.from_data(
    {
        "medimg_recipe": 1,
        "inputs": {"image": {"kind": "image"}, "region": {"kind": "mask"}, "other": {"kind": "image"}},
        "steps": [
            {
                "operation": "median",
                "inputs": {"image": "image", "mask": "region"},
                "outputs": {"image": "clean"},
                "id": "m",
            },
            {"operation": "gaussian", "inputs": {"image": "other"}, "outputs": {"image": "smooth"}, "id": "s"},
        ],
        "outputs": ["clean", "smooth"],
    }
)
ONE = Recipe.from_data(recipe_data())


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_whose_parts_agree_are_a_case(tmp_path: Path) -> None:
    touch(
        tmp_path, "p1/a/t1.nii.gz", "p1/b/t1.nii.gz", "p2/a/t1_x.nii.gz", "p1/brain.nrrd", "p2/brain.nrrd", "atlas.nrrd"
    )
    touch(tmp_path, "p1/a/.t1.nii.gz", "p3/readme.txt")
    cohort = from_patterns(
        {"image": f"{tmp_path}/{{subject}}/{{visit}}/t1*.nii.gz", "region": f"{tmp_path}/{{subject}}/brain.nrrd",
         "other": f"{tmp_path}/atlas.nrrd"}, TWO,
    )  # fmt: skip
    assert [case.id for case in cohort.cases] == ["p1_a", "p1_b", "p2_a"]
    assert cohort.carried == ("subject", "visit")
    last = cohort.cases[2]
    assert last.inputs == {
        "image": str(tmp_path / "p2/a/t1_x.nii.gz"), "region": str(tmp_path / "p2/brain.nrrd"),
        "other": str(tmp_path / "atlas.nrrd"),
    }  # fmt: skip
    assert dict(last.carried) == {"subject": "p2", "visit": "a"} and last.problem == ""


def test_a_case_says_what_it_lacks_or_has_twice(tmp_path: Path) -> None:
    touch(tmp_path, "a_t1.nrrd", "b_t1.nrrd", "c_t1.nrrd", "a_m.nrrd", "b_m.nrrd", "a_o.nrrd", "b_o1.nrrd", "b_o2.nrrd")
    cohort = from_patterns(
        {
            "image": f"{tmp_path}/{{s}}_t1.nrrd",
            "region": f"{tmp_path}/{{s}}_m.nrrd",
            "other": f"{tmp_path}/{{s}}_o*.nrrd",
        },
        TWO,
        case_id="case-{s}",
    )
    a, b, c = cohort.cases
    assert (a.id, a.problem) == ("case-a", "")
    assert b.problem == "2 files fit the input 'other' (b_o1.nrrd, b_o2.nrrd); make its pattern narrower."
    assert c.problem == "No file fits the input 'other'." and "region" not in c.inputs


def test_the_same_part_must_be_the_same_text_and_two_stars_are_any_folders(tmp_path: Path) -> None:
    touch(tmp_path, "x/y/p1/p1.nrrd", "p2/p2.nrrd", "p2/p1.nrrd", "p3/.hidden/p3.nrrd", "z/(1)+[a]/(1)+[a].nrrd")
    cohort = from_patterns({"t1": f"{tmp_path}/**/{{s}}/{{s}}.nrrd"}, ONE)
    assert [case.id for case in cohort.cases] == ["(1)+[a]", "p1", "p2"]


def test_files_and_folders_in_the_place_of_a_pattern_are_taken_as_they_are_called(tmp_path: Path) -> None:
    here = tmp_path / "50% of {all} [x]"
    touch(here, "a b.nrrd", "ü'.nrrd", "-x.nrrd")
    cohort = from_patterns({"t1": f"{tmp_path}/50% of {{{{all}}}} [x]/{{s}}.nrrd"}, ONE)
    assert [Path(case.inputs["t1"]).name for case in cohort.cases] == ["-x.nrrd", "a b.nrrd", "ü'.nrrd"]


@pytest.mark.parametrize(
    ("patterns", "part"),
    [
        ({"t1": "nothing/{s}.nrrd"}, "Nothing fits"),
        ({"t1": "plain.nrrd"}, "no named part|No pattern has a named part"),
        ({"t1": "{s.__class__}.nrrd"}, "must be a name"),
        ({"t1": "{s}{.nrrd"}, "stands alone"),
        ({"t1": "{t1}.nrrd"}, "has the name of an input"),
        ({"t1": "{id}.nrrd"}, "of the column that names the cases"),
        ({"x": "{s}.nrrd"}, "has no input 'x'"),
        ({}, "missing for the recipe input t1"),
    ],
)
def test_wrong_patterns_are_refused_with_a_reason(patterns: dict[str, str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        from_patterns(patterns, ONE)


def test_an_id_is_made_of_parts_alone(tmp_path: Path) -> None:
    assert filled("{a}-{{x}}-{b}", {"a": "1", "b": "2"}) == "1-{x}-2"
    with pytest.raises(InputError, match="there is no part"):
        filled("{c}", {"a": "1"})
    touch(tmp_path, "A.nrrd", "a.nrrd")
    with pytest.raises(InputError, match="is used already"):
        from_patterns({"t1": f"{tmp_path}/{{s}}.nrrd"}, ONE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ab_", min_size=1, max_size=4), min_size=2, max_size=2))
def test_what_parts_were_written_into_a_name_are_found_again(values: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        touch(Path(place), f"{values[0]}/{values[1]}-t1.nrrd")
        ((parts, path),) = Pattern(f"{place}/{{a}}/{{b}}-t1.nrrd").matches()
        assert [parts["a"], parts["b"]] == values and path.is_file()


# DICOM


def series(folder: Path, patient: str, study: str, number: int, description: str, count: int = 3, **words: str) -> None:
    """Slices of a small series, as a scanner writes them."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{study}.{number}.{n + 1}"
        one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = patient, f"1.2.{study}", f"1.2.{study}.{number}"
        one.StudyDate, one.SeriesNumber, one.SeriesDescription, one.Modality = (
            f"2020010{study}",
            number,
            description,
            "MR",
        )
        one.ImageType = ["ORIGINAL", "PRIMARY"]
        one.Rows = one.Columns = 4
        one.PixelSpacing, one.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
        one.ImagePositionPatient, one.SliceThickness, one.InstanceNumber = [0, 0, 2 * n], 2, n + 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation, one.PixelData = 15, 0, bytes(32)
        for key, value in words.items():
            setattr(one, key, value)
        pydicom.dcmwrite(folder / f"{study}-{number}-{n}.dcm", one, enforce_file_format=True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    series(folder / "x1", "P/1", "1", 3, "T1 MPRAGE")
    series(folder / "flat", "P/1", "2", 3, "t1 mprage post", ContrastBolusAgent="Gd")
    series(folder / "flat", "P/1", "2", 4, "T1 mprage")
    series(folder / "flat", "P2", "3", 1, "Localiser", count=1)
    series(folder / "flat", "P2", "3", 2, "T1 mprage A")
    series(folder / "flat", "P2", "3", 5, "T1 mprage B", count=4)
    series(folder / "flat", "P3", "4", 1, "FLAIR")
    touch(folder, "flat/notes.txt")
    return folder


def test_studies_become_cases_by_rules(store: Path) -> None:
    rule = "Modality=MR, SeriesDescription=*t1*, ContrastBolusAgent!=?*"
    cohort = from_dicom(store, {"t1": rule}, ONE)
    assert [case.id for case in cohort.cases] == ["P2", "P_1_20200101", "P_1_20200102"]
    two, first, second = cohort.cases
    assert first.inputs == {"t1": str(store / "x1")}
    assert second.inputs == {"t1": f"{store / 'flat'}#1.2.2.4"}
    assert dict(second.carried) == {"patient": "P/1", "study_date": "20200102"}
    assert two.inputs == {} and two.problem.startswith(
        "2 series fit the input 't1': MR 'T1 mprage A' series 2 (3 files)"
    )
    assert files.read(second.inputs["t1"], "image").GetSize() == (4, 4, 3)


@pytest.mark.parametrize(("pick", "uid"), [("first", "1.2.3.2"), ("last", "1.2.3.5"), ("most", "1.2.3.5")])
def test_one_of_several_series_is_picked_where_asked_for(store: Path, pick: str, uid: str) -> None:
    cohort = from_dicom(store, {"t1": f"SeriesDescription=*t1*,pick={pick}"}, ONE)
    assert cohort.cases[0].inputs["t1"].endswith(f"#{uid}") and not cohort.cases[0].problem


def test_a_patient_is_a_case_with_all_studies(store: Path) -> None:
    cohort = from_dicom(store, {"t1": "SeriesDescription=*t1*,pick=last"}, ONE, by="patient")
    assert [case.id for case in cohort.cases] == ["P2", "P_1"]
    assert cohort.cases[1].inputs["t1"].endswith("#1.2.2.4")


def test_patients_whose_ids_differ_in_a_slash_stay_apart(tmp_path: Path) -> None:
    series(tmp_path / "a", "P/1", "1", 1, "T1")
    series(tmp_path / "b", "P:1", "2", 1, "T1")
    ids = [case.id for case in from_dicom(tmp_path, {"t1": "Modality=MR"}, ONE).cases]
    assert len(set(ids)) == 2 and all(name.startswith("P_1") for name in ids)


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ({"t1": "SeriesDescription=*t2*"}, "None of the 7 series"),
        ({"t1": "PatientName=x"}, "is not understood"),
        ({"t1": "pick=first"}, "says nothing"),
        ({"t1": "Modality=MR,pick=any"}, "is not understood"),
        ({"x": "Modality=MR"}, "has no input 'x'"),
        ({}, "A rule is missing for the recipe input t1"),
    ],
)
def test_wrong_rules_are_refused_with_a_reason(store: Path, rules: dict[str, str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        from_dicom(store, rules, ONE)


def test_a_rule_that_no_series_fits_is_refused_though_its_input_may_be_missing(store: Path) -> None:
    rules = {"image": "SeriesDescription=*t1*, pick=last", "other": "Modality=MR, pick=first"}
    assert len(from_dicom(store, rules, TWO).cases) == 4
    with pytest.raises(InputError, match=r"No series below .* fits the rule of 'region'\. There are: MR"):
        from_dicom(store, rules | {"region": "SeriesDescription=*brain*"}, TWO)


def test_a_folder_without_images_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(InputError, match="no DICOM images"):
        from_dicom(tmp_path, {"t1": "Modality=MR"}, ONE)
    with pytest.raises(InputError, match="not a folder"):
        from_dicom(tmp_path / "a.txt", {"t1": "Modality=MR"}, ONE)


def test_pet_and_ct_of_a_real_study_are_told_apart(data_dir: Path) -> None:
    found = from_dicom(data_dir / "dicom", {"t1": "Modality=PT, pick=most"}, ONE)
    (case,) = [one for one in found.cases if one.inputs]
    assert "sts003" in case.inputs["t1"]
    assert Rule("Modality=CT,Files>=2").terms == (("Modality", "=", "ct"), ("Files", ">=", "2"))

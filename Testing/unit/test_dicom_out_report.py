"""Tables as structured reports: every digit, code, unit and reference comes back, and nothing undefined is a number."""

from __future__ import annotations

import math
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from dicom_testing import ball, write_series
from MedImgAnalysisLib import dicom_out, files
from MedImgAnalysisLib.dicom_out import Maker, Source, WrittenSegments
from MedImgAnalysisLib.dicom_out.measures import unit
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Column, Labels, Measurements

highdicom = pytest.importorskip("highdicom")
import pydicom  # noqa: E402

MAKER = Maker("measure_segments", "Measure segments", "Measure", "1.2 revision 3", {"intensity": True})
COLUMNS = (
    Column("segment", "Segment", dtype=str),
    Column("volume_ml", "Volume", "ml"),
    Column("hd95", "HD95 (surfel)", "mm"),
    Column("n", "Voxels", "voxels", dtype=int),
    Column("density", "Density", "HU"),
    Column("status", "Status", dtype=str),
)
THIRD = 1 / 3


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


@pytest.fixture
def case(tmp_path: Path) -> tuple[Source, WrittenSegments]:
    """A CT with two segments that were written."""
    write_series(tmp_path / "ct", ball())
    image = files.read(tmp_path / "ct", "image", quiet())
    mask = image_like(np.ones(image.GetSize()[::-1], np.uint8), Grid.of(image))
    source = dicom_out.source_of(tmp_path / "ct", image, "ct")
    labels = Labels.from_masks([("Leber", mask), ("Milz", mask)])
    target = tmp_path / "seg.dcm"
    return source, dicom_out.write_segments(labels, source, target, name="organs", maker=MAKER, progress=quiet())


def table(*rows: dict[str, object]) -> Measurements:
    return Measurements(COLUMNS, rows)


def test_numbers_codes_units_and_segments_come_back(case: tuple[Source, WrittenSegments], tmp_path: Path) -> None:
    source, segments = case
    given = table(
        {"segment": "Leber", "volume_ml": THIRD, "hd95": 1e-300, "n": 2**40, "density": -1000.5},
        {"segment": "Milz", "volume_ml": 0.1 + 0.2, "hd95": 12345678901.123457, "n": 0, "density": 0.0},
    )
    dicom_out.write_report(
        given, [source], [segments], tmp_path / "sr.dcm", name="sizes", maker=MAKER, naming="segment"
    )
    report = highdicom.sr.srread(str(tmp_path / "sr.dcm"))
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["Leber", "Milz"]
    for number, (group, row) in enumerate(zip(groups, given.rows), 1):
        found = {m.name.value: (m.value, m.unit.value) for m in group.get_measurements()}
        assert found == {
            "118565006": (row["volume_ml"], "ml"),
            "hd95": (row["hd95"], "mm"),
            "n": (row["n"], "{voxels}"),
            "density": (row["density"], "[hnsf'U]"),
        }
        segment = segments.dataset.SegmentSequence[number - 1]
        assert group.tracking_uid == segment.TrackingUID
        (reference,) = group.referenced_segment[:1]
        item = reference.ReferencedSOPSequence[0]
        assert item.ReferencedSOPInstanceUID == segments.dataset.SOPInstanceUID
        assert int(item.ReferencedSegmentNumber) == number
    assert report.PatientName == source.datasets[0].PatientName and report.StudyInstanceUID == source.study


def test_what_is_undefined_is_no_number_but_is_said(case: tuple[Source, WrittenSegments], tmp_path: Path) -> None:
    source, segments = case
    given = table(
        {"segment": "Leber", "volume_ml": math.nan, "hd95": math.inf, "n": None, "status": "kein Rand, größer?"},
        {"segment": "Milz"},
    )
    dicom_out.write_report(
        given, [source], [segments], tmp_path / "sr.dcm", name="sizes", maker=MAKER, naming="segment"
    )
    report = highdicom.sr.srread(str(tmp_path / "sr.dcm"))
    first, second = report.content.get_volumetric_roi_measurement_groups()
    assert first.get_measurements() == second.get_measurements() == []
    texts = [str(item.get("TextValue", "")) for item in first]
    texts += [str(item.get("TextValue", "")) for item in first[0].ContentSequence]
    assert "Undefined: volume_ml, n, density. Infinite: hd95. kein Rand, größer?" in texts


def test_rows_about_no_segment_are_groups_without_a_region(
    case: tuple[Source, WrittenSegments], tmp_path: Path
) -> None:
    source, segments = case
    given = table({"segment": "Knochen", "volume_ml": 1.0}, {"segment": "Leber", "volume_ml": 2.0})
    dicom_out.write_report(
        given, [source], [segments], tmp_path / "sr.dcm", name="sizes", maker=MAKER, naming="segment"
    )
    report = highdicom.sr.srread(str(tmp_path / "sr.dcm")).content
    assert [g.tracking_identifier for g in report.get_image_measurement_groups()] == ["Knochen"]
    assert [g.tracking_identifier for g in report.get_volumetric_roi_measurement_groups()] == ["Leber"]


def test_rows_with_units_of_their_own_keep_them_and_say_what_they_are(
    case: tuple[Source, WrittenSegments], tmp_path: Path
) -> None:
    columns = (
        Column("section", "Section", dtype=str),
        Column("key", "Key", dtype=str),
        Column("value", "Value"),
        Column("part", "Part", "%"),
        Column("n", "Voxels", dtype=int),
        Column("unit", "Unit", dtype=str),
    )
    rows = (
        {"section": "Resolution", "key": "mtf50", "value": 0.31, "part": 3.0, "n": 5, "unit": "lp/mm"},
        {"section": "Signal", "key": "snr", "value": 20.5, "part": 4.0, "n": 6, "unit": ""},
    )
    target = tmp_path / "sr.dcm"
    given = Measurements(columns, rows)
    dicom_out.write_report(given, [case[0]], [], target, name="quality", maker=MAKER, words=("section", "key"))
    groups = highdicom.sr.srread(str(target)).content.get_image_measurement_groups()
    assert [group[0].ContentSequence[0].TextValue for group in groups] == ["Resolution, mtf50", "Signal, snr"]
    units = [{m.name.value: m.unit.value for m in group.get_measurements()} for group in groups]
    assert units == [{"value": "{lp}/mm", "part": "%", "n": "1"}, {"value": "1", "part": "%", "n": "1"}]


def test_a_name_that_two_segmentations_have_refers_to_none(
    case: tuple[Source, WrittenSegments], tmp_path: Path
) -> None:
    source, segments = case
    given = table({"segment": "Leber", "volume_ml": 1.0})
    dicom_out.write_report(
        given, [source], [segments, segments], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment"
    )
    report = highdicom.sr.srread(str(tmp_path / "sr.dcm")).content
    assert not report.get_volumetric_roi_measurement_groups()


def test_evidence_lists_every_source_instance(case: tuple[Source, WrittenSegments], tmp_path: Path) -> None:
    source, _ = case
    dicom_out.write_report(
        table({"volume_ml": 1.0}), [source], [], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment"
    )
    made = pydicom.dcmread(tmp_path / "sr.dcm")
    listed = {
        str(instance.ReferencedSOPInstanceUID)
        for name in ("PertinentOtherEvidenceSequence", "CurrentRequestedProcedureEvidenceSequence")
        for study in made.get(name, [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    assert listed == {str(dataset.SOPInstanceUID) for dataset in source.datasets}


def test_the_same_table_is_the_same_file(case: tuple[Source, WrittenSegments], tmp_path: Path) -> None:
    source, segments = case
    given, when = table({"segment": "Leber", "volume_ml": 1.0}), datetime(2026, 1, 2, 3, 4, 5)
    for name in ("1.dcm", "2.dcm"):
        dicom_out.write_report(
            given, [source], [segments], tmp_path / name, name="x", maker=MAKER, naming="segment", made=when
        )
    assert (tmp_path / "1.dcm").read_bytes() == (tmp_path / "2.dcm").read_bytes()


def test_sources_of_two_patients_are_refused(case: tuple[Source, WrittenSegments], tmp_path: Path) -> None:
    source, _ = case
    write_series(tmp_path / "other", ball(), PatientID="another")
    image = files.read(tmp_path / "other", "image", quiet())
    other = dicom_out.source_of(tmp_path / "other", image, "other")
    with pytest.raises(InputError, match="several patients"):
        dicom_out.write_report(
            table({"n": 1}), [source, other], [], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment"
        )
    with pytest.raises(InputError, match="not made from DICOM"):
        dicom_out.write_report(table({"n": 1}), [], [], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment")
    with pytest.raises(InputError, match="no rows"):
        dicom_out.write_report(table(), [source], [], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment")
    assert not (tmp_path / "sr.dcm").exists()


def test_a_segmentation_that_was_read_can_be_referred_to(data_dir: Path, tmp_path: Path) -> None:
    found = dicom_out.read_segments(data_dir / "dicom" / "seg_dcmqi" / "liver.dcm", "liver")
    name = found.dataset.SegmentSequence[0].SegmentLabel
    given = table({"segment": name, "volume_ml": 1.0})
    dicom_out.write_report(given, [], [found], tmp_path / "sr.dcm", name="x", maker=MAKER, naming="segment")
    (group,) = highdicom.sr.srread(str(tmp_path / "sr.dcm")).content.get_volumetric_roi_measurement_groups()
    assert group.referenced_segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber == 1


def test_odd_values_of_a_segmentation_that_is_read_are_not_printed(
    data_dir: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    dataset = pydicom.dcmread(data_dir / "dicom" / "seg_dcmqi" / "liver.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.StudyID = "more than 16 characters"
        dataset.save_as(tmp_path / "liver.dcm")
    found = dicom_out.read_segments(tmp_path / "liver.dcm", "liver")
    assert found.dataset.StudyID == "more than 16 characters" and not recwarn.list


@pytest.mark.parametrize("word", ["mm", "ml", "1/mm", "%", "degrees", "strange {unit}|x", "µm², fun"])
def test_units_are_ucum_or_stand_in_braces(word: str) -> None:
    found = unit(Column("x", "X", word)).value
    assert found.isascii() and " " not in found
    assert found.count("{") == found.count("}") <= 1

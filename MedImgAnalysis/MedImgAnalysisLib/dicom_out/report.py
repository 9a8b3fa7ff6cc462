"""Tables as DICOM structured reports (TID 1500): a group of measurements per row, with codes, units and references."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.paths import appearing
from ..progress import SILENT, Progress
from ..values import Measurements
from . import package
from .measures import concept, undefined, unit
from .package import Maker, short, uid
from .segments import WrittenSegments
from .source import Source


def write_report(
    table: Measurements,
    sources: Sequence[Source],
    segments: Sequence[WrittenSegments],
    path: str | os.PathLike[str],
    *,
    name: str,
    maker: Maker,
    naming: str | None = None,
    words: Sequence[str] = (),
    made: datetime | None = None,
    progress: Progress = SILENT,
) -> str:
    """Write a table as a DICOM structured report and return its SOP instance UID.

    A row that is named like a segment of `segments` refers to it (TID 1411); the other rows are groups without a region
    (TID 1501). Numbers keep all their digits; what is undefined is left out and named in a comment. Columns of text are
    left out, except for the name of the row and its status, which becomes a comment, too.

    Parameters
    ----------
    table
        The measurements.
    sources
        The series from which they were made; patient and study are those of the first one.
    segments
        The segmentation objects that rows may be about.
    path
        The file, usually `.dcm`.
    name
        Name of the result; it becomes the series description.
    maker
        The operation that made it.
    naming
        Key of the column that says what a row is about; default: the table has none.
    words
        Keys of the columns that tell rows without a segment apart, for their names; default: `naming`, else numbers.
    made
        Date and time of the object; default: now.

    Raises
    ------
    InputError
        When there is nothing to refer to, or the sources are of several patients or studies.
    MissingPackageError
        Without highdicom.
    """
    highdicom = package.require()
    place = Path(path)
    evidence = [dataset for source in sources for dataset in source.datasets]
    evidence += [found.dataset for found in segments]
    if not evidence:
        raise InputError("it was not made from DICOM images")
    if len({(str(item.get("PatientID", "")), str(item.StudyInstanceUID)) for item in evidence}) > 1:
        raise InputError("its sources are of several patients or studies")
    if not table.rows:
        raise InputError("it has no rows")
    key = _key(table, evidence, name, maker)
    groups = [
        _group(row, number, table, name, naming, words, maker, segments, uid(key, "row", str(number)))
        for number, row in enumerate(table.rows, 1)
    ]
    progress.report(0.5, f"Encoding {name} as DICOM")
    sr = highdicom.sr
    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=uid(package.MODEL, maker.version),
        name=package.MODEL,
        manufacturer_name=package.MANUFACTURER,
        model_name=package.MODEL,
    )
    with package.making("the sources cannot be referred to"):
        report = sr.MeasurementReport(
            observation_context=sr.ObservationContext(
                observer_device_context=sr.ObserverContext(
                    observer_type=sr.CodedConcept("121007", "DCM", "Device"), observer_identifying_attributes=observer
                )
            ),
            procedure_reported=sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
            imaging_measurements=groups,
            title=sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
        )
        document = sr.Comprehensive3DSR(
            evidence=evidence,
            content=report,
            series_instance_uid=uid(key, "series"),
            series_number=package.series_number(evidence[0], 2),
            sop_instance_uid=uid(key, "instance"),
            instance_number=1,
            manufacturer=package.MANUFACTURER,
            is_complete=True,
            series_description=short(name),
            manufacturer_model_name=package.MODEL,
            software_versions=maker.version,
        )
    document.CodingSchemeIdentificationSequence = [_scheme()]
    document.SpecificCharacterSet = package.UNICODE
    package.set_time(document, made)
    with appearing(place) as staged, package.making("it cannot be written"):
        document.save_as(staged, enforce_file_format=True)
    return str(document.SOPInstanceUID)


def _group(
    row: Mapping[str, Any],
    number: int,
    table: Measurements,
    name: str,
    naming: str | None,
    words: Sequence[str],
    maker: Maker,
    segments: Sequence[WrittenSegments],
    tracking: str,
) -> Any:
    """The measurements of a row, about a segment where one has its name."""
    sr = package.require().sr
    label = str(row.get(naming) or "") if naming else ""
    hits = [
        (found, item) for found in segments if label and found.series and (item := found.segment(label)) is not None
    ]
    numbers, comment = _measurements(table, row)
    about = {
        "algorithm_id": sr.AlgorithmIdentification(
            short(maker.title), short(maker.version), parameters=maker.settings() or None
        ),
        "measurements": numbers,
    }
    if len(hits) == 1:
        found, item = hits[0]
        group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=str(item.get("TrackingUID") or tracking), identifier=short(label)
            ),
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=str(found.dataset.SOPClassUID),
                sop_instance_uid=str(found.dataset.SOPInstanceUID),
                segment_number=int(item.SegmentNumber),
                source_series=sr.SourceSeriesForSegmentation(found.series),
            ),
            finding_type=sr.CodedConcept.from_dataset(item.SegmentedPropertyTypeCodeSequence[0]),
            **about,
        )
    else:
        told = ", ".join(str(row[key]) for key in words if row.get(key) not in (None, ""))
        identifier = told or label or (name if len(table.rows) == 1 else f"{name} {number}")
        group = sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=tracking, identifier=short(identifier)), **about
        )
    if comment:
        group[0].ContentSequence.append(
            sr.TextContentItem(
                name=sr.CodedConcept("121106", "DCM", "Comment"), value=comment, relationship_type="CONTAINS"
            )
        )
    return group


def _measurements(table: Measurements, row: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The numbers of a row with codes and units, and a sentence for what is missing and why.

    A number cannot be left empty: readers take the first value of every measurement.
    """
    sr = package.require().sr
    found, missing = [], dict[str, list[str]]()
    texts = {column.key for column in table.columns if column.dtype is str}
    for column in table.columns:
        if column.dtype is str:
            continue
        value = row.get(column.key)
        number = None if value is None else float(value)
        why = undefined(number)
        if why or number is None:
            missing.setdefault(why, []).append(column.key)
        else:
            # Where every row has a unit of its own it is that of its numbers, not that of counts.
            own = str(row.get("unit") or "") if "unit" in texts and column.dtype is float else ""
            found.append(
                sr.Measurement(name=concept(column), value=number, unit=unit(replace(column, unit=column.unit or own)))
            )
    words = [f"{why.capitalize()}: {', '.join(keys)}." for why, keys in missing.items()]
    return found, " ".join([*words, str(row.get("status") or "").strip()]).strip()


def _scheme() -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodingSchemeDesignator = package.SCHEME
    item.CodingSchemeName = "MedImgAnalysis column keys"
    item.CodingSchemeResponsibleOrganization = package.MANUFACTURER
    return item


def _key(table: Measurements, evidence: Sequence[Any], name: str, maker: Maker) -> str:
    """A text that is the same for the same result."""
    columns = [f"{c.key}|{c.title}|{c.unit}" for c in table.columns]
    rows = [json.dumps({k: repr(v) for k, v in row.items()}, sort_keys=True) for row in table.rows]
    instances = [str(dataset.SOPInstanceUID) for dataset in evidence]
    return uid(*instances, *columns, *rows, name, maker.name, maker.version, *maker.settings())

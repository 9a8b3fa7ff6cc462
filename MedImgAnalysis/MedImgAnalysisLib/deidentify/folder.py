"""A folder of DICOM files without their patients: new files under new names, and a report that holds no old value."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import FileError, InputError
from ..files.dicom_headers import damaged, read_dataset
from ..files.tables import FORMULA
from ..progress import SILENT, Progress
from .choices import ANNOTATED, Choices
from .dataset import Cleaner
from .forms import PIXELS
from .pixels import annotated, clear_spare_bits, cut_surplus, face
from .profile import EDITION
from .secret import Secret

REPORT = "deidentification.json"
DIRECTORY = "1.2.840.10008.1.3.10"
NO_PROMISE = (
    "Pixels were not looked at: text burned into them and faces that can be made from them stay. Names that were typed "
    "into attributes which the standard keeps are found only where they are written as in the patient's own attributes."
)


@dataclass
class Report:
    """What was done: counts by attribute and change, files left out by reason, warnings; no value of any attribute."""

    choices: Choices
    written: int = 0
    patients: dict[str, int] = field(default_factory=dict)
    studies: set[str] = field(default_factory=set)
    series: set[str] = field(default_factory=set)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        changes: dict[str, dict[str, int]] = {}
        for (attribute, what), count in sorted(self.changes.items()):
            changes.setdefault(attribute, {})[what] = count
        return {
            "medimg_deidentification": 1,
            "version": __version__,
            "profile": f"DICOM PS3.15 Annex E, basic application level confidentiality profile, table of {EDITION}",
            "dates": self.choices.dates,
            "kept_on_request": sorted(self.choices.kept) + [ANNOTATED] * self.choices.annotated,
            "files": self.written,
            "patients": dict(sorted(self.patients.items())),
            "studies": len(self.studies),
            "series": len(self.series),
            "left_out": dict(sorted(self.left_out.items())),
            "attributes": changes,
            "warnings": self.warnings,
            "not_done": NO_PROMISE,
        }


def deidentify_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    secret: Secret | None = None,
    choices: Choices | None = None,
    *,
    crosswalk: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> Report:
    """Write the images of a folder and its subfolders without their patients, with `deidentification.json`.

    The basic profile of PS3.15 annex E at every level of nesting: private attributes, names, numbers, addresses and
    free text go; UIDs are replaced so that references still fit; dates of a patient move by one number of days. Objects
    without an image (reports, plans, documents) and images that carry text are left out, and counted. A file that
    cannot be read is left out and warned of.

    Parameters
    ----------
    folder
        Any DICOM files, compressed ones too; pixels are copied as they are.
    out
        A folder that is new or empty. Files are named `<patient>/<study>/<series>/<instance>.dcm` after new UIDs.
    secret
        From which new ids, UIDs and shifts follow; with the same one another run gives the same. Default: a random one.
    choices
        What is kept, and whether dates are shifted or removed.
    crosswalk
        A new file that only the user can read, outside of `out`, which says which patient became which id.

    Raises
    ------
    FileError
        When a place cannot be used.
    InputError
        When no image was found.
    MissingPackageError
        Without dicom-anonymizer.
    """
    source, target = Path(folder), Path(out)
    if not source.is_dir():
        raise FileError(f"{source} is not a folder.", path=source)
    check_places(source, target, crosswalk)
    wanted = choices or Choices()
    work = _Work(target, Cleaner(secret or Secret.new(), wanted), Report(wanted), progress)
    files = sorted(_files(source))
    for number, path in enumerate(files):
        progress.report(number / len(files), f"{work.report.written} files written")
        progress.check()
        work.take(path)
    if not work.report.written:
        reasons = ", ".join(f"{count} {reason}" for reason, count in work.report.left_out.items())
        raise InputError(f"{source}: there is nothing to de-identify ({reasons or 'no files'}).", path=source)
    work.finish()
    (target / REPORT).write_text(json.dumps(work.report.as_data(), indent=2) + "\n", encoding="utf-8")
    if crosswalk is not None:
        _write_crosswalk(Path(crosswalk), work.crosswalk)
    return work.report


def check_places(source: Path, out: Path, crosswalk: str | os.PathLike[str] | None = None) -> None:
    """Raise `FileError` when old and new files would mix, or the crosswalk would be handed on with the results."""
    inside, outside = source.resolve(), out.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise FileError(f"{out}: the new files need a folder outside of {source}, and not around it.", path=out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileError(f"{out} holds something already; give a new or an empty folder.", path=out)
    if crosswalk is None:
        return
    place = Path(crosswalk)
    real = place.parent.resolve() / place.name
    if outside == real or outside in real.parents:
        raise FileError(
            f"{place}: the crosswalk says who the patients are; it must not lie in the folder of the results.",
            path=place,
        )
    if os.path.lexists(place):
        raise FileError(f"{place} exists already; the crosswalk is written to a new file only.", path=place)
    if not place.parent.is_dir():
        raise FileError(f"{place}: the folder {place.parent} does not exist.", path=place)


class _Work:
    """Takes file after file."""

    def __init__(self, out: Path, cleaner: Cleaner, report: Report, progress: Progress) -> None:
        self.out, self.cleaner, self.report, self.progress = out, cleaner, report, progress
        self.crosswalk: dict[str, list[str]] = {}
        self._faces: set[str] = set()
        self._kept_text: Counter[str] = Counter()
        self._owners: dict[str, set[str]] = {}
        self._spare = 0

    def take(self, path: Path) -> None:
        """De-identify one file, or count why it is left out."""
        try:
            dataset, _ = read_dataset(path)
        except (FileError, OSError) as error:
            self._leave("damaged files", f"{path}: left out: {error}")
            return
        before = self.cleaner.counts.copy()
        try:
            with warnings.catch_warnings():
                # pydicom warns of every odd value, and its words hold the value.
                warnings.simplefilter("ignore")
                if dataset is not None and not dataset.get("SOPClassUID"):
                    # Some writers leave it to the file header; what may be in the pixels depends on it.
                    dataset.SOPClassUID = dataset.file_meta.get("MediaStorageSOPClassUID") or ""
                reason = self._reason(dataset)
                if reason:
                    self._leave(reason)
                else:
                    self._write(path, dataset)
        except damaged() as error:
            self.cleaner.counts = before
            self._leave("damaged files", f"{path}: left out: the DICOM file is damaged ({type(error).__name__}).")

    def finish(self) -> None:
        """Say what cannot be promised."""
        report = self.report
        report.changes = self.cleaner.counts
        for reason, count in report.left_out.items():
            if reason.startswith(("images", "secondary")):
                self._warn(f"{count} files were left out: {reason}; keep={ANNOTATED} takes them in.")
        for reason, count in self._kept_text.items():
            self._warn(f"{count} files may show the patient's name in their pixels: {reason}. Look at them.")
        if self._faces:
            self._warn(
                f"{len(self._faces)} series may show a head: a face can be made from them. Deface them before they are "
                "given to others."
            )
        mixed = sum(len(owners) > 1 for owners in self._owners.values())
        if mixed:
            self._warn(
                f"{mixed} studies have files of several patient ids or issuers of ids, whose dates moved by different "
                "numbers of days."
            )
        if self._spare:
            self._warn(
                f"{self._spare} files had something in spare bits of their pixels or behind them; it was cleared."
            )
        if report.choices.keep:
            self._warn(
                f"{', '.join(report.choices.keep)} kept on request: free text was searched for the patient's own names "
                "and numbers only."
            )

    def _reason(self, dataset: Any) -> str:
        """Why a data set is left out; empty where it is not."""
        if dataset is None:
            return "files that are not DICOM"
        if str(dataset.get("SOPClassUID", "")) == DIRECTORY or "DirectoryRecordSequence" in dataset:
            return "DICOM directories"
        if not any(name in dataset for name in PIXELS):
            return "objects without an image"
        text = annotated(dataset)
        if text and self.report.choices.annotated:
            self._kept_text[text] += 1
            return ""
        return text

    def _write(self, path: Path, dataset: Any) -> None:
        old = [str(dataset.get(name, "") or "") for name in ("PatientID", "PatientName", "IssuerOfPatientID")]
        shows_face, identity = face(dataset), self.cleaner.identity(dataset)
        if not dataset.get("SOPInstanceUID"):
            dataset.SOPInstanceUID = self.cleaner.secret.uid(hashlib.sha256(path.read_bytes()).hexdigest())
        if clear_spare_bits(dataset) | cut_surplus(dataset):
            self._spare += 1
        patient = self.cleaner.clean(dataset)
        secret = self.cleaner.secret
        parts = [str(dataset.get(f"{name}InstanceUID", "") or "unknown") for name in ("Study", "Series", "SOP")]
        study, series, instance = (secret.name(part) for part in parts)
        place = self.out / patient / study / series / f"{instance}.dcm"
        if place.exists():
            self._leave("repeated instances")
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        _fresh_meta(dataset)
        try:
            dataset.save_as(place, enforce_file_format=True)
        except BaseException:
            place.unlink(missing_ok=True)
            for empty in place.parents[:3]:
                with contextlib.suppress(OSError):
                    empty.rmdir()
            raise
        report = self.report
        report.written += 1
        report.patients[patient] = report.patients.get(patient, 0) + 1
        report.studies.add(study)
        self._owners.setdefault(study, set()).add(patient)
        report.series.add(series)
        if shows_face:
            self._faces.add(series)
        days = str(secret.days(identity)) if report.choices.dates == "shift" else ""
        self.crosswalk.setdefault(patient, [*old, patient, days])

    def _leave(self, reason: str, sentence: str = "") -> None:
        self.report.left_out[reason] += 1
        if sentence:
            # Names of files may name patients: the user hears them, the report does not.
            self.progress.warn(sentence)

    def _warn(self, sentence: str) -> None:
        self.report.warnings.append(sentence)
        self.progress.warn(sentence)


def _fresh_meta(dataset: Any) -> None:
    """A new file header: the old one names applications and may hold private information; so may the preamble."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ImplicitVRLittleEndian

    old = dataset.file_meta
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = old.get("TransferSyntaxUID") or ImplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (path for name in names if (path := Path(place) / name).is_file())


def _write_crosswalk(path: Path, rows: dict[str, list[str]]) -> None:
    """A new csv file that only the user can read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["PatientID", "PatientName", "IssuerOfPatientID", "new PatientID", "days"])
            writer.writerows([_shielded(cell) for cell in rows[patient]] for patient in sorted(rows))
    except OSError as error:
        raise FileError(f"{path}: the crosswalk cannot be written: {error.strerror or error}.", path=path) from None


def _shielded(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula; days, which may be negative, are numbers."""
    return f"'{cell}" if cell.startswith(FORMULA) and not cell.lstrip("-").isdigit() else cell

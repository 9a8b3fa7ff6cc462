"""Cohorts from a folder of DICOM files: its series, sorted into cases and inputs by rules on their headers."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.dicom_headers import SEGMENTATION, files_below, read_dataset
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .cohort import Case, Cohort, check_inputs, checked_ids
from .ids import FORBIDDEN
from .patterns import sentence

KEYWORDS = (
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "SequenceName",
    "ImageType",
    "BodyPartExamined",
    "ContrastBolusAgent",
    "ConvolutionKernel",
    "SeriesNumber",
    "StudyDescription",
    "Manufacturer",
)
OTHERS = ("PatientID", "StudyInstanceUID", "StudyDate", "SeriesInstanceUID", "SeriesTime", "SOPClassUID", "Rows")
PICKS = ("first", "last", "most")
TERM = re.compile(r"\s*(\w+)\s*(!=|>=|=)\s*(.*?)\s*")


@dataclass
class Found:
    """One series of images: its header words, its folders and how many files it has."""

    patient: str
    study: str
    date: str
    time: str
    uid: str
    words: dict[str, str]
    folders: set[Path] = field(default_factory=set)
    files: int = 0

    def describe(self) -> str:
        """`MR 'T1 post', series 4, 120 files`."""
        words = [self.words["Modality"], repr(self.words["SeriesDescription"]), f"series {self.words['SeriesNumber']}"]
        return f"{' '.join(words)} ({self.files} file{'s' * (self.files != 1)})"


@dataclass(frozen=True)
class Rule:
    """Which series an input is: `Modality=MR, SeriesDescription=*t1*, SeriesDescription!=*post*, Files>=20, pick=last`.

    Words are compared without regard to case, `*` and `?` stand for any text and any character; `ImageType` is all its
    values with a backslash between them. `pick` says which one is taken of several that fit: the `first` or `last` in
    time and series number, or the one with `most` files; without it several are a problem of the case.
    """

    text: str
    terms: tuple[tuple[str, str, str], ...] = field(init=False)
    pick: str = field(init=False, default="")

    def __post_init__(self) -> None:
        terms, pick = [], ""
        for word in filter(str.strip, self.text.split(",")):
            found = TERM.fullmatch(word)
            key, sign, value = found.groups() if found else ("", "", "")
            known = {name.casefold(): name for name in (*KEYWORDS, "Files", "pick")}.get(key.casefold(), "")
            if known == "pick" and sign == "=" and value in PICKS:
                pick = value
            elif known == "Files" and sign == ">=" and value.isdigit():
                terms.append((known, sign, value))
            elif known in KEYWORDS and sign in ("=", "!=") and value:
                terms.append((known, sign, value.casefold()))
            else:
                raise InputError(
                    f"The rule {word.strip()!r} is not understood: write KEYWORD=TEXT or KEYWORD!=TEXT with one of "
                    f"{', '.join(KEYWORDS)}, Files>=NUMBER, or pick={'|'.join(PICKS)}."
                )
        if not terms:
            raise InputError(f"The rule {self.text!r} says nothing about the series.")
        object.__setattr__(self, "terms", tuple(terms))
        object.__setattr__(self, "pick", pick)

    def fits(self, series: Found) -> bool:
        """Whether a series is meant."""
        for key, sign, value in self.terms:
            if key == "Files":
                if series.files < int(value):
                    return False
            elif fnmatch.fnmatchcase(series.words[key].casefold(), value) != (sign == "="):
                return False
        return True

    def choose(self, series: list[Found]) -> Found | None:
        """The one that is taken of those that fit; None when several do and none is picked."""
        if len(series) <= 1 or not self.pick:
            return series[0] if len(series) == 1 else None
        if self.pick == "most":
            most = max(one.files for one in series)
            fullest = [one for one in series if one.files == most]
            return fullest[0] if len(fullest) == 1 else None
        ordered = sorted(series, key=lambda one: (one.date, one.time, _number(one.words["SeriesNumber"]), one.uid))
        return ordered[0 if self.pick == "first" else -1]


def series_below(folder: Path, progress: Progress = SILENT) -> list[Found]:
    """All image series below a folder. Files are read as far as their pixels; what is no DICOM image is left out."""
    found: dict[tuple[str, str], Found] = {}
    tags = [*KEYWORDS, *OTHERS]
    for number, path in enumerate(files_below(folder)):
        if number % 50 == 0:
            progress.report(0.0, f"{number} files looked at")
        dataset, _ = read_dataset(path, pixels=False, tags=tags)
        if dataset is None or "Rows" not in dataset or str(dataset.get("SOPClassUID", "")) in SEGMENTATION:
            continue
        text = {key: _text(dataset.get(key)) for key in tags}
        if not text["SeriesInstanceUID"]:
            continue
        one = found.setdefault(
            (text["StudyInstanceUID"], text["SeriesInstanceUID"]),
            Found(
                text["PatientID"],
                text["StudyInstanceUID"],
                text["StudyDate"],
                text["SeriesTime"],
                text["SeriesInstanceUID"],
                {key: text[key] for key in KEYWORDS},
            ),
        )
        one.folders.add(path.parent)
        one.files += 1
    return list(found.values())


def from_dicom(
    folder: str | Path, rules: Mapping[str, str], recipe: Recipe, *, by: str = "study", progress: Progress = SILENT
) -> Cohort:
    """The cases in a folder of DICOM files in any order.

    Parameters
    ----------
    folder
        Is searched with all folders below.
    rules
        A `Rule` for each recipe input.
    recipe
        Whose inputs they are.
    by
        A case is a `study`, or a `patient` with all studies.

    Returns
    -------
    Cohort
        Ids are made of PatientID and, where a patient has several studies, the study date. `patient` and `study_date`
        are carried into the results. A case in which no series, or more than one, fits an input that is needed or
        named by a rule with several fits carries a `problem` that lists them. A study in which nothing fits any rule
        is no case.

    Raises
    ------
    InputError
        For a wrong rule, a rule that no series fits, a needed input without one, or when there are no cases.
    """
    folder = Path(folder).absolute()
    if by not in ("study", "patient"):
        raise InputError(f"Cases are made by study or patient, not by {by!r}.")
    made = {name: Rule(text) for name, text in rules.items()}
    check_inputs(made, recipe, "rule")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", path=folder)
    every = series_below(folder, progress)
    if not every:
        raise InputError(f"There are no DICOM images below {folder}.", path=folder)
    crowd = Counter(place for one in every for place in one.folders)
    groups: dict[tuple[str, str], list[Found]] = {}
    for one in every:
        groups.setdefault((one.patient or one.study, one.study if by == "study" else ""), []).append(one)
    groups = {key: group for key, group in groups.items() if any(r.fits(s) for r in made.values() for s in group)}
    some = "; ".join(one.describe() for one in every[:10])
    if not groups:
        raise InputError(f"None of the {len(every)} series below {folder} fits a rule. There are: {some}.", path=folder)
    for name, rule in made.items():
        if not any(rule.fits(one) for one in every):
            raise InputError(f"No series below {folder} fits the rule of {name!r}. There are: {some}.", input=name)
    ids = _ids(groups)
    cases = []
    for key, group in sorted(groups.items(), key=lambda item: ids[item[0]]):
        inputs, problems = dict[str, str](), list[str]()
        for name, rule in made.items():
            fitting = [one for one in group if rule.fits(one)]
            chosen = rule.choose(fitting)
            if chosen is not None:
                inputs[name] = _path(chosen, crowd)
            elif fitting:
                some = "; ".join(one.describe() for one in fitting[:5])
                problems.append(f"{len(fitting)} series fit the input {name!r}: {some}; narrow its rule or add pick=")
            elif name in recipe.needed():
                problems.append(f"no series fits the input {name!r}")
        carried = {"patient": group[0].patient, "study_date": min(one.date for one in group)}
        cases.append((f"study {group[0].study}", Case(ids[key], inputs, carried, sentence(problems))))
    return Cohort(checked_ids(cases), ("patient", "study_date"))


def _ids(groups: Mapping[tuple[str, str], list[Found]]) -> dict[tuple[str, str], str]:
    """A folder name for each case: the patient, the date where that is not enough, then a bit of the UID."""
    patients = Counter(patient for patient, _ in groups)
    days = Counter((patient, groups[patient, study][0].date) for patient, study in groups)
    found, used = {}, set[str]()
    for patient, study in sorted(groups):
        date = groups[patient, study][0].date
        words = [patient] + [date] * (patients[patient] > 1 and bool(date))
        words += [_digest(study)] * (patients[patient] > 1 and (not date or days[patient, date] > 1))
        name = FORBIDDEN.sub("_", "_".join(words)).strip(" .") or _digest(study)
        if name.casefold() in used:  # patients whose names differ in what a folder cannot have
            name = f"{name}_{_digest(patient + study)}"
        used.add(name.casefold())
        found[patient, study] = name
    return found


def _path(series: Found, crowd: Mapping[Path, int]) -> str:
    """The folder of a series; `folder#uid` when others lie in it or below."""
    folder = Path(os.path.commonpath(series.folders))
    inside = sum(count for place, count in crowd.items() if place == folder or folder in place.parents)
    return str(folder) if inside == len(series.folders) else f"{folder}#{series.uid}"


def _text(value: Any) -> str:
    many = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return "\\".join("" if one is None else str(one).strip() for one in many)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]

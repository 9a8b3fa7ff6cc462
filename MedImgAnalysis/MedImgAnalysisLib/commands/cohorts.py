"""How a command is told its cohort: a CSV file, a pattern per input, or rules for the series of a DICOM folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..progress import SILENT, Progress
from ..recipe import Recipe
from .arguments import UsageError, bound, single

if TYPE_CHECKING:
    from ..batch.cohort import Cohort

HELP = """The cases come from one of three places:
  COHORT.csv           a column id (else the first column is it), a column per recipe input with files relative to
                       the folder of the CSV file, and any other columns, which are carried into the results;
  --in NAME=PATTERN    a pattern per input, such as 't1=study/{subject}/{visit}/t1*.nii.gz'; files whose named parts
                       agree are a case;
  --from-dicom FOLDER --in NAME=RULE
                       a rule per input, such as 't1=Modality=MR, SeriesDescription=*t1*, pick=last'; each study (or
                       patient) is a case.
"""


def add_cohort(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cohort", metavar="COHORT.csv", nargs="?")
    parser.add_argument(
        "--in",
        dest="inputs",
        metavar="NAME=PATTERN|RULE",
        action="append",
        default=[],
        help="where the files of an input lie, or which DICOM series it is; repeat for more",
    )
    parser.add_argument("--from-dicom", metavar="FOLDER", help="take the series of a folder of DICOM files")
    parser.add_argument(
        "--case-by", choices=("study", "patient"), help="what a case is with --from-dicom; default: study"
    )
    parser.add_argument("--id", metavar="FORMAT", help="names of the cases of patterns, such as '{subject}-{visit}'")


def cohort_of(options: argparse.Namespace, recipe: Recipe, progress: Progress = SILENT) -> Cohort:
    """The cohort that the arguments name."""
    from ..batch import cohort, dicom_cohort, patterns

    if (options.cohort is None) != bool(options.inputs or options.from_dicom):
        raise UsageError(
            "Give COHORT.csv, or --in NAME=PATTERN for the inputs, or --from-dicom FOLDER with --in NAME=RULE."
        )
    if options.id and (options.from_dicom or options.cohort):
        raise UsageError("--id names the cases of patterns; it goes with --in NAME=PATTERN alone.")
    if options.case_by and not options.from_dicom:
        raise UsageError("--case-by goes with --from-dicom.")
    if options.cohort is not None:
        return cohort.load(options.cohort, recipe)
    names = list(recipe.inputs)
    given: dict[str, Any] = single(bound(options.inputs, names, "--in", names[0] if len(names) == 1 else None), "--in")
    if options.from_dicom:
        return dicom_cohort.from_dicom(
            options.from_dicom, given, recipe, by=options.case_by or "study", progress=progress
        )
    return patterns.from_patterns(given, recipe, case_id=options.id or "", progress=progress)

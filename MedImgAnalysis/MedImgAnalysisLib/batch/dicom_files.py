"""Which results of a recipe become DICOM objects, and which inputs they refer to.

Segments go onto the slices of a DICOM image that they were computed from, tables to the images behind them and to the
segments beside or before them. What cannot be referred to for certain is not written, and the reason is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from .. import __version__, catalog, dicom_out
from ..dicom_out import Maker, Source, WrittenSegments
from ..errors import FileError, GeometryError, InputError
from ..files.paths import split_part
from ..frames import Frames
from ..progress import SILENT, Progress
from ..recipe import Recipe, Step
from ..values import Labels

SEGMENT_NAMES = ("segment", "label", "region", "structure")
"""Of the columns that name rows those whose rows are about segments."""
KINDS = ("mask", "labels", "table")
"""The kinds of results that have a form in DICOM."""


def wanted(recipe: Recipe, outputs: Mapping[str, Any]) -> list[str]:
    """The results that have a form in DICOM, segments before tables."""
    kinds = recipe.kinds()
    names = [name for name, value in outputs.items() if value is not None and kinds[name] in KINDS]
    return sorted(names, key=lambda name: kinds[name] == "table")


def write(
    recipe: Recipe,
    paths: Mapping[str, str | Path],
    values: Mapping[str, Any],
    outputs: Mapping[str, Any],
    targets: Mapping[str, Path],
    *,
    titles: Mapping[str, str] | None = None,
    strict: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Path]:
    """Write results as DICOM objects and return the files by name.

    Parameters
    ----------
    recipe
        What made them.
    paths, values
        The inputs by name, where they were read from and what was read.
    outputs
        The results by name.
    targets
        The file of each result that is wanted.
    titles
        What a result is called in DICOM, where that is not its name.
    strict
        Raise `FileError` for what cannot be written; otherwise it is warned of.

    Raises
    ------
    MissingPackageError
        Without highdicom.
    """
    dicom_out.require()
    case = _Case(recipe, paths, values, titles or {}, progress)
    written: dict[str, Path] = {}
    for name in wanted(recipe, outputs):
        if name not in targets:
            continue
        progress.check()
        table = recipe.kinds()[name] == "table"
        try:
            (case.report if table else case.segments)(name, outputs[name], targets[name])
            written[name] = targets[name]
        except InputError as error:
            what = "report" if table else "segmentation"
            reason = f"no DICOM {what} is written: {str(error).removesuffix('.')}"
            if strict:
                raise FileError(f"{targets[name]}: {reason}.", path=targets[name]) from error
            progress.warn(f"{name}: {reason}.")
    return written


class _Case:
    """The inputs as DICOM sources, read when they are needed, and the segments that were written."""

    def __init__(
        self,
        recipe: Recipe,
        paths: Mapping[str, str | Path],
        values: Mapping[str, Any],
        titles: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._recipe, self._paths, self._values, self._progress = recipe, paths, values, progress
        self._titles = titles
        self._sources: dict[str, Source] = {}
        self._written: dict[str, WrittenSegments] = {}
        self._steps = {name: s for s in recipe.steps if s.enabled for name in s.outputs.values()}

    def segments(self, name: str, value: Any, path: Path) -> None:
        """Write a segmentation object."""
        if isinstance(value, Frames):
            raise InputError("it has several frames")
        title = self._titles.get(name, name)
        labels = Labels.from_masks([(title, value)]) if isinstance(value, sitk.Image) else value
        source = self._fitting(name, labels)
        self._written[name] = dicom_out.write_segments(
            labels, source, path, name=title, maker=_maker(self._steps[name]), progress=self._progress
        )

    def report(self, name: str, value: Any, path: Path) -> None:
        """Write a structured report."""
        from .results import ROW_NAMES, naming_of

        step = self._steps[name]
        sources = [self._source(one) for one in self._images(name)]
        near = [*step.outputs.values(), *step.sources]
        naming = next((c.key for c in value.columns if c.key in ROW_NAMES and c.dtype is str), None)
        segments = [found for one in near if (found := self._segmentation(one)) is not None]
        dicom_out.write_report(
            value,
            sources,
            segments if naming in SEGMENT_NAMES else [],
            path,
            name=self._titles.get(name, name),
            maker=_maker(step),
            naming=naming,
            words=naming_of([column.key for column in value.columns]),
            progress=self._progress,
        )

    def _fitting(self, name: str, labels: Labels) -> Source:
        """The DICOM image on whose slices the segments lie."""
        fits: list[Source] = []
        reasons: list[str] = []
        for one in self._images(name):
            source = self._source(one)
            try:
                source.placed(sitk.GetArrayViewFromImage(labels.layers[0]), labels.grid)
                fits.append(source)
            except GeometryError as error:
                reasons.append(str(error))
        if not fits:
            raise InputError("; ".join(dict.fromkeys(reasons)) or "it was not made from a DICOM image")
        if len({str(source.datasets[0].FrameOfReferenceUID) for source in fits}) > 1:
            names = " and ".join(repr(source.name) for source in fits)
            raise InputError(f"it fits the slices of {names}, which have different frames of reference")
        return fits[0]

    def _images(self, name: str) -> list[str]:
        """The DICOM images that a result was computed from, those of its own step first."""
        found: list[str] = []
        todo: list[str] = [name]
        while todo:
            one = todo.pop(0)
            if one in self._steps:
                todo += [source for source in self._steps[one].sources if source not in (*todo, *found)]
            if one not in found:
                found.append(one)
        kinds = self._recipe.inputs
        return [
            one
            for one in found
            if one in self._values and kinds[one] in ("image", "frames") and dicom_out.is_dicom(self._paths[one])
        ]

    def _source(self, name: str) -> Source:
        if name not in self._sources:
            self._sources[name] = dicom_out.source_of(self._paths[name], self._values[name], name, self._progress)
        return self._sources[name]

    def _segmentation(self, name: str) -> WrittenSegments | None:
        """The segmentation object of a result, or of an input that is one."""
        if name not in self._written and self._recipe.inputs.get(name) in ("labels", "mask") and name in self._values:
            place, _ = split_part(self._paths[name])
            if place.is_file() and dicom_out.is_dicom(place):
                self._written[name] = dicom_out.read_segments(place, name)
        return self._written.get(name)


def _maker(step: Step) -> Maker:
    operation = catalog.find(step.operation).from_parameters(step.parameters)
    version = f"{__version__} revision {operation.revision}"
    return Maker(operation.name, operation.title, operation.group, version, operation.values())


def targets_in(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """`<name>.dcm` for each result."""
    return {name: folder / f"{name}.dcm" for name in names}

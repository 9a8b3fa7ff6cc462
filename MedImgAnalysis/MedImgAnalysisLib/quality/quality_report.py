"""Everything that can be told of an image in one run, for a phantom or a patient."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import Cancelled, InputError
from ..geometry import image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Labels, Measurements
from .arrays import count_nonfinite, region, segment_named, warn_nonfinite
from .body import body_mask
from .compare_images import CompareImages
from .low_contrast import LowContrast
from .measure_mr_quality import MeasureMrQuality
from .measure_signal import MeasureSignal
from .modulation_transfer import ModulationTransfer
from .noise_power_spectrum import NoisePowerSpectrum
from .uniformity import Uniformity

COLUMNS = (
    Column("section", "Section", "", "What kind of measurement", str),
    Column("subject", "Of", "", "Region, pair, slice or target", str),
    Column("key", "Key", "", "Column of the operation that measures it", str),
    Column("title", "Measure", "", "What people read", str),
    Column("value", "Value", "", "The number, in the unit beside it"),
    Column("unit", "Unit", "", "Unit of the value", str),
    Column("description", "Definition", "", "Formula or meaning", str),
    Column("warnings", "Warnings", "", "What makes the number doubtful, as words", str),
    Column("status", "Status", "", "Why a number is missing", str),
)
SUBJECTS = ("segment", "segment_1", "segment_2", "slice", "target", "diameter_mm")
USUAL = {
    "uniform": ("uniform", "water"),
    "edge": ("edge", "slanted edge"),
    "disk": ("disk", "rod", "cylinder"),
    "wire": ("wire", "bead"),
    "background": ("background",),
    "air": ("air",),
}
"""Segment names that stand for a use when no other name is given."""


class Report(NamedTuple):
    """Outputs of `quality_report` by role."""

    table: Measurements
    noise: Curves
    transfer: Curves
    labels: Labels


@dataclass(frozen=True)
class QualityReport(Operation):
    """Measure all that applies to an image, for a phantom or a patient, as one table with curves.

    The definitions are those of the single operations: `measure_signal` for every region; for a phantom
    `uniformity`, `noise_power_spectrum` in the uniform region, `modulation_transfer` of edge, disk and wire, and
    `low_contrast` of every other region against the background; for a patient `measure_mr_quality`; and
    `compare_images` where a reference is given. What a region is for is told by its name: Uniform, Edge, Disk, Wire,
    Background, Air (in any case), or by the parameters. A part that cannot be measured has a row that says why.

    Inputs
    ------
    image
        Image of a phantom or a patient.
    regions
        Regions, whose names tell what they are for.
    repeat
        Second scan with the same settings, for noise by difference.
    reference
        Image that this one is compared with.

    Outputs
    -------
    table
        One row per number.
    noise
        Noise power spectrum.
    transfer
        Modulation transfer functions.
    labels
        Regions that were used; head and air of a patient, or the phantom, where none were given.

    Parameters
    ----------
    subject
        What was scanned.
    uniform
        Segment of the uniform region; empty: the one named Uniform or Water.
    edge
        Segment around a slanted edge; empty: the one named Edge.
    disk
        Segment of a rod; empty: the one named Disk, Rod or Cylinder.
    wire
        Segment around a wire; empty: the one named Wire or Bead.
    background
        Segment around faint objects; empty: the one named Background.
    air
        Segment in air; empty: the one named Air.
    disk_margin_mm
        How far around the segment of the rod its surroundings are taken along.
    data_range
        Range of the values for PSNR and SSIM; if not set, that of the reference.
    """

    name: ClassVar[str] = "quality_report"
    title: ClassVar[str] = "Quality report"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 6.25
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {"Phantom": {"subject": "phantom"}, "Patient": {"subject": "patient"}}

    subject: Annotated[str, Choice("patient", "phantom")] = "patient"
    uniform: str = ""
    edge: str = ""
    disk: str = ""
    wire: str = ""
    background: str = ""
    air: str = ""
    disk_margin_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 8.0
    data_range: Annotated[float | None, Quantity("", low=1e-12)] = None

    def run(
        self,
        image: Image,
        regions: Labels | None = None,
        repeat: Image | None = None,
        reference: Image | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Report:
        progress.report(0.0, "Quality report")
        array = sitk.GetArrayViewFromImage(image)
        warn_nonfinite(count_nonfinite(array, None, progress), "image", progress)
        uses = {use: segment_named(regions, getattr(self, use), *names) for use, names in USUAL.items()}
        parts = [*self._signal(regions, uses), *self._of_phantom(image, regions, repeat, uses, progress)]
        parts += [] if self.subject == "phantom" else [("MR quality", MeasureMrQuality(), {})]
        if reference is not None:
            parts.append(("Comparison", CompareImages(data_range=self.data_range), {"reference": reference}))
        rows: list[dict[str, Any]] = []
        results: dict[str, Any] = {}
        for number, (section, operation, inputs) in enumerate(parts):
            step = progress.part(number / len(parts), (number + 1) / len(parts))
            step.report(0.0, section)
            if operation is None:
                rows.append(_left_out(section, inputs["reason"], "no_segment"))
                continue
            own: dict[str, Any] = {"test": image} if section == "Comparison" else {"image": image}
            if section in ("Signal", "Noise power"):
                own["repeat"] = repeat
            try:
                result = operation.run(**own, **inputs, progress=step)
            except Cancelled:
                raise
            except InputError as error:
                progress.warn(f"{section}: {error}")
                rows.append(_left_out(section, str(error), "refused"))
                continue
            results[f"{section} {operation.target}" if section == "Resolution" else section] = result
            rows += _rows(section, operation.named(result))
        labels = regions if regions is not None else self._found(image, results, progress)
        progress.report(1.0)
        return Report(Measurements(COLUMNS, tuple(rows)), _noise(results), _transfer(results), labels)

    def _signal(self, regions: Labels | None, uses: dict[str, str | None]) -> list[tuple[str, Any, dict]]:
        if regions is None or not regions.segments:
            return []
        operation = MeasureSignal(air=uses["air"] or "", background=uses["background"] or "")
        return [("Signal", operation, {"regions": regions})]

    def _of_phantom(
        self,
        image: sitk.Image,
        regions: Labels | None,
        repeat: sitk.Image | None,
        uses: dict[str, str | None],
        progress: Progress,
    ) -> list[tuple[str, Any, dict]]:
        """Section, operation (None: left out) and its inputs."""
        if self.subject != "phantom":
            return []
        parts: list[tuple[str, Any, dict]] = []

        def mask_of(use: str) -> sitk.Image | None:
            key = uses[use]
            if regions is None or key is None:
                return None
            return image_like(region(regions, key, image, progress).view(np.uint8), image)

        flat = mask_of("uniform")
        if flat is not None or regions is None:
            parts.append(("Uniformity", Uniformity(), {"mask": flat}))
        else:
            parts.append(("Uniformity", None, {"reason": "There are regions, but no segment named Uniform."}))
        if flat is not None or repeat is not None:
            parts.append(("Noise power", NoisePowerSpectrum(), {"mask": flat}))
        else:
            parts.append(("Noise power", None, {"reason": "There is no segment named Uniform and no repeat scan."}))
        targets = [target for target in ("edge", "disk", "wire") if uses[target]]
        for target in targets:
            margin = self.disk_margin_mm if target == "disk" else 0.0
            parts.append(("Resolution", ModulationTransfer(target=target, margin_mm=margin), {"mask": mask_of(target)}))
        if not targets:
            parts.append(("Resolution", None, {"reason": "There is no segment named Edge, Disk or Wire."}))
        others = [s for s in (regions.segments if regions else ()) if s.id not in set(uses.values())]
        key = uses["background"]
        if regions is not None and key and others:
            faint = Labels(regions.layers, (*others, regions.find(key)))
            parts.append(("Low contrast", LowContrast(background=key), {"regions": faint}))
        else:
            parts.append(("Low contrast", None, {"reason": "There is no segment named Background with objects in it."}))
        return parts

    def _found(self, image: sitk.Image, results: dict[str, Any], progress: Progress) -> Labels:
        if "MR quality" in results:
            return results["MR quality"].labels
        mask = body_mask(image, progress.part(1.0, 1.0))
        inside = np.zeros(image.GetSize()[::-1], bool) if mask is None else mask
        return Labels.from_masks([("Phantom", image_like(inside.view(np.uint8), image))])


def _left_out(section: str, reason: str, status: str) -> dict[str, Any]:
    return {"section": section, "title": "Not measured", "description": reason, "value": math.nan, "status": status}


def _rows(section: str, outputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row per number of the tables of an operation."""
    for table in outputs.values():
        if not isinstance(table, Measurements):
            continue
        named = [c for c in table.columns if c.key in SUBJECTS]
        if any(c.dtype is str for c in named):
            named = [c for c in named if c.dtype is str]
        for row in table.rows:
            subject = " / ".join(_text(row[c.key], c) for c in named if row.get(c.key) is not None)
            for column in table.columns:
                value = row.get(column.key)
                if column.dtype is str or column in named or value is None:
                    continue
                if column.key == "n_nonfinite" and not value:
                    continue
                number = float(value)
                status = reason_of(row.get("status", ""), column.key) if math.isnan(number) else ""
                yield {
                    "section": section, "subject": subject, "key": column.key, "title": column.title,
                    "value": number, "unit": column.unit, "description": column.description,
                    "warnings": row.get("warnings", ""), "status": status,
                }  # fmt: skip


def _text(value: Any, column: Column) -> str:
    if column.dtype is str:
        return str(value)
    return f"{column.title} {value:g}{' ' + column.unit if column.unit else ''}"


def reason_of(status: str, key: str) -> str:
    """The reason of one key in a status such as `zero_variance (snr_roi, ncc); identical (psnr)`."""
    for reason, keys in re.findall(r"(\w+) \(([^)]*)\)", status):
        if key in keys.split(", "):
            return str(reason)
    return status


def _noise(results: dict[str, Any]) -> Curves:
    if "Noise power" in results:
        return results["Noise power"].curves
    return Curves("Noise power spectrum", "Spatial frequency", "NPS", (), "lp/mm", "intensity2 mm2")


def _transfer(results: dict[str, Any]) -> Curves:
    series = [
        Curve(f"{name.removeprefix('Resolution ').capitalize()}, {curve.name.lower()}", curve.x, curve.y)
        for name, result in results.items()
        if name.startswith("Resolution")
        for curve in result.curves.series
    ]
    return Curves("Modulation transfer", "Spatial frequency", "MTF", tuple(series), "lp/mm")

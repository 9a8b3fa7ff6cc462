"""DICOM images: a series in a folder, or one file.

`folder#key` chooses a series by its UID (or the end of it), its number or its description; `folder#0`
chooses a volume of a series with several; `folder#key#0` both.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import SimpleITK as sitk

from ..errors import FileError
from ..frames import Frames
from ..progress import SILENT, Progress
from .dicom_headers import Scan, Series, Slice, scan
from .dicom_pixels import Pixels
from .dicom_stack import build, one_orientation, split_volumes
from .header import FrameAxis


def read_image(place: Path, part: str | None = None, progress: Progress = SILENT) -> sitk.Image | Frames:
    """The volume of a DICOM series, the frames of one with several (time points, echoes), or the volume chosen."""
    volumes, number = volumes_in(place, part, progress)
    if number is None and len(volumes) > 1:
        step, pixels = 0.7 / len(volumes), Pixels()
        images = [
            build(place, slices, pixels, progress.part(0.3 + n * step, 0.3 + (n + 1) * step))
            for n, slices in enumerate(volumes)
        ]
        axis = _frame_axis(volumes)
        return Frames(tuple(images), axis.positions, axis.title, axis.unit)
    if not 0 <= (number or 0) < len(volumes):
        raise FileError(f"{place}: there is no volume {number}; there are 0 to {len(volumes) - 1}.", path=place)
    return build(place, volumes[number or 0], Pixels(), progress.part(0.3, 1.0))


def _frame_axis(volumes: list[list[Slice]]) -> FrameAxis:
    """Trigger times or acquisition times of the first slices, from the first volume on, where they rise."""
    for of, title, unit in ((lambda s: s.trigger_ms, "trigger time", "ms"), (lambda s: s.acquired_s, "time", "s")):
        times = [of(slices[0]) for slices in volumes]
        if None not in times and all(b > a for a, b in pairwise(times)):
            return FrameAxis(tuple(round(time - times[0], 6) for time in times), title, unit)
    return FrameAxis()


def volumes_in(place: Path, part: str | None, progress: Progress) -> tuple[list[list[Slice]], int | None]:
    """The slices of every volume of the series that `part` names, and the number of the volume that it names."""
    found = scan(place, progress.part(0.0, 0.3))
    if not found.series:
        raise FileError(_nothing(place, found), path=place)
    if found.bare:
        more = f" and {len(found.bare) - 1} more" * (len(found.bare) > 1)
        progress.warn(f"{place.name}: no DICOM preamble in {found.bare[0]}{more}; read nevertheless.")
    series, number = _choose(place, found, part)
    progress.report(
        0.3,
        f"{len(series.slices)} slices; ignored {found.foreign} files that are not DICOM and "
        f"{found.without_image} DICOM files without an image",
    )
    if not any(s.position for s in series.slices) and len({s.path for s in series.slices}) == 1:
        # Frames without a place, as of ultrasound: a sequence of single slices.
        return [[one] for one in series.slices], number
    return split_volumes(place, one_orientation(place, series.slices, progress), progress), number


def _nothing(place: Path, found: Scan) -> str:
    if place.is_file():
        what = "a DICOM file without an image" if found.without_image else "not a DICOM file"
        return f"{place}: this is {what}."
    return (
        f"{place}: there is no DICOM image in this folder ({found.foreign} files are not DICOM, "
        f"{found.without_image} are DICOM files without an image)."
    )


def _choose(place: Path, found: Scan, part: str | None) -> tuple[Series, int | None]:
    """The series that `part` names, and the number of a volume where `part` ends in one."""
    many = list(found.series.values())
    keys = part.split("#") if part else []
    number: int | None = None
    if keys and keys[-1].isdigit() and (len(keys) > 1 or len(many) == 1):
        number = int(keys.pop())
    if not keys:
        if len(many) == 1:
            return many[0], number
        raise FileError(
            f"{place}: the folder holds {len(many)} series; choose one as {place.name}#UID (its end, the "
            f"series number or the description will do). There are: {_listed(many)}.",
            path=place,
            series=[series.uid for series in many],
        )
    chosen = _matching(many, keys[0])
    if len(chosen) == 1:
        return chosen[0], number
    raise FileError(
        f"{place}: {len(chosen) or 'no'} series match {keys[0]!r}. There are: {_listed(chosen or many)}.",
        path=place,
        series=[series.uid for series in many],
    )


def _listed(many: list[Series]) -> str:
    rest = f"; and {len(many) - 10} more" if len(many) > 10 else ""
    return "; ".join(series.describe() for series in many[:10]) + rest


def _matching(many: list[Series], key: str) -> list[Series]:
    """Series by UID, end of the UID, number, description, modality, or a word of the description."""
    word = key.casefold()
    for fits in (
        lambda s: s.uid == key,
        lambda s: s.uid.endswith("." + key.lstrip(".")),
        lambda s: s.number == key,
        lambda s: s.description.casefold() == word,
        lambda s: s.modality.casefold() == word,
        lambda s: bool(word) and word in s.description.casefold(),
    ):
        chosen = [series for series in many if fits(series)]
        if chosen:
            return chosen
    return []

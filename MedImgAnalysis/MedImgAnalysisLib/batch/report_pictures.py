"""The pictures of a report: as many per case as keep the page small."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from .report_cases import address
from .results import CaseResult
from .thumbnails import data_uri

PAGE_BYTES = 48_000_000
"""The whole page stays below this."""
PER_CASE = (12, 9, 6, 3, 2, 1)
LINKS = 3
"""So many links stand for the pictures where there is no room for one of each case."""
SAMPLE = 12
MARGIN = 1.2
"""The other cases may have somewhat larger pictures than those of the sample."""


def names_of(case: CaseResult) -> list[str]:
    """The pictures of slices that were taken of a case, relative to its folder; what lies elsewhere is none of them."""
    names = [Path(str(name)) for name in (case.record or {}).get("snapshots", [])]
    return [name.as_posix() for name in names if not name.is_absolute() and ".." not in name.parts]


def pictures(folder: Path, cases: Sequence[CaseResult], room: int) -> tuple[list[str], str]:
    """The picture cell of every case, and a sentence about what is shown.

    All cases show the same number of pictures, the first ones in the order of the outputs of the recipe: as many as
    fit into `room` characters. Pictures that do not fit are links.
    """
    if not any(map(names_of, cases)):
        return [""] * len(cases), ""
    count = _per_case(folder, cases, room)
    cells, left = [], 0
    for case in cases:
        cell, missing = _cell(folder, case, count, room)
        room -= sum(map(len, cell))
        left += missing
        cells.append(f'<td class="wide{"" if cell else " empty"}">{"".join(cell)}</td>')
    most = max(len(names_of(case)) for case in cases)
    words = (
        "Pictures are slice views: axial and coronal with the right side of the patient on the left, sagittal with the "
        "front on the left. Along each axis it is the slice in which the segmentation has its largest area, or the "
        "middle of the image where there is none. A click opens the picture in full size."
    )
    if count < most:
        words += f" Of up to {most} pictures per case {count or 'none'} are shown here, the others are in the folders."
    if left and count:
        words += f" For {left} pictures there was no room or no file: they are links."
    return cells, words


def _per_case(folder: Path, cases: Sequence[CaseResult], room: int) -> int:
    """How many pictures each case can show, judged from a sample spread over the cohort."""
    having = [case for case in cases if names_of(case)]
    sample = having[:: max(1, len(having) // SAMPLE)]
    sizes = [
        len(small) for case in sample for name in names_of(case)[:3] if (small := data_uri(folder / case.id / name))
    ]
    if not sizes:
        return PER_CASE[0]
    one = MARGIN * (sum(sizes) / len(sizes) + 200) * len(having)
    return next((count for count in PER_CASE if one * min(count, max(map(len, map(names_of, having)))) <= room), 0)


def _cell(folder: Path, case: CaseResult, count: int, room: int) -> tuple[list[str], int]:
    links, missing = [], 0
    for name in names_of(case)[: count or LINKS]:
        small = data_uri(folder / case.id / name) if count else None
        alt = escape(Path(name).stem)
        if small is None or len(small) > room:
            missing += 1
            inner = alt
        else:
            room -= len(small)
            inner = f'<img src="{small}" alt="{alt}" title="{alt}" loading="lazy" decoding="async">'
        links.append(f'<a href="{address(case, name)}">{inner}</a>')
    return (['<div class="pictures">', *links, "</div>"], missing) if links else ([], 0)

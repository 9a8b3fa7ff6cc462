"""What a run gave, as one HTML file: its inputs and parameters, a picture, plots and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..files.paths import appearing
from ..geometry import Grid, image_like
from ..operation import Operation
from ..values import PALETTE, Frames, Labels
from . import plane_pictures, registration_pictures
from .layers import Draw
from .quality_page import quality_page
from .registration_pictures import aligned_of
from .slice_pictures import mask_on

MARGIN = 8
"""Voxels around the segments of a picture that has no image."""


def write_result_page(
    path: Path,
    operation: Operation,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    draw: Draw = plane_pictures.draw,
) -> Path:
    """Write `result_page` to a file that appears when it is complete."""
    text = result_page(operation, inputs, outputs, names=names, warnings=warnings, draw=draw)
    with appearing(Path(path)) as place:
        place.write_text(text, encoding="utf-8")
    return Path(path)


def result_page(
    operation: Operation,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    draw: Draw = plane_pictures.draw,
) -> str:
    """The page of one run.

    A registration, its evaluation and an applied transform are shown before and after, see `registration_pictures`.

    Parameters
    ----------
    operation
        With its parameters, which the page lists.
    inputs, outputs
        Values by role. The picture is of the first image, with the outlines of the segments that came out, else of
        those that went in; without an image, of the segments alone.
    names
        What the inputs are called, by role.
    warnings
        Sentences of the run.
    draw
        Draws slices of volumes.
    """
    first = next(iter((names or {}).values()), "")
    title = f"{operation.title}: {first}" if first else operation.title
    given = [(f"Input {role}", name) for role, name in (names or {}).items()]
    given += [(name, _plain(value)) for name, value in operation.values().items()]
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in given)
    aligned = aligned_of(inputs, outputs)
    image, labels = _picture(inputs, outputs) if aligned is None else (None, None)
    figures = "" if aligned is None else registration_pictures.figures(aligned, draw)
    notes = f'<h2>Inputs and parameters</h2><div class="card"><table><tbody>{lines}</tbody></table></div>'
    return quality_page(outputs, image, regions=labels, title=title, warnings=warnings, notes=notes, figures=figures)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value) or "not set"


def _picture(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> tuple[sitk.Image | None, Labels | None]:
    """What to show: an image and outlines on it."""
    # Of several frames the page shows the first one; numbers and curves are those of all.
    inputs, outputs = ({role: _first(value) for role, value in given.items()} for given in (inputs, outputs))
    made = next((value for value in outputs.values() if isinstance(value, Labels)), None)
    flat = [(role, item) for role, value in inputs.items()
            for item in (value if isinstance(value, (list, tuple)) else [value])]  # fmt: skip
    image = next((value for _, value in flat if isinstance(value, sitk.Image)), None)
    drawn = [(role, value) for role, value in flat if isinstance(value, Labels)]
    if image is not None or not drawn:
        return image, made or (drawn[0][1] if drawn else None)
    return _silhouettes(drawn, made)


def _first(value: Any) -> Any:
    return value.values[0] if isinstance(value, Frames) else value


def _silhouettes(drawn: Sequence[tuple[str, Labels]], made: Labels | None) -> tuple[sitk.Image, Labels]:
    """Segmentations as grey shadows, the lighter the more of them agree; an outline for each or those that came out."""
    grid = _around(drawn)
    masks = []
    for number, (role, labels) in enumerate(drawn, start=1):
        inside = np.zeros(grid.size[::-1], bool)
        for segment in labels.segments:
            inside |= mask_on(labels, segment, grid)
        several = sum(other == role for other, _ in drawn) > 1
        masks.append((f"{role} {number}" if several else role, inside))
    shadow = np.sum([mask for _, mask in masks], axis=0, dtype=np.float32)
    image = image_like(shadow, grid)
    if made is not None:
        return image, made
    named = [(name.capitalize(), image_like(mask.view(np.uint8), grid)) for name, mask in masks]
    return image, Labels.from_masks(named, PALETTE)


def _around(drawn: Sequence[tuple[str, Labels]]) -> Grid:
    """The part of the first grid that holds all segments, with a margin."""
    grid = drawn[0][1].grid
    low, high = np.asarray(grid.size) - 1.0, np.zeros(grid.dimension)
    for _, labels in drawn:
        for layer in labels.layers:
            found = np.argwhere(sitk.GetArrayFromImage(layer) != 0)[:, ::-1]
            if len(found):
                ends = np.array([found.min(axis=0), found.max(axis=0)], float)
                box = np.array(np.meshgrid(*ends.T)).reshape(grid.dimension, -1).T
                index = grid.to_index(labels.grid.to_physical(box))
                low, high = np.minimum(low, index.min(axis=0)), np.maximum(high, index.max(axis=0))
    low = np.clip(np.floor(low) - MARGIN, 0, None).astype(int)
    high = np.minimum(np.ceil(high) + MARGIN, np.asarray(grid.size) - 1).astype(int)
    if (high <= low).any():
        return grid
    origin = grid.to_physical(low[None].astype(float))[0]
    return Grid(tuple((high - low + 1).tolist()), grid.spacing, tuple(origin.tolist()), grid.direction)

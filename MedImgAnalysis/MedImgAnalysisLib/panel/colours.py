"""Colours that can be read in every theme: chosen by their contrast to the ground that the palette gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

PROBLEM = ("#b3261e", "#ff8a80", "#ffb4ab")
"""Red for what is wrong, for light and for dark grounds."""
OFF = ("#5f5f5f", "#b0b0b0")
"""Grey for what is switched off."""


def on_window(widget: Any, colours: Sequence[str] = PROBLEM) -> str:
    """The one of these colours that reads best on the ground of a widget such as a label."""
    return readable(colours, widget.palette.color(qt.QPalette.Window).name())


def on_base(widget: Any, colours: Sequence[str] = PROBLEM) -> str:
    """The one of these colours that reads best on the ground of a list or a field."""
    return readable(colours, widget.palette.color(qt.QPalette.Base).name())


def readable(colours: Sequence[str], ground: str) -> str:
    """The first colour with enough contrast to the ground, else the one with most; colours as `#rrggbb`."""
    enough = (colour for colour in colours if contrast(colour, ground) >= 4.5)
    return next(enough, max(colours, key=lambda colour: contrast(colour, ground)))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1); text needs 4.5."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))

"""Colours as DICOM stores them: CIELab of white D65 in three numbers of 16 bits (PS3.3 C.10.7.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..values import Color

WHITE = np.array([0.9505, 1.0, 1.089])
TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
"""From XYZ to linear sRGB (IEC 61966-2-1)."""
KNEE = 6 / 29


def rgb_of(lab: Sequence[int]) -> Color:
    """RGB 0 to 1 of three numbers 0 to 65535; colours that a screen cannot show are cut off."""
    light, a, b = (float(v) / 65535 * span - low for v, span, low in zip(lab, (100, 255, 255), (0, 128, 128)))
    fy = (light + 16) / 116
    f = np.array([fy + a / 500, fy, fy - b / 200])
    linear = TO_RGB @ (WHITE * np.where(f > KNEE, f**3, 3 * KNEE**2 * (f - 4 / 29)))
    red, green, blue = (
        float(min(max(12.92 * c if c <= 0.0031308 else 1.055 * max(c, 0) ** (1 / 2.4) - 0.055, 0), 1)) for c in linear
    )
    return red, green, blue


def lab_of(color: Color) -> tuple[int, int, int]:
    """Three numbers 0 to 65535 of RGB 0 to 1; `rgb_of` gives the colour back within 0.001."""
    rgb = np.clip(np.asarray(color, float), 0, 1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = np.linalg.solve(TO_RGB, linear) / WHITE
    x, y, z = np.where(t > KNEE**3, np.cbrt(t), t / (3 * KNEE**2) + 4 / 29)
    light, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    numbers = np.rint(np.array([light / 100, (a + 128) / 255, (b + 128) / 255]) * 65535)
    first, second, third = (int(n) for n in np.clip(numbers, 0, 65535))
    return first, second, third

"""Settings of `register` by what is aligned."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "CT to CT": {"model": "demons", "metric": "correlation"},
    "CT to MR": {"model": "rigid", "metric": "mutual_information"},
    "MR to MR, same contrast": {"model": "rigid", "metric": "neighbourhood_correlation"},
    "MR to MR, other contrast": {"model": "rigid", "metric": "neighbourhood_correlation"},
    "PET to CT": {"model": "rigid", "metric": "mutual_information", "finest_mm": 2.0},
    "Lung CT": {"model": "demons", "metric": "correlation"},
    "Brain to atlas": {"model": "demons", "metric": "automatic"},
    "Precise (1 mm)": {"finest_mm": 1.0},
    "Fast (2 mm)": {"finest_mm": 2.0, "samples": 40_000, "reproducible": False},
    "Small correction": {"start": "none"},
}
"""Parameters by title."""

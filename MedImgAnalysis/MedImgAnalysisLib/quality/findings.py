"""One row of a table in the making: numbers, the reasons of undefined ones, and words of warning.

Words of the status column (why a number is missing):
`zero_variance`, `zero_mean`, `zero_contrast`, `no_background_noise`, `nonfinite_input`, `negative_values`,
`identical`, `empty_region`, `single_voxel`, `too_small`, `no_head`, `no_edge`, `edge_not_slanted`,
`other_structure`, `beyond_nyquist`, `no_region_fits`.
"""

from __future__ import annotations

import math
from typing import Any

from ..progress import SILENT, Progress
from ..values import Column

STATUS = Column("status", "Status", "", "Why a number is missing", str)
WARNINGS = Column("warnings", "Warnings", "", "What makes the numbers doubtful, as words", str)
SENTENCES = {
    "zero_variance": "all values are equal, so what is divided by their spread is undefined.",
    "no_background_noise": "the air has no noise (masked or skull-stripped), so what is divided by it is undefined.",
    "nonfinite_input": "there are NaN or infinite voxels, so numbers that look at neighbours are undefined; repair the "
    "image first.",
    "identical": "the two images are equal there, so the PSNR is infinite and left empty.",
    "empty_region": "the region has no voxel with a finite value.",
    "single_voxel": "the region has a single voxel, so its spread is undefined.",
    "too_small": "the image or region is too small for some of the numbers, which are left empty.",
    "no_head": "no object could be told from the air; give a mask.",
    "no_edge": "no edge stands out from the noise; look at the region and the target.",
    "edge_not_slanted": "the edge runs along the voxels, so that its profile cannot be sampled finely; tilt the "
    "phantom by 2 to 10 degrees.",
    "other_structure": "another structure is too near to the target; make the region smaller.",
    "beyond_nyquist": "the MTF does not fall that far before the Nyquist frequency, so the frequency is left empty.",
}
"""What the words of the status column mean. A missing one needs no warning, or its operation has one of its own."""


class Findings:
    """Collects the values of a row; a number that is not finite needs a reason and becomes NaN."""

    def __init__(self, **given: Any) -> None:
        self.values: dict[str, Any] = dict(given)
        self._reasons: dict[str, list[str]] = {}
        self._words: list[str] = []

    def put(self, key: str, value: float, reason: str = "undefined") -> None:
        """Keep a number; one that is not finite is kept as NaN with `reason`."""
        number = float(value)
        if not math.isfinite(number):
            number = math.nan
            self._reasons.setdefault(reason or "undefined", []).append(key)
        self.values[key] = number

    def ratio(self, key: str, above: float, below: float, reason: str = "zero_variance") -> None:
        """Keep `above / below`, undefined for `reason` where `below` is 0 or either is undefined."""
        self.put(key, above / below if below else math.nan, reason)

    def missing(self, reason: str, *keys: str) -> None:
        """Keep NaN under all these keys for one reason."""
        for key in keys:
            self.put(key, math.nan, reason)

    def decibel(self, key: str) -> None:
        """Keep 20 log10 of the amplitude ratio `key` under `<key>_db`."""
        value = self.values[key]
        reason = next((word for word, keys in self._reasons.items() if key in keys), "not_positive")
        self.put(f"{key}_db", 20 * math.log10(value) if value > 0 else math.nan, reason)

    def warn(self, word: str) -> None:
        """Keep a word for the warnings column, once."""
        if word not in self._words:
            self._words.append(word)

    @property
    def status(self) -> str:
        """The one reason, or each reason with its keys in brackets; empty when all is defined."""
        if len(self._reasons) == 1:
            return next(iter(self._reasons))
        return "; ".join(f"{reason} ({', '.join(keys)})" for reason, keys in self._reasons.items())

    def row(self, progress: Progress = SILENT) -> dict[str, Any]:
        """The row with status and warnings; the reasons are told as sentences, with the name of the region."""
        for word in self._reasons:
            if word in SENTENCES:
                name, sentence = self.values.get("segment"), SENTENCES[word]
                progress.warn(f"{name}: {sentence}" if name else sentence[0].upper() + sentence[1:])
        return {**self.values, "status": self.status, "warnings": ", ".join(self._words)}

"""Random changes of the values of an image: power, contrast, smooth field, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..blockwise import for_each
from ..kernels.ranks import slabs_of
from ..progress import Progress


@dataclass(frozen=True)
class IntensityChanges:
    """Limits in percent, 0 for none, and the seed. Each change draws from a generator of its own."""

    gamma: float
    contrast: float
    bias: float
    noise: float
    seed: int

    @property
    def wanted(self) -> bool:
        """Whether anything is to change."""
        return bool(self.gamma or self.contrast or self.bias or self.noise)

    def applied(
        self, array: np.ndarray, source: np.ndarray, rows: list[dict[str, object]], progress: Progress
    ) -> np.ndarray | None:
        """The changed values, float64, or None when nothing is to change; what was drawn goes into `rows`.

        The range is that of `source`, the image before it was moved; a constant one is not changed.
        """
        low, high = float(source.min()), float(source.max())
        if not self.wanted:
            return None
        if low == high:
            return array.astype(np.float64)
        power = self._drawn("gamma", self.gamma and np.log1p(self.gamma / 100), 10, rows)
        factor = 1 + self._drawn("contrast", self.contrast / 100, 11, rows)
        weights = self._field(array.shape, rows)
        sd = abs(self._drawn("noise SD, of the range", self.noise / 100, 13, rows))
        mean = float(np.mean(source, dtype=np.float64) - low) / (high - low)
        middle = np.clip(mean, 0, 1) ** power
        parts = slabs_of(array)
        out: np.ndarray = np.empty(array.shape)

        def work(number: int) -> None:
            part = parts[number]
            # Cubic interpolation overshoots; powers of values below 0 do not exist.
            values = np.clip((array[part].astype(np.float64) - low) / (high - low), 0, None) ** power
            values = middle + factor * (values - middle)
            if weights is not None:
                values *= 1 + _field_at(weights, array.shape, part)
            if sd:
                values += np.random.default_rng((self.seed, 14, number)).normal(0, sd, values.shape)
            out[part] = low + (high - low) * values

        for_each(work, range(len(parts)), progress=progress, message="Changing values")
        return out

    def _drawn(self, what: str, limit: float, number: int, rows: list[dict[str, object]]) -> float:
        value = float(np.random.default_rng((self.seed, number)).uniform(-limit, limit)) if limit else 0.0
        if what == "gamma":
            value = float(np.exp(value))
        if limit:
            shown = value if what == "gamma" else 100 * (abs(value) if number == 13 else value)
            rows.append({"change": what, "about": "", "value": shown, "unit": "" if what == "gamma" else "%"})
        return value

    def _field(self, shape: tuple[int, ...], rows: list[dict[str, object]]) -> np.ndarray | None:
        """Coefficients of a polynomial of second degree whose largest size on the image is what was drawn."""
        if not self.bias:
            return None
        rng = np.random.default_rng((self.seed, 12))
        largest = float(rng.uniform(0, self.bias / 100))
        weights = rng.normal(0, 1, (len(shape) + 1, len(shape) + 1))
        weights[-1, -1] = 0
        coarse = tuple(min(n, 17) for n in shape)
        peak = float(np.abs(_field_at(weights, coarse, slice(0, coarse[0]))).max())
        rows.append({"change": "smooth field", "about": "", "value": 100 * largest, "unit": "%"})
        return weights * largest / peak if peak else np.zeros_like(weights)


def _field_at(weights: np.ndarray, shape: tuple[int, ...], part: slice) -> np.ndarray:
    """The polynomial x' weights x with x = (coordinates from -1 to 1 along the axes, 1) on some layers."""
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    axes[0] = axes[0][part]
    grids = [*np.meshgrid(*axes, indexing="ij", sparse=True), np.ones((1,) * len(shape))]
    return sum(weights[a, b] * (first * second) for a, first in enumerate(grids) for b, second in enumerate(grids))

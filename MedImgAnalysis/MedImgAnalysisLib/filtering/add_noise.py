"""Noise of a known kind and strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import InputError, ParameterError
from ..geometry import image_like
from ..kernels.ranks import percentiles, slabs_of
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalising import inside_of, mean_and_sd

Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(values above no signal, generator) -> values with noise."""
MOST_COUNTS = 1e15
ROUNDED = 0.5
"""SD below which most whole numbers are rounded back to what they were."""


@dataclass(frozen=True)
class AddNoise(Operation):
    """Add noise of a known kind and strength, to test filters and measurements or to widen training data.

    `gaussian` adds SD s everywhere. `rician` is the magnitude of a complex signal whose two parts have SD s, as in MR
    from one coil: sqrt((v + a)^2 + b^2); air becomes s sqrt(pi / 2) on average. `poisson` counts: v becomes g times a
    Poisson number of mean v / g, SD sqrt(g v). `speckle` multiplies by 1 + s n, as coherent imaging does.
    `salt_and_pepper` sets voxels to the smallest or largest value of the image, each half of the time.

    All but `gaussian` and `salt_and_pepper` work on v = value - `no_signal`. The pixel type is kept: whole numbers are
    rounded, which adds a variance of 1/12, and what is beyond the type is cut off and said. Equal seeds give equal
    noise, on any machine, with or without a mask.

    Inputs
    ------
    image
        Image to add noise to.
    mask
        Where; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Image with noise on the same grid, same pixel type.

    Parameters
    ----------
    kind
        What the noise is like.
    level
        How strong: see `level_is`; for salt_and_pepper the part of the voxels, 0 to 1.
    level_is
        value: the SD in the unit of the image (gaussian, rician), the value of one count (poisson), the SD as a part
        of the value (speckle). snr: the mean of v in the mask, or in the image, over the SD there. percent: the SD in
        percent of what lies between the 1st and the 99th percentile (gaussian, rician).
    no_signal
        Value where nothing is: 0 in MR and PET, -1000 for CT.
    seed
        Number from which the noise is drawn.
    """

    name: ClassVar[str] = "add_noise"
    title: ClassVar[str] = "Add noise"
    group: ClassVar[str] = "Noise"
    memory_factor: ClassVar[float] = 3.5
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Gaussian, SNR 20": {"kind": "gaussian", "level_is": "snr", "level": 20.0},
        "MR, SNR 10": {"kind": "rician", "level_is": "snr", "level": 10.0},
        "1 % impulses": {"kind": "salt_and_pepper", "level": 0.01},
        "Speckle, 20 %": {"kind": "speckle", "level": 0.2},
    }

    kind: Annotated[str, Choice("gaussian", "rician", "poisson", "salt_and_pepper", "speckle")] = "gaussian"
    level: Annotated[float, Quantity("", low=0.0)] = 0.1
    level_is: Annotated[str, Choice("value", "snr", "percent")] = "value"
    no_signal: float = 0.0
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 0

    def check(self) -> None:
        impulses, ratio = self.kind == "salt_and_pepper", self.level_is == "snr"
        wrong = ""
        if impulses and ratio:
            wrong = "salt_and_pepper has no SNR; give the part of the voxels as a value"
        elif impulses and self.level > 1:
            wrong = "for salt_and_pepper it is a part of the voxels, 0 to 1"
        elif self.level_is == "percent" and self.kind not in ("gaussian", "rician"):
            wrong = "only gaussian and rician noise have an SD in percent"
        elif ratio and self.level == 0:
            wrong = "an SNR must be above 0"
        if wrong:
            raise ParameterError(
                f"add_noise: level is {self.level:g} ({self.level_is}); {wrong}.",
                operation=self.name,
                field="level",
                value=repr(self.level),
            )

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        array = sitk.GetArrayViewFromImage(image)
        inside = inside_of(mask)
        draw = self._draw(array, inside, progress.part(0.0, 0.3))
        out: np.ndarray = np.empty(array.shape, array.dtype)
        parts = slabs_of(array)
        limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else np.finfo(array.dtype)
        # The largest 64-bit integers are no float64: the next one above would wrap round.
        high = float(np.nextafter(float(limits.max), 0)) if array.dtype.itemsize == 8 else float(limits.max)

        def work(number: int) -> int:
            part = parts[number]
            # Every voxel draws, so that a mask changes no other voxel; a slab has numbers of its own for threads.
            noisy = draw(array[part].astype(np.float64), np.random.default_rng((self.seed, number)))
            if array.dtype.kind in "iu":
                np.rint(noisy, out=noisy)
            changed = np.ones(noisy.shape, bool) if inside is None else inside[part]
            cut = int(np.count_nonzero(((noisy < float(limits.min)) | (noisy > high)) & changed))
            kept = np.clip(noisy, float(limits.min), high).astype(array.dtype)
            out[part] = np.where(changed, kept, array[part])
            return cut

        cut = sum(for_each(work, range(len(parts)), progress=progress.part(0.3, 1.0), message="Adding noise"))
        if cut:
            progress.warn(
                f"{cut} voxels would be beyond {limits.min:g} to {limits.max:g}, what the pixel type of the image "
                "holds; they were cut off, so the noise is no longer symmetric there."
            )
        return image_like(out, image)

    def _draw(self, array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> Draw:
        zero, strength = self.no_signal, self.level
        if self.level == 0:
            return lambda values, rng: values
        mean = 1.0
        if self.level_is == "snr":
            mean = mean_and_sd(array, inside, progress)[0] - zero
            if mean <= 0:
                raise InputError(
                    f"The mean signal is {mean:g} above no_signal {zero:g}, so an SNR has no meaning; give no_signal "
                    "(-1000 for CT), or the level as a value.",
                    role="image",
                )
            strength = 1 / self.level
        if self.level_is == "percent":
            low, high = percentiles(array, [1.0, 99.0], inside, progress)
            strength = self.level / 100 * (float(high) - float(low))
            if strength == 0:
                raise InputError(
                    f"The 1st and the 99th percentile are both {float(low):g}, so a level in percent has no meaning; "
                    "give a mask of the body, or the level as a value.",
                    role="image",
                )
        sd = strength * mean
        if array.dtype.kind in "iu" and self.kind in ("gaussian", "rician") and sd < ROUNDED:
            progress.warn(f"An SD of {sd:.3g} is lost in the rounding to whole numbers: most voxels stay as they are.")
        if self.kind == "gaussian":
            return lambda values, rng: values + rng.normal(0, sd, values.shape)
        if self.kind == "rician":
            return lambda values, rng: (
                zero + np.hypot(values - zero + rng.normal(0, sd, values.shape), rng.normal(0, sd, values.shape))
            )
        if self.kind == "speckle":
            return lambda values, rng: values + (values - zero) * rng.normal(0, strength, values.shape)
        low, high = float(array.min()), float(array.max())
        if self.kind == "salt_and_pepper":
            return lambda values, rng: _impulses(values, rng, strength, low, high)
        count = mean * strength**2 if self.level_is == "snr" else strength
        if low < zero:
            raise InputError(
                f"The image has values down to {low:g}; counts cannot be below no_signal ({zero:g}). Give no_signal "
                "(-1024 or the smallest value for CT).",
                role="image",
                low=low,
            )
        if (high - zero) / count > MOST_COUNTS:
            raise InputError(
                f"The image would have up to {(high - zero) / count:.3g} counts; raise the level.", role="image"
            )
        return lambda values, rng: zero + count * rng.poisson((values - zero) / count)


def _impulses(values: np.ndarray, rng: np.random.Generator, part: float, low: float, high: float) -> np.ndarray:
    drawn = rng.random(values.shape)
    values[drawn < part / 2] = low
    values[(drawn >= part / 2) & (drawn < part)] = high
    return values

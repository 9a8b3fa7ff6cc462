"""Small copies of pictures, to be part of a page."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

WIDTH = 170
QUALITY = 80
COLOURED = 60
SMALL = "small"
JPEG = b"\xff\xd8\xff"


def write_small(picture: Path) -> Path | None:
    """Write a JPEG of about `WIDTH` pixels beside a picture, in the folder `SMALL`; None when it is no picture.

    Made when the picture is made, so that the report of a thousand cases has only to read.
    """
    target = picture.parent / SMALL / f"{picture.stem}.jpg"
    target.parent.mkdir(exist_ok=True)
    return target if _write(picture, target) else None


def data_uri(picture: Path) -> str | None:
    """The small copy of a picture as a `data:` address, made now where there is none; None when it is no picture."""
    ready = picture.parent / SMALL / f"{picture.stem}.jpg"
    try:
        if ready.is_file() and (found := ready.read_bytes())[:3] == JPEG:
            return _address(found)
        with tempfile.TemporaryDirectory(prefix="medimg-pictures-") as folder:
            target = Path(folder) / "small.jpg"
            return _address(target.read_bytes()) if _write(picture, target) else None
    except OSError:
        return None


def _address(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _write(picture: Path, target: Path) -> bool:
    if not picture.is_file():
        return False
    try:
        image = sitk.ReadImage(str(picture))
        if image.GetDimension() != 2 or image.GetPixelID() not in (sitk.sitkUInt8, sitk.sitkVectorUInt8):
            return False
        pixels = sitk.GetArrayViewFromImage(image)
        pixels = (pixels[..., None] if pixels.ndim == 2 else pixels)[..., :3]
        small = _smaller(pixels, max(1, round(image.GetWidth() / WIDTH)))
        sitk.WriteImage(sitk.GetImageFromArray(small, isVector=True), str(target), True, compressionLevel=QUALITY)
    except RuntimeError:
        return False
    return True


def _smaller(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of `pixels` (rows, columns, channels); a coloured pixel wins, so that thin outlines stay."""
    rows, columns, channels = pixels.shape[0] // factor, pixels.shape[1] // factor, pixels.shape[2]
    pixels = pixels[: rows * factor, : columns * factor]
    total = np.zeros((rows, columns, channels), np.uint32)
    outline, strongest = np.zeros((rows, columns, channels), np.uint8), np.zeros((rows, columns), np.uint8)
    for row in range(factor):
        for column in range(factor):
            part = pixels[row::factor, column::factor]
            total += part
            layers = [part[..., channel] for channel in range(channels)]
            high, low = layers[0], layers[0]
            for layer in layers[1:]:
                high, low = np.maximum(high, layer), np.minimum(low, layer)
            colour = high - low
            better = colour > strongest
            strongest = np.maximum(strongest, colour)
            outline[better] = part[better]
    means = ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
    return np.where((strongest > COLOURED)[..., None], outline, means)

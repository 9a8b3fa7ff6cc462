"""Small copies of pictures, to be part of a page."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

WIDTH = 170
QUALITY = 85
COLOURED = 60


def data_uri(picture: Path) -> str | None:
    """A JPEG of about `WIDTH` pixels as a `data:` address; None when the file is no readable picture."""
    try:
        image = sitk.ReadImage(str(picture))
        if image.GetDimension() != 2 or image.GetPixelID() not in (sitk.sitkUInt8, sitk.sitkVectorUInt8):
            return None
        pixels = sitk.GetArrayFromImage(image)
        pixels = (pixels[..., None] if pixels.ndim == 2 else pixels)[..., :3]
        small = sitk.GetImageFromArray(_smaller(pixels, max(1, round(image.GetWidth() / WIDTH))), isVector=True)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "small.jpg"
            sitk.WriteImage(small, str(target), useCompression=True, compressionLevel=QUALITY)
            return "data:image/jpeg;base64," + base64.b64encode(target.read_bytes()).decode()
    except (RuntimeError, OSError):
        return None


def _smaller(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of `pixels` (rows, columns, channels); a coloured pixel wins, so that thin outlines stay."""
    rows, columns, channels = pixels.shape[0] // factor, pixels.shape[1] // factor, pixels.shape[2]
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, channels)
    blocks = blocks.swapaxes(1, 2).reshape(rows, columns, factor * factor, channels)
    means = np.rint(blocks.mean(axis=2)).astype(np.uint8)
    colour = blocks.max(axis=-1).astype(int) - blocks.min(axis=-1)
    strongest = colour.argmax(axis=-1)[..., None, None]
    outline = np.take_along_axis(blocks, strongest, axis=2)[:, :, 0]
    return np.where(colour.max(axis=-1)[..., None] > COLOURED, outline, means)

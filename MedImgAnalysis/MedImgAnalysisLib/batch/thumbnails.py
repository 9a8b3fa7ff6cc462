"""Small copies of pictures, to be part of a page."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import SimpleITK as sitk

WIDTH = 240
QUALITY = 82


def data_uri(picture: Path) -> str | None:
    """A JPEG of about `WIDTH` pixels as a `data:` address; None when the file is no readable picture."""
    try:
        image = sitk.ReadImage(str(picture))
        if image.GetDimension() != 2 or image.GetPixelID() not in (sitk.sitkUInt8, sitk.sitkVectorUInt8):
            return None
        factor = max(1, round(image.GetWidth() / WIDTH))
        small = sitk.BinShrink(_opaque(image), [factor, factor])
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "small.jpg"
            sitk.WriteImage(small, str(target), useCompression=True, compressionLevel=QUALITY)
            return "data:image/jpeg;base64," + base64.b64encode(target.read_bytes()).decode()
    except (RuntimeError, OSError):
        return None


def _opaque(image: sitk.Image) -> sitk.Image:
    """JPEG has no transparency."""
    if image.GetNumberOfComponentsPerPixel() != 4:
        return image
    return sitk.Compose([sitk.VectorIndexSelectionCast(image, channel) for channel in range(3)])

"""Make the picture of the README from the pictures that the demo takes.

    python docs/make_pictures.py demo

The argument is the folder of a finished `medimg demo`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("lesions-axial", "lesions-sagittal", "tissue-coronal")
GAP = 8


def montage(demo: Path) -> sitk.Image:
    """The shown slices side by side, RGB, white gaps between."""
    folder = demo / "results" / "phantom" / "snapshots"
    pictures = [sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.png")))[..., :3] for name in SHOWN]
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return sitk.GetImageFromArray(np.concatenate(parts, axis=1), isVector=True)


if __name__ == "__main__":
    target = ROOT / "Resources" / "Screenshots" / "demo.png"
    sitk.WriteImage(montage(Path(sys.argv[1])), str(target))
    print(target)

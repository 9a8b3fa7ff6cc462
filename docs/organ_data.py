"""Make the images of the tutorial about organ volumes, from formulas and seeds; nothing is downloaded.

    python docs/organ_data.py FOLDER

The CT of an abdomen (abdomen.nrrd), and a click in each organ as a point list (liver.mrk.json and so on).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.values import Landmarks

sys.path.insert(0, str(Path(__file__).resolve().parent))

import filtering_data

CLICKS = {
    "Liver": {"Liver": (-65.0, -30.0, 0.0)},
    "Spleen": {"Spleen": (70.0, 10.0, 5.0)},
    "Kidneys": {"Right kidney": (-40.0, 45.0, 0.0), "Left kidney": (40.0, 45.0, 0.0)},
}
"""Points of each organ by name, LPS mm."""
VALUES = {"Liver": (110, 60), "Spleen": (120,), "Kidneys": (150,)}
"""HU of an organ without noise; the lesions are part of the liver."""


def clicks(organ: str) -> Landmarks:
    """The points that are placed in an organ."""
    return Landmarks(tuple(CLICKS[organ]), np.array(list(CLICKS[organ].values())))


def true_ml(organ: str) -> float:
    """Volume of an organ in the CT without noise."""
    image = filtering_data.abdomen(None)
    inside = np.isin(sitk.GetArrayViewFromImage(image), VALUES[organ])
    return float(inside.sum() * np.prod(image.GetSpacing()) / 1000)


def write(folder: Path) -> list[Path]:
    """Write all files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    points = [files.write(clicks(organ), folder / f"{organ.lower()}.mrk.json", "landmarks") for organ in CLICKS]
    return [files.write(filtering_data.abdomen(), folder / "abdomen.nrrd", "image"), *points]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        print(path)

"""Make the patients and the atlas of the cohort tutorial, from formulas and seeds; nothing is downloaded.

    python docs/cohort_data.py FOLDER            # patient4.nrrd ends too early, as after a broken transfer
    python docs/cohort_data.py FOLDER --mend     # the whole patient4.nrrd

Five heads of different size, position, noise and shading in T1; the third one has large ventricles. `atlas.nrrd` is a
head without noise, `search.seg.nrrd` the place in it where ventricles may be. `patients.csv` lists them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files, phantom
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.values import Labels

SPACING = (3.0, 3.0, 3.0)
SEARCH_MM = 7.0
BROKEN = "patient4"


class Patient(NamedTuple):
    """How a head differs from the atlas: `size` scales all of it, `ventricles` their radii once more."""

    age: int
    seed: int
    size: float
    turn_deg: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    bias: float
    noise: float
    ventricles: float = 1.0


PATIENTS = {
    "patient1": Patient(34, 1, 1.00, (4, -3, 6), (6, -4, 5), 0.20, 0.03),
    "patient2": Patient(41, 2, 0.95, (-5, 2, -8), (-5, 8, 2), 0.30, 0.03, 0.98),
    "patient3": Patient(58, 3, 1.03, (3, 5, 4), (4, 6, -7), 0.25, 0.04, 1.35),
    "patient4": Patient(47, 4, 0.98, (-2, -4, 10), (-8, -3, 4), 0.20, 0.05, 1.02),
    "patient5": Patient(29, 5, 1.04, (6, 3, -5), (3, -7, -6), 0.35, 0.03, 0.97),
}


def head(patient: Patient) -> phantom.Phantom:
    """The head before it is scaled."""
    return phantom.head(
        patient.seed,
        flair_spacing_mm=SPACING,
        t1_spacing_mm=SPACING,
        rotation_deg=patient.turn_deg,
        translation_mm=patient.shift_mm,
        lesion_radii_mm=(),
        ventricles=patient.ventricles,
        bias=patient.bias,
        noise=patient.noise,
    )


def image(patient: Patient) -> sitk.Image:
    """The T1 image of a patient."""
    found = head(patient).t1
    found.SetSpacing([patient.size * step for step in found.GetSpacing()])
    found.SetOrigin([patient.size * start for start in found.GetOrigin()])
    return found


def true_ml(patient: Patient) -> float:
    """The exact volume of the ventricles."""
    return patient.size**3 * head(patient).volumes_ml["Ventricles"]


def atlas() -> tuple[sitk.Image, Labels]:
    """A head in the middle without noise, and the voxels within `SEARCH_MM` of its ventricles."""
    found = phantom.head(
        100,
        flair_spacing_mm=SPACING,
        t1_spacing_mm=SPACING,
        rotation_deg=(0, 0, 0),
        translation_mm=(0, 0, 0),
        lesion_radii_mm=(),
        bias=0,
        noise=0,
    )
    distance = sitk.SignedMaurerDistanceMap(found.truth.mask("Ventricles"), squaredDistance=False, useImageSpacing=True)
    near = np.uint8(sitk.GetArrayFromImage(distance) <= SEARCH_MM)
    return found.t1, Labels.from_masks([("Search", image_like(near, found.t1))])


def write_patient(folder: Path, name: str, broken: bool = False) -> Path:
    """Write the image of a patient, or the first two thirds of the file."""
    path = files.write(image(PATIENTS[name]), folder / f"{name}.nrrd", "image")
    if broken:
        whole = path.read_bytes()
        path.write_bytes(whole[: 2 * len(whole) // 3])
    return path


def write(folder: Path, broken: bool = False) -> list[Path]:
    """Write all files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    t1, search = atlas()
    written = [
        files.write(t1, folder / "atlas.nrrd", "image"),
        files.write(search, folder / "search.seg.nrrd", "labels"),
    ]
    written += [write_patient(folder, name, broken and name == BROKEN) for name in PATIENTS]
    rows = [f"{name},{name}.nrrd,atlas.nrrd,search.seg.nrrd,{patient.age}" for name, patient in PATIENTS.items()]
    table = folder / "patients.csv"
    table.write_text("\n".join(["id,t1,atlas,search,age", *rows]) + "\n", encoding="utf-8")
    return [*written, table]


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    if "--mend" in sys.argv:
        print(write_patient(place, BROKEN))
    else:
        print(*write(place, broken=True), sep="\n")

"""Draws docs/pictures/registration-dossier.png: a lung CT at expiration and inspiration, aligned by `register`.

    python docs/make_dossier_picture.py FOLDER

FOLDER is the test data folder; needs slicer-core.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.pages.registration_pictures import Aligned, rows
from MedImgAnalysisLib.registration import EvaluateRegistration, Register
from MedImgAnalysisLib.scene import standalone

TARGET = Path(__file__).parent / "pictures" / "registration-dossier.png"
SIDE = 216


def main(data: Path) -> None:
    """Register, evaluate, draw."""
    pair = {side: files.read(data / "reg_lung" / f"{side}.mha", "image") for side in ("fixed", "moving")}
    transform = execute(Register(model="demons", metric="correlation"), pair).outputs["transform"]
    jacobian = execute(EvaluateRegistration(), {**pair, "transform": transform}).outputs["jacobian"]
    draw(Aligned(pair["fixed"], pair["moving"], transform, jacobian), TARGET)
    print(TARGET)


def draw(aligned: Aligned, target: Path, planes: int = 3) -> None:
    """The rows of a dossier as columns of one picture, with the first `planes` of axial, sagittal and coronal."""
    standalone.start()
    from MedImgAnalysisLib.scene import drawing

    columns = [
        np.concatenate([_pixels(address) for address in drawing.draw(row.picture)[:planes]], axis=0)
        for row in rows(aligned)
    ]
    whole = np.concatenate(columns, axis=1)
    sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(whole), isVector=True), str(target), True)


def _pixels(address: str) -> np.ndarray:
    """The pixels of a `data:` address, made smaller."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.jpg"
        path.write_bytes(base64.b64decode(address.partition(",")[2]))
        image = sitk.ReadImage(str(path))
    scale = image.GetWidth() / SIDE
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkVectorFloat32), scale / 2.5)
    small = sitk.Resample(smooth, [SIDE, SIDE], sitk.Transform(), sitk.sitkLinear, (scale / 2 - 0.5,) * 2, (scale,) * 2)
    return np.clip(np.rint(sitk.GetArrayFromImage(small)), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Draws docs/pictures/registration-dossier.png: a head and the same one bent, aligned by `register`, with its errors.

    python docs/make_dossier_picture.py

The images are computed; needs slicer-core.
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import phantom
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import AddNoise, Deform
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.pages.registration_pictures import Aligned, rows
from MedImgAnalysisLib.registration import EvaluateRegistration, Register
from MedImgAnalysisLib.scene import standalone
from scipy.ndimage import gaussian_filter

TARGET = Path(__file__).parent / "pictures" / "registration-dossier.png"
SIDE = 216


def bent_head() -> tuple[dict[str, sitk.Image], sitk.Transform, np.ndarray]:
    """A T1 as moving, the same bent by some millimetres as fixed, the transform from fixed to moving, and points.

    Each has noise of its own. The tissue gets a texture, as tissue has: nobody can tell where a point of an even region
    went.
    """
    head = phantom.head(2)
    clean = head.clean["t1"]
    values = sitk.GetArrayFromImage(clean)
    grain = gaussian_filter(np.random.default_rng(6).standard_normal(values.shape), 4.0 / np.array(clean.GetSpacing()))
    textured = image_like(np.float32(values * (1 + 0.12 / grain.std() * grain)), clean)
    bent = execute(Deform(amplitude_mm=18.0, control_mm=50.0, seed=4), {"image": textured}).outputs
    noisy = [
        execute(AddNoise(kind="rician", level=3.0, seed=seed), {"image": image}).outputs["image"]
        for seed, image in ((5, bent["image"]), (6, textured))
    ]
    return dict(zip(("fixed", "moving"), noisy, strict=True)), bent["transform"], head.points.points


def main() -> None:
    """Register, evaluate, draw."""
    pair, truth, points = bent_head()
    there = np.array([truth.TransformPoint(point) for point in points.tolist()])
    transform = execute(Register(model="demons", metric="correlation"), pair).outputs["transform"]
    jacobian = execute(EvaluateRegistration(), {**pair, "transform": transform}).outputs["jacobian"]
    found = np.array([transform.TransformPoint(point) for point in points.tolist()])
    for when, where in (("before", points), ("after", found)):
        errors = np.linalg.norm(where - there, axis=1)
        print(f"{when}: mean {errors.mean():.2f} mm, largest {errors.max():.2f} mm at {len(errors)} points")
    print(f"folded: {100 * np.mean(sitk.GetArrayFromImage(jacobian) <= 0):g} %")
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
    main()

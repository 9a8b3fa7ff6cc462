"""The preset "Brain to atlas" on a real patient: overlap of tissues that were found without the atlas.

    python Testing/benchmarks/registration_atlas.py

The T1 of a patient with multiple sclerosis goes to the ICBM template. Classes of tissue of either are three means of
its own values inside the brain; grey matter of the template is also its probability map above one half. Shading and
lesions limit the classes of the patient, so that Dice does not reach 1 with a perfect alignment.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medimg_testing import find_data
from MedImgAnalysisLib.blockwise import set_thread_count
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.registration import Register

TISSUES = ("CSF", "grey matter", "white matter")


def classes(image: sitk.Image, inside: np.ndarray) -> np.ndarray:
    """1, 2 and 3 from dark to bright, 0 outside: three means."""
    values = sitk.GetArrayFromImage(image).astype(float)[inside]
    means = np.percentile(values, (10, 50, 90))
    for _ in range(60):
        found = np.digitize(values, (means[1:] + means[:-1]) / 2)
        means = np.array([values[found == n].mean() for n in range(3)])
    tissue = np.zeros(inside.shape, np.uint8)
    tissue[inside] = found + 1
    return tissue


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def main() -> None:
    data = find_data()
    if data is None:
        sys.exit("The test data folder is not here; set MEDIMG_TEST_DATA.")
    set_thread_count(2)
    atlas, grey = (sitk.ReadImage(str(data / "atlas" / f"icbm152_sym09a_{name}.nii.gz")) for name in ("t1", "gm"))
    patient, brain = (sitk.ReadImage(str(data / "mr_brain_mni_p19" / f"{n}.nii.gz")) for n in ("T1", "brainmask"))
    here = classes(atlas, sitk.GetArrayViewFromImage(atlas) > 0)
    there = image_like(classes(patient, sitk.GetArrayViewFromImage(brain) > 0), patient)
    grey_here = sitk.GetArrayFromImage(grey) > 127
    print(f"| | brain | {' | '.join(TISSUES)} | grey, probability | folded % | processor s |\n|" + " --- |" * 8)
    for name, settings in (("affine", Register(model="affine")), ("Brain to atlas", Register.preset("Brain to atlas"))):  # type: ignore[attr-defined]
        began = time.process_time()
        result = settings.run(fixed=atlas, moving=patient)
        seconds = time.process_time() - began
        moved = sitk.GetArrayFromImage(sitk.Resample(there, atlas, result.transform, sitk.sitkNearestNeighbor, 0))
        overlaps = [dice(moved > 0, here > 0), *(dice(moved == n, here == n) for n in (1, 2, 3))]
        overlaps.append(dice(moved == 2, grey_here))
        folded = result.table.rows[0]["folded_percent"]
        print(f"| {name} | {' | '.join(f'{v:.3f}' for v in overlaps)} | {folded:.2f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()

"""Make the picture of docs/filtering.md: a slice before and after each of its recipes, on computed images.

python docs/make_filtering_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import filtering_data as data
import SimpleITK as sitk
from MedImgAnalysisLib.recipe import Recipe

DOCS = Path(__file__).resolve().parent
HEIGHT = 220


def shown(image: sitk.Image, low: float, high: float) -> sitk.Image:
    """The middle slice in grey, `HEIGHT` pixels high with square pixels."""
    middle = image[:, :, image.GetSize()[2] // 2]
    grey = sitk.Cast(
        sitk.IntensityWindowing(sitk.Cast(middle, sitk.sitkFloat32), low, high, 0.0, 255.0), sitk.sitkUInt8
    )
    step = grey.GetSize()[1] * grey.GetSpacing()[1] / HEIGHT
    width = round(grey.GetSize()[0] * grey.GetSpacing()[0] / step)
    drawn = sitk.Resample(grey, (width, HEIGHT), sitk.Transform(), sitk.sitkNearestNeighbor, grey.GetOrigin(),
                          (step, step), grey.GetDirection())  # fmt: skip
    drawn.SetOrigin((0, 0))
    drawn.SetSpacing((1, 1))
    return sitk.ConstantPad(drawn, (2, 2), (2, 2), 255.0)


def main() -> None:
    """Run the recipes and write the picture."""
    mr, ct, low = data.head().flair, data.abdomen(), data.abdomen(data.LOW_DOSE, 3)
    results = {}
    cases = {"mr-brain": {"mr": mr}, "ct-abdomen": {"ct": ct}, "low-dose-ct": {"ct": low, "regions": data.regions()}}
    for name, inputs in cases.items():
        results[name] = Recipe.load(DOCS / "recipes" / f"{name}.json").run(inputs).outputs
    brightest = sitk.GetArrayViewFromImage(mr).max() * 0.8
    pictures = [
        shown(mr, 0, brightest), shown(results["mr-brain"]["normalised"], 0, 1),
        shown(ct, -150, 250), shown(results["ct-abdomen"]["soft_tissue"], 0, 1),
        shown(low, -150, 250), shown(results["low-dose-ct"]["quiet"], -150, 250),
    ]  # fmt: skip
    sitk.WriteImage(sitk.Tile(pictures, (2, 3)), str(DOCS / "pictures" / "filtering-recipes.png"))


if __name__ == "__main__":
    main()

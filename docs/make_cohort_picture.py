"""Make the pictures of the cohort tutorial: its report in a browser without a screen.

    python docs/make_cohort_picture.py

Runs the recipe of the tutorial on its patients and needs chromium and OpenGL. The pictures go to `docs/pictures`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "docs"), str(ROOT / "MedImgAnalysis")]

VOLUME = "volume.Ventricles.volume_ml"
VIEWS = {
    "cohort-report": ({"sort": VOLUME, "order": "desc", "hide": "alignment"}, 1330, 890, 0),
    "cohort-numbers": ({"state": "outliers", "number": VOLUME, "hide": "alignment"}, 1100, 2130, 915),
}
"""Per picture: the view, width and height of the window in pixels, and where the picture begins."""


def shot(page: Path, view: dict[str, str], width: int, height: int, top: int, target: Path) -> None:
    """A picture of a part of the page."""
    import SimpleITK as sitk
    from browser_testing import OPTIONS, browser

    options = [option for option in OPTIONS if not option.startswith("--window-size")]
    subprocess.run(
        [browser(), *options, f"--window-size={width},{height}", "--hide-scrollbars", "--virtual-time-budget=4000",
         f"--screenshot={target}", f"{page.as_uri()}#{urlencode(view)}"],
        check=True, capture_output=True,
    )  # fmt: skip
    image = sitk.ReadImage(str(target))
    sitk.WriteImage(image[:, top:], str(target), useCompression=True, compressionLevel=9)


def main() -> None:
    """Run the tutorial and make its pictures."""
    import cohort_data
    from MedImgAnalysisLib.__main__ import main as medimg

    text = (ROOT / "docs" / "tutorial-cohort.md").read_text(encoding="utf-8")
    recipe = next(block for block in re.findall(r"```json\n(.*?)```", text, re.S) if "medimg_recipe" in block)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort_data.write(folder)
        (folder / "recipe.json").write_text(recipe, encoding="utf-8")
        words = ["--out", str(folder / "results"), "--workers", "2", "--snapshots"]
        assert medimg(["batch", str(folder / "recipe.json"), str(folder / "patients.csv"), *words]) == 0
        for picture, (view, width, height, top) in VIEWS.items():
            shot(folder / "results" / "report.html", view, width, height, top, PICTURES / f"{picture}.png")
            print(PICTURES / f"{picture}.png")


if __name__ == "__main__":
    main()

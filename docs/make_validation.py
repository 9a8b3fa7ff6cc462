"""Make docs/validation.md from what the tests counted and from the file of reference values.

python -m pytest --figures=figures.json    # the tests, with the test data folder
python docs/make_validation.py figures.json

The test data folder is where MEDIMG_TEST_DATA points to; `metrics-reference.json` with the reference values lies in
the folder `facts` beside it.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Testing"))

PAGE = ROOT / "docs" / "validation.md"
HEAD = """# Validation

Made from the results of the tests by `python docs/make_validation.py`; do not edit. MedImgAnalysis {version}, {python},
{platform}, SimpleITK {SimpleITK}, numpy {numpy}, scipy {scipy}. Tests that counted: {passed} passed, {failed} failed,
{skipped} skipped.
"""
REFERENCE = """## Reference values

{values} values of {cases} cases in {families} families. They come from other software, closed forms, published
standards, or a second implementation of the definition; each carries its own tolerance. **{met} of {values} are met.**
A value that is undefined by its definition has to come out as undefined; that is counted as well.

| family | cases | met | of | tolerance | values from | test |
| --- | --: | --: | --: | --- | --- | --- |
"""
PEERS = {
    "segmentation": "DeepMind surface-distance, MedPy, MeshMetrics, MetricsReloaded, MONAI, plastimatch, pymia, "
    "seg-metrics, scikit-learn, SimpleITK; closed forms",
    "segmentation-empty": "the same ten; where they differ, the definition",
    "multi-label": "MONAI, scikit-learn, SimpleITK",
    "instances": "panoptica, SimpleITK",
    "inter-rater": "scikit-learn, SimpleITK (STAPLE), statsmodels",
    "classification": "scikit-learn, torchmetrics",
    "registration-TRE": "elastix (transformix), SimpleITK",
    "registration-Jacobian": "ANTsPy, SimpleITK; closed forms",
    "registration-inverse-consistency": "SimpleITK",
    "registration-Dice-after-warp": "SimpleITK",
    "similarity": "numpy, scikit-image, scikit-learn",
    "image-quality": "scikit-image, numpy; known noise",
    "NPS": "pylinac; closed forms",
    "MTF": "pylinac; closed forms",
    "full-reference": "MONAI, scikit-image, torchmetrics",
    "low-contrast": "closed form",
    "uniformity": "a second implementation of the definition",
    "bad-input": "the definition: refused, or undefined with a reason",
    "features-IBSI1": "IBSI reference manual: consensus values, to the digits that it gives",
    "features-IBSI2-filters": "IBSI 2: validated consensus response maps",
    "features-real": "PyRadiomics, MIRP",
}
"""Who gave the values of a family."""
SOFTWARE = "Versions: {versions}.\n"
ELSEWHERE = """## Beyond the reference values

* Every operation has a test file of its own in `Testing/unit`: closed forms and properties, then a peer (SimpleITK,
  SciPy, scikit-image, PyWavelets), to the bit or to the tolerance that the test states.
* The contract tests (`Testing/unit/test_contract.py`) hold for every operation: grid, pixel types, NaN, empty masks,
  one slice, cancelling, repeatability. `Testing/panels` and `Testing/scene` check that panel, console and recipe give
  the same voxels.
* On real images: [segmentation](segmentation.md#on-real-images), [registration](registration.md#measured) with the
  distances of landmarks and the peers' results on the same pairs, [DICOM](dicom.md#checked-with) with validators and
  other readers.
* Where definitions of others differ and why: [agreement](metrics-agreement.md#how-it-is-checked),
  [features](metrics-features.md#where-others-tell-something-else), [registration](metrics-registration.md#checked),
  [quality](metrics-quality.md#how-it-is-checked).
* Speed and memory beside peers: `Testing/benchmarks`; results in [filtering](filtering.md#speed),
  [segmentation](segmentation.md#speed) and [agreement](metrics-agreement.md#speed-and-memory).
"""
COUNTED = """## What else the tests counted

"""
DATA = """## Test data

{entries} public data sets, {files} files, {size:.0f} MB. Tests that need them are skipped without the folder.

| data | what | source | license |
| --- | --- | --- | --- |
"""


def tolerance(family: str, entries: list[dict[str, Any]]) -> str:
    """How far values of a family may be off, in words."""
    if family == "features-IBSI1":
        return "rounded to 3 significant digits, then that of the manual"
    absolute = [entry["tol_abs"] for entry in entries if entry.get("tol_abs")]
    relative = [entry["tol_rel"] for entry in entries if entry.get("tol_rel")]
    exact = sum(not entry.get("tol_abs") and not entry.get("tol_rel") for entry in entries)
    words = [f"{exact} exact"] if exact else []
    for name, values in (("absolute", absolute), ("relative", relative)):
        if values:
            low, high = min(values), max(values)
            words.append(f"{name} {low:.2g}" + (f" to {high:.2g}" if high > low else ""))
    return "; ".join(words)


def reference(lines: list[str]) -> str:
    """The section of the reference values; `lines` are those that the tests said."""
    import reference_checks
    from medimg_testing import find_reference_values

    path = find_reference_values()
    if path is None:
        raise SystemExit("The reference values are not here; set MEDIMG_TEST_DATA.")
    file = json.loads(path.read_text(encoding="utf-8"))
    met = {m[1]: int(m[2]) for line in lines if (m := re.match(r"reference values of (\S+) +(\d+) of +\d+$", line))}
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    cases: dict[str, int] = defaultdict(int)
    for case in file["public"]["cases"].values():
        cases[case["family"]] += 1
        families[case["family"]] += [entry for _path, entry in reference_checks.values(case["expected"])]
    rows = [
        f"| {family} | {cases[family]} | {met[family]} | {len(entries)} | {tolerance(family, entries)} "
        f"| {PEERS[family]} | `{reference_checks.TESTS[family].split(':')[0]}.py` |"
        for family, entries in families.items()
    ]
    total = sum(map(len, families.values()))
    head = REFERENCE.format(values=total, cases=sum(cases.values()), families=len(families), met=sum(met.values()))
    versions = {name: text.split(" (")[0] for name, text in file["meta"]["versions"].items()}
    versions = {name: re.sub(r".*HEAD |source ", "", text) for name, text in versions.items()}
    return (
        head + "\n".join(rows) + "\n\n" + SOFTWARE.format(versions=", ".join(f"{k} {v}" for k, v in versions.items()))
    )


def counted(lines: list[str]) -> str:
    """The section of the other lines."""
    elsewhere = re.compile(r"reference values|^tier \d:|^review:")
    return COUNTED + "\n".join(f"* {line}" for line in lines if not elsewhere.search(line)) + "\n"


def data() -> str:
    """The section of the test data."""
    from medimg_testing import find_data

    folder = find_data()
    assert folder is not None
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    rows: list[str] = []
    for entry in manifest["entries"]:
        source = re.sub(r"\bgithub (?=[\w-]+/)", "github.com/", re.sub(r"\bPyPI ", "", entry["source"]))
        cells = (entry["name"], entry["modality"], source, entry["licence"].split(" (")[0])
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return (
        DATA.format(entries=len(rows), files=manifest["n_files"], size=manifest["total_bytes"] / 1e6)
        + "\n".join(rows)
        + "\n"
    )


def page(figures: dict[str, Any]) -> str:
    """The text of the page."""
    parts = (HEAD.format(**figures, **figures["packages"]), reference(figures["lines"]), ELSEWHERE)
    return "\n".join([*parts, counted(figures["lines"]), data()])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    PAGE.write_text(page(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8", newline="\n")

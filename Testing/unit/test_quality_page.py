"""The page of a quality report: plots, picture and tables in one file."""

from __future__ import annotations

import base64
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import examples
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.pages.plots import svg, ticks
from MedImgAnalysisLib.pages.quality_page import quality_page, write_quality_page
from MedImgAnalysisLib.pages.slice_pictures import slice_picture
from MedImgAnalysisLib.quality.quality_report import QualityReport
from MedImgAnalysisLib.values import Column, Curve, Curves, Labels, Measurements


def curves(*series: Curve) -> Curves:
    return Curves("A < B", "Spatial frequency", "MTF", series, "lp/mm")


def test_a_plot_is_well_formed_and_draws_points_where_they_belong():
    x = np.linspace(0, 1, 11)
    text = svg(curves(Curve("One & two", x, 1 - x), Curve("Flat", x, np.zeros(11))))
    root = ElementTree.fromstring(text)
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 2
    points = np.array([[float(v) for v in p.split(",")] for p in lines[0].get("points").split()])
    assert np.allclose(np.diff(points, 2, axis=0), 0, atol=0.11), "a straight line stays straight"
    assert points[0, 1] < points[-1, 1] and points[0, 0] < points[-1, 0], "downwards and to the right"
    words = {element.text for element in root.iter() if element.text}
    assert {"One & two", "Spatial frequency (lp/mm)", "MTF", "A < B"} <= words


@pytest.mark.parametrize("y", [[], [np.nan, np.nan], [np.inf, -np.inf]])
def test_nothing_finite_gives_no_plot(y):
    assert svg(curves(Curve("Empty", np.arange(len(y), dtype=float), np.array(y, float)))) == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12), (1e-9, 3e-9), (0, 7e6), (5, 5.001)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 13
    assert low - 1e-9 * (high - low) <= found[0] and found[-1] <= high + 1e-9 * (high - low)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0])
    assert f"{steps[0]:.3e}"[:5] in ("1.000", "2.000", "5.000")


def decoded(address: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        file.write_bytes(base64.b64decode(address.removeprefix("data:image/png;base64,")))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


def test_the_picture_has_the_shape_in_millimetres_and_shows_the_slice_of_the_segments():
    array = np.zeros((5, 10, 20), np.float32)
    array[3] = np.arange(20)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 4.0, 2.0))
    inside = np.zeros(array.shape, np.uint8)
    inside[3, 2:8, 4:16] = 1
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(image)
    pixels = decoded(slice_picture(image, Labels.from_masks([("A", mask)], [(1.0, 0.0, 0.0)]), side=200))
    assert pixels.shape == (200, 100, 3)
    red = (pixels == (255, 0, 0)).all(axis=-1)
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 159, 20, 79)
    assert not red[60:140, 40:60].any(), "an outline, not a filled area"
    assert pixels[0, 0, 0] < pixels[0, -1, 0], "the slice with the ramp, not the empty one"


def test_the_page_holds_every_number_reason_and_escaped_name_without_network_or_script_of_its_own():
    inputs = examples(QualityReport, optional=True)
    wild = Labels(inputs["regions"].layers, inputs["regions"].segments).renamed(Segment_1="<b>Left & right</b>")
    given = {**inputs, "regions": wild}
    result = execute(QualityReport(), given)
    text = quality_page(result.outputs, inputs["image"], title="A & B", warnings=["Careful <here>"])
    assert "<title>A &amp; B</title>" in text and "Careful &lt;here&gt;" in text
    assert "&lt;b&gt;Left &amp; right&lt;/b&gt;" in text and "<b>Left" not in text
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert ' style="' not in text, "the content policy allows the one style sheet only"
    for section in {row["section"] for row in result.outputs["table"].rows}:
        assert f"<h2>{section}</h2>" in text
    for row in result.outputs["table"].rows:
        assert row["title"] in text.replace("&#x27;", "'") or not row.get("key")
        assert row["status"] in text


def test_other_outputs_of_the_package_make_a_page_as_well(tmp_path):
    from MedImgAnalysisLib.quality.compare_images import CompareImages

    inputs = examples(CompareImages)
    result = execute(CompareImages(), inputs)
    path = write_quality_page(tmp_path / "page.html", result.outputs, inputs["reference"])
    text = path.read_text(encoding="utf-8")
    assert "PSNR" in text and "data:image/png" in text and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileError, match="folder"):
        write_quality_page(tmp_path, result.outputs, inputs["reference"])


def test_many_measures_of_few_things_go_down_the_page_and_not_out_of_it():
    columns = (
        Column("segment", "Segment", "", "", str),
        *(Column(f"m{n}", f"M{n}", "mm", f"Text {n}") for n in range(60)),
    )
    few = tuple({"segment": name, **{f"m{n}": float(n) for n in range(60)}} for name in ("liver", "spleen"))
    text = quality_page({"table": Measurements(columns, few)}, None)
    assert text.count("<tr>") == 61 and "<thead>" not in text
    assert '<td>M7</td><td class="n">7</td><td class="n">7</td>' in text and "Text 7" in text
    many = quality_page({"table": Measurements(columns, few * 3)}, None)
    assert many.count("<tr>") == 7 and "<thead>" in many

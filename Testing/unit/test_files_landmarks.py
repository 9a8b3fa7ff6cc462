"""Points on disk come back in LPS millimetres, whatever system the file names, and wrong lines are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError, InputError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Landmarks

ENDINGS = (".mrk.json", ".fcsv", ".csv")
POINTS = np.array([[1.5, -2.25, 3.125], [0.1, 0.2, 0.3]])


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1, max_size=5),
    name=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=20),
)
def test_every_digit_and_name_survives(
    ending: str, points: list[tuple[float, float, float]], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("p") / f"a{ending}"
    given_ = Landmarks(tuple(f"{name}{n}" for n in range(len(points))), np.array(points))
    back = files.read(files.write(given_, path), "landmarks")
    assert back.names == given_.names
    assert np.array_equal(back.points, given_.points)


@pytest.mark.parametrize(
    ("system", "signs"),
    (("LPS", (1, 1, 1)), ("1", (1, 1, 1)), ("RAS", (-1, -1, 1)), ("0", (-1, -1, 1)), (None, (-1, -1, 1))),
)
def test_the_header_of_an_fcsv_names_the_system(system: str | None, signs: tuple[int, ...], tmp_path: Path) -> None:
    head = f"# CoordinateSystem = {system}\n" if system else ""
    text = (
        f"# Markups fiducial file version = 4.10\n{head}"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        'vtkMRMLMarkupsFiducialNode_0,1.5,-2.25,3.125,0,0,0,1,1,1,0,"F, 1",,\n'
    )
    found = files.read(write(tmp_path / "a.fcsv", text), "landmarks")
    assert found.names == ("F, 1",)
    assert np.array_equal(found.points, POINTS[:1] * signs)


@pytest.mark.parametrize(("system", "signs"), (("LPS", (1, 1, 1)), ("RAS", (-1, -1, 1)), ("0", (-1, -1, 1))))
def test_a_markups_file_names_its_system(system: str, signs: tuple[int, ...], tmp_path: Path) -> None:
    points = [
        {"id": str(n), "label": f"F-{n}", "position": p, "positionStatus": s}
        for n, (p, s) in enumerate(((POINTS[0].tolist(), "defined"), ([0, 0, 0], "undefined")))
    ]
    content = {"markups": [{"type": "Fiducial", "coordinateSystem": system, "controlPoints": points}]}
    said: list[str] = []
    path = write(tmp_path / "a.mrk.json", json.dumps(content))
    found = files.read(path, "landmarks", Progress(on_warning=said.append))
    assert np.array_equal(found.points, POINTS[:1] * signs)
    assert "1 points without a defined position" in said[0]


def test_one_of_several_lists_is_chosen_by_name(tmp_path: Path) -> None:
    lists = [
        {"name": name, "coordinateSystem": "LPS", "controlPoints": [{"label": "a", "position": [n, n, n]}]}
        for n, name in enumerate(("fixed", "moving"))
    ]
    path = write(tmp_path / "a.mrk.json", json.dumps({"markups": lists}))
    with pytest.raises(FileError, match=r"2 lists of points; choose one as .*#NAME of fixed, moving"):
        files.read(path, "landmarks")
    assert files.read(f"{path}#moving", "landmarks").points.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    "text",
    (
        "name,x,y,z\nA,1.5,-2.25,3.125\nB,0.1,0.2,0.3\n",
        "x;y;z;label\n1.5;-2.25;3.125;A\n0.1;0.2;0.3;B\n",
        "label,x_lps_mm,y_lps_mm,z_lps_mm\nA,1.5,-2.25,3.125\nB,0.1,0.2,0.3\n",
        "label,x_ras_mm,y_ras_mm,z_ras_mm\nA,-1.5,2.25,3.125\nB,-0.1,-0.2,0.3\n",
        "label\tR\tA\tS\nA\t-1.5\t2.25\t3.125\nB\t-0.1\t-0.2\t0.3\n",
        "\ufeff# LPS mm\nid,L,P,S\nA,1.5,-2.25,3.125\n\nB,0.1,0.2,0.3\n",
    ),
)
def test_csv_columns_are_found_by_their_names(text: str, tmp_path: Path) -> None:
    found = files.read(write(tmp_path / "a.csv", text), "landmarks")
    assert (found.names, found.points.tolist()) == (("A", "B"), POINTS.tolist())


def test_a_csv_without_header_or_names_is_numbered(tmp_path: Path) -> None:
    found = files.read(write(tmp_path / "a.csv", "1,2,3\n4,5,6\n"), "landmarks")
    assert (found.names, found.points.tolist()) == (("1", "2"), [[1, 2, 3], [4, 5, 6]])


def test_a_prefix_chooses_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,fixed_x,fixed_y,fixed_z,moving_x,moving_y,moving_z\n0,1,2,3,4,5,6\n")
    assert files.read(f"{path}#moving", "landmarks").points.tolist() == [[4, 5, 6]]
    with pytest.raises(FileError, match=r"choose one of a\.csv#fixed, a\.csv#moving"):
        files.read(path, "landmarks")


@pytest.mark.parametrize(
    ("name", "text", "word"),
    (
        ("a.csv", "x,y,z\n1,2,3\nnan,5,6\n7,abc,9\n1,2\n", r"line 3 \(nan, 5, 6\); line 4 \(7, abc, 9\); line 5"),
        ("a.csv", "a,b\n1,2\n", "no columns x, y and z"),
        ("a.csv", "", "is empty"),
        ("a.csv", "x,y,z\n", "no points"),
        ("a.fcsv", "# CoordinateSystem = IJK\n1,1,2,3\n", "'IJK' is not supported"),
        ("a.fcsv", "1,1,2,inf\n", "line 1"),
        ("a.mrk.json", "{", "no valid markups"),
        ("a.mrk.json", '{"markups": [{"controlPoints": [{}]}]}', "KeyError"),
        ("a.mrk.json", '{"markups": [{"coordinateSystem": "IJK"}]}', "'IJK'"),
        ("a.mrk.json", '{"markups": []}', "0 lists"),
        ("a.mrk.json", '{"markups": [{"controlPoints": [{"label": "Q", "position": [1, 2]}]}]}', "point 'Q'"),
        ("a.txt", "index\n1\n1 2 3\n", "voxel indices"),
        ("a.txt", "point\n3\n1 2 3\n", "line 2 says 3"),
    ),
)
def test_what_is_wrong_is_named(name: str, text: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        files.read(write(tmp_path / name, text), "landmarks")


def test_points_pair_by_name_else_by_order_and_only_in_equal_number() -> None:
    first = Landmarks(("a", "b"), POINTS)
    assert np.array_equal(first.paired_with(Landmarks(("b", "a"), POINTS[::-1]))[1], POINTS)
    assert np.array_equal(first.paired_with(Landmarks(("x", "a"), POINTS[::-1]))[1], POINTS[::-1])
    with pytest.raises(InputError, match="2 points against 1"):
        first.paired_with(Landmarks(("a",), POINTS[:1]))


def test_real_points_are_read(data_dir: Path) -> None:
    lung = files.read(data_dir / "reg_lung/fixed_landmarks51.txt", "landmarks")
    assert np.array_equal(lung.points, np.loadtxt(data_dir / "reg_lung/fixed_landmarks51.txt", skiprows=2))
    table = np.genfromtxt(data_dir / "reg_ct_synth/landmarks.csv", delimiter=",", skip_header=2)
    for n, part in enumerate(("fixed", "moving")):
        found = files.read(f"{data_dir}/reg_ct_synth/landmarks.csv#{part}", "landmarks")
        assert np.array_equal(found.points, table[:, 1 + 3 * n : 4 + 3 * n])
    truth = files.read(data_dir / "reg_ct_synth/truth_transform.tfm", "transform")
    moved = np.array([truth.TransformPoint(point) for point in table[:, 1:4].tolist()])
    assert np.abs(moved - table[:, 4:]).max() < 0.01, "the transform maps points of the fixed image to the moving one"

"""`medimg apply`: one operation on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import blob, leftovers, medimg
from MedImgAnalysisLib import __version__
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.blockwise import set_thread_count, thread_count
from MedImgAnalysisLib.filtering import Gaussian


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "t1 ü=1.nrrd"
    sitk.WriteImage(blob(), str(path))
    return path


def pixels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_the_file_holds_what_the_operation_gives(image_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "smooth.nrrd"
    assert (
        main(
            [
                "apply",
                "gaussian",
                "--in",
                f"image={image_file}",
                "--set",
                "sigma_mm=1.5",
                "--out",
                f"image={out}",
                "--quiet",
            ]
        )
        == 0
    )
    expected = Gaussian(sigma_mm=1.5).run(sitk.ReadImage(str(image_file)))
    assert np.array_equal(pixels(out), sitk.GetArrayFromImage(expected))
    assert leftovers(tmp_path) == []


def test_with_one_role_the_file_alone_is_enough_even_with_an_equal_sign_in_it(image_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "a=b.nii.gz"
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", str(out), "--quiet"]) == 0
    assert pixels(out).shape == pixels(image_file).shape


def test_json_mode_prints_one_object_with_numbers_units_and_files(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seg.seg.nrrd"
    assert (
        main(
            [
                "apply",
                "auto_threshold",
                "--in",
                str(image_file),
                "--set",
                "bins=128",
                "--out",
                f"labels={out}",
                "--json",
            ]
        )
        == 0
    )
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert captured.err == ""
    assert data["operation"] == "auto_threshold" and data["version"] == __version__
    assert data["parameters"] == {"method": "otsu", "side": "bright", "bins": 128, "segment": "Foreground"}
    assert data["outputs"] == {"labels": str(out)} and out.is_file()
    row = data["measurements"]["table"][0]
    voxels = int(np.count_nonzero(pixels(image_file) > row["threshold"]))
    assert row["voxels"] == voxels and row["volume_ml"] == pytest.approx(voxels * 2 / 1000)
    assert data["columns"]["table"]["volume_ml"]["unit"] == "ml"
    assert set(row) == set(data["columns"]["table"])
    assert data["warnings"] == [] and data["seconds"] >= 0


def test_an_undefined_number_is_null_with_a_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, full = sitk.Image(8, 8, 8, sitk.sitkUInt8), sitk.Image(8, 8, 8, sitk.sitkUInt8) + 1
    sitk.WriteImage(empty, str(tmp_path / "empty.nrrd"))
    sitk.WriteImage(full, str(tmp_path / "full.nrrd"))
    arguments = [
        "apply",
        "compare_segmentations",
        "--in",
        f"reference={tmp_path / 'full.nrrd'}",
        "--in",
        f"test={tmp_path / 'empty.nrrd'}",
        "--json",
    ]
    assert main(arguments) == 0
    row = json.loads(capsys.readouterr().out)["measurements"]["table"][0]
    assert row["precision"] is None and row["status"] != ""
    assert row["dice"] == 0


def test_warnings_are_in_the_object_and_not_on_the_error_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = blob()
    image.SetSpacing((0.5, 0.5, 8.0))
    sitk.WriteImage(image, str(tmp_path / "x.nrrd"))
    arguments = ["apply", "median", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd")]
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert "uneven" in json.loads(captured.out)["warnings"][0] and captured.err == ""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "warning: The spacing is very uneven" in captured.err and captured.out == ""


def test_a_table_is_printed_for_people_without_json(image_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", "auto_threshold", "--in", str(image_file)]) == 0
    captured = capsys.readouterr()
    assert "volume_ml" in captured.out and " ml" in captured.out and captured.err == ""


def test_settings_change_what_a_preset_gives(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "apply",
        "median",
        "--in",
        str(image_file),
        "--out",
        str(tmp_path / "y.nrrd"),
        "--json",
        "--preset",
        "3 x 3 in plane",
    ]
    assert main([*arguments, "--set", "radius_voxels=2"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == {"radius_voxels": 2, "in_plane": True}


def test_a_file_name_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sitk.WriteImage(blob(), str(tmp_path / "-x.nrrd"))
    assert main(["apply", "gaussian", "--in", "-x.nrrd", "--out", "-y.nrrd", "--quiet"]) == 0
    assert (tmp_path / "-y.nrrd").is_file()


@pytest.mark.parametrize("spelling", ["{0}", "image={0}", "{1}/../{2}/{3}"])
def test_an_input_is_never_overwritten(spelling: str, image_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = image_file.read_bytes()
    out = spelling.format(image_file, image_file.parent, image_file.parent.name, image_file.name)
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", out]) == 2
    assert "is an input" in capsys.readouterr().err
    assert image_file.read_bytes() == before


def test_an_input_is_not_overwritten_through_a_link(image_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.nrrd"
    link.symlink_to(image_file)
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", str(link)]) == 2
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("out", "word"),
    [
        ("{0}/no/such/y.nrrd", "does not exist"),
        ("{0}", "is a folder"),
        ("{0}/y.txt", ".txt"),
        ("{0}/y", "without an ending"),
        ("{0}/" + "y" * 300 + ".nrrd", "cannot be made: File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    out: str,
    word: str,
    image_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def not_now(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr("MedImgAnalysisLib.commands.apply.execute", not_now)
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", out.format(tmp_path)]) == 2
    assert word in capsys.readouterr().err


def test_two_outputs_in_one_file_are_refused(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "y.nrrd"
    status = main(
        [
            "apply",
            "register",
            "--in",
            f"fixed={image_file}",
            "--in",
            f"moving={image_file}",
            "--out",
            f"image={out}",
            "--out",
            f"transform={tmp_path / 'Y.NRRD'}",
        ]
    )
    assert status == 2 and "same file" in capsys.readouterr().err


def test_when_one_output_cannot_be_written_none_appears(
    image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from MedImgAnalysisLib import files

    real = files.write

    def failing(value: object, path: Path, kind: str | None = None) -> Path:
        if kind == "table":
            raise files.FileError(f"{path}: the disk is full.")
        return real(value, path, kind)

    monkeypatch.setattr(files, "write", failing)
    before = sorted(tmp_path.iterdir())
    assert (
        main(
            [
                "apply",
                "auto_threshold",
                "--in",
                str(image_file),
                "--out",
                f"labels={tmp_path / 'a.seg.nrrd'}",
                "--out",
                f"table={tmp_path / 'b.csv'}",
            ]
        )
        == 2
    )
    assert "disk is full" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_header_and_its_data_file_arrive_together(image_file: Path, tmp_path: Path) -> None:
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", str(tmp_path / "y.mhd"), "--quiet"]) == 0
    assert pixels(tmp_path / "y.mhd").shape == pixels(image_file).shape
    assert leftovers(tmp_path) == []


def test_nothing_to_keep_is_said_before_the_work(image_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", "gaussian", "--in", str(image_file)]) == 2
    assert "nothing would be kept" in capsys.readouterr().err


def test_threads_are_set(image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = thread_count()
    try:
        assert (
            main(
                [
                    "apply",
                    "gaussian",
                    "--in",
                    str(image_file),
                    "--out",
                    str(tmp_path / "y.nrrd"),
                    "--threads",
                    "1",
                    "--json",
                ]
            )
            == 0
        )
        assert json.loads(capsys.readouterr().out)["provenance"]["threads"] == 1
    finally:
        set_thread_count(before)


def test_one_segment_of_a_file_is_named_behind_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = sitk.Image(8, 8, 8, sitk.sitkUInt8)
    labels[1, 1, 1] = 1
    labels[2:5, 2, 2] = 2
    sitk.WriteImage(labels, str(tmp_path / "two.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(512, dtype=np.float32).reshape(8, 8, 8)), str(tmp_path / "x.nrrd"))
    assert (
        main(
            [
                "apply",
                "auto_threshold",
                "--in",
                f"image={tmp_path / 'x.nrrd'}",
                "--in",
                f"mask={tmp_path / 'two.nrrd'}#2",
                "--json",
            ]
        )
        == 0
    )
    row = json.loads(capsys.readouterr().out)["measurements"]["table"][0]
    assert (
        row["voxels"] + round(row["voxels"] / row["fraction"]) > row["voxels"]
        and round(row["voxels"] / row["fraction"]) == 3
    )


def test_the_program_as_a_process_gives_the_same_file(image_file: Path, tmp_path: Path) -> None:
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", str(tmp_path / "a.nrrd"), "--quiet"]) == 0
    done = medimg("apply", "gaussian", "--in", image_file.name, "--out", "b.nrrd", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "image: b.nrrd\n")
    assert np.array_equal(pixels(tmp_path / "a.nrrd"), pixels(tmp_path / "b.nrrd"))

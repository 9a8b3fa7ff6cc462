"""How the command line is read: roles, values, and errors of one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cases_testing import blob, medimg
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib.__main__ import main, parser
from MedImgAnalysisLib.commands.arguments import FLAGS, VALUE_OPTIONS, UsageError, bound, joined, settings
from MedImgAnalysisLib.errors import ParameterError


def test_role_counts_only_when_it_is_a_role() -> None:
    assert bound(["fixed=a=b.nrrd", "moving=c"], ["fixed", "moving"], "--in", None) == {
        "fixed": ["a=b.nrrd"],
        "moving": ["c"],
    }
    assert bound(["a=b.nrrd"], ["image"], "--out", "image") == {"image": ["a=b.nrrd"]}
    assert bound(["./image=b.nrrd"], ["image"], "--in", "image") == {"image": ["./image=b.nrrd"]}


@given(st.text(min_size=1).filter(lambda text: "=" not in text), st.text(min_size=1))
def test_whatever_stands_behind_a_role_is_the_path(role: str, path: str) -> None:
    assert bound([f"{role}={path}"], [role], "--in", None) == {role: [path]}


def test_a_misspelt_role_is_not_taken_for_a_file() -> None:
    with pytest.raises(UsageError, match=r"no 'imgae', did you mean 'image'.*\./imgae=x\.nrrd"):
        bound(["imgae=x.nrrd"], ["image"], "--out", "image")


def test_without_a_role_several_roles_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="fixed, moving"):
        bound(["x.nrrd"], ["fixed", "moving"], "--in", None)
    with pytest.raises(UsageError, match="missing"):
        bound(["fixed="], ["fixed", "moving"], "--in", None)


def test_values_may_begin_with_a_dash_but_options_stay_options() -> None:
    assert joined(["--set", "-1=2", "--in", "-x.nrrd"]) == ["--set=-1=2", "--in=-x.nrrd"]
    assert joined(["--in", "--out", "x"]) == ["--in", "--out", "x"]
    assert joined(["--in", "--json"]) == ["--in", "--json"]
    assert joined(["--", "--in", "-x"]) == ["--", "--in", "-x"]


def test_every_option_of_every_command_is_known_to_the_reader_of_words():
    values, flags = set(), set()
    commands = next(action for action in parser()._actions if action.dest == "command").choices
    for one in (parser(), *commands.values()):
        for action in one._actions:
            (flags if action.nargs == 0 else values).update(action.option_strings)
    assert values == set(VALUE_OPTIONS)
    assert flags - values == set(FLAGS), "--scene has a value in run and none in batch"


def test_settings_keep_all_after_the_first_equal_sign_and_refuse_doubles() -> None:
    assert settings(["a=-5", "b=x=y", "c="]) == {"a": "-5", "b": "x=y", "c": ""}
    with pytest.raises(ParameterError, match="twice"):
        settings(["a=1", "a=2"])
    with pytest.raises(UsageError, match="NAME=VALUE"):
        settings(["a"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "COMMAND"),
        (["nonsense"], "nonsense"),
        (["apply"], "NAME"),
        (["apply", "gaussian"], "--in image=FILE"),
        (["apply", "gaussian", "--in"], "--in"),
        (["apply", "gaussian", "--in", "--out", "x.nrrd"], "--in"),
        (["apply", "gaussian", "--in", "x.nrrd", "--nonsense"], "--nonsense"),
        (["apply", "gaussian", "--in", "x.nrrd", "--in", "y.nrrd", "--out", "z.nrrd"], "2 times"),
        (["apply", "gaussian", "--threads", "0", "--in", "x.nrrd"], "at least 1"),
        (["apply", "gaussian", "--set", "sigma=1", "--in", "x", "--out", "y.nrrd"], "sigma_mm"),
        (["apply", "gaussian", "--set", "sigma_mm=99999", "--in", "x", "--out", "y.nrrd"], "sigma_mm"),
        (["apply", "gaussian", "--set", "sigma_mm=nan", "--in", "x", "--out", "y.nrrd"], "sigma_mm"),
        (["apply", "gaussian", "--preset", "nonsense", "--in", "x", "--out", "y.nrrd"], "nonsense"),
        (["apply", "register", "--in", "fixed=x", "--out", "transform=t.h5"], "moving"),
        (["apply", "gaussian", "--in", "missing.nrrd", "--out", "y.nrrd"], "missing.nrrd"),
        (["run", "missing.json", "--out", "x"], "missing.json"),
        (["run", "missing.json"], "--out"),
        (["batch", "missing.json", "missing.csv", "--out", "x"], "missing.json"),
        (["batch", "r.json", "c.csv", "--out", "x", "--workers", "-2"], "at least 0"),
        (["verify", "missing"], "missing"),
        (["describe", "nonsense"], "nonsense"),
    ],
)
def test_a_wrong_request_is_status_2_and_one_line_that_names_it(
    arguments: list[str],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert word in captured.err
    assert captured.err.count("\n") == 1 and captured.err.startswith("medimg")
    assert list(tmp_path.iterdir()) == []


def test_the_same_error_in_json_mode_is_one_object_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["apply", "gaussian", "--in", str(tmp_path / "no.nrrd"), "--out", str(tmp_path / "y.nrrd"), "--json"]) == 2
    )
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["kind"] == "FileError" and error["path"] == str(tmp_path / "no.nrrd") and "no.nrrd" in error["message"]
    assert captured.err == ""
    assert main(["apply", "gaussian", "--nonsense", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "UsageError"
    assert main(["describe", "gausian", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["operation"] == "gausian"


def test_the_traceback_comes_only_with_debug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "no")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "no"), "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_error_that_nobody_foresaw_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("first line\nsecond line")

    import SimpleITK as sitk

    sitk.WriteImage(blob(), str(tmp_path / "x.nrrd"))
    monkeypatch.setattr("MedImgAnalysisLib.commands.apply.execute", broken)
    arguments = ["apply", "gaussian", "--in", str(tmp_path / "x.nrrd"), "--out", str(tmp_path / "y.nrrd")]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "RuntimeError: first line second line" in err and err.count("\n") == 1
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "RuntimeError",
        "message": "first line second line",
    }


def test_help_is_given_and_is_no_error() -> None:
    for words in (["--help"], ["apply", "--help"], ["batch", "-h"]):
        done = medimg(*words)
        assert done.returncode == 0 and "usage: medimg" in done.stdout and done.stderr == ""


def test_an_existing_file_whose_name_has_an_equal_sign_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.seg.nrrd").touch()
    for spec in ("a=b.seg.nrrd", "a=b.seg.nrrd#Liver"):
        assert bound([spec], ["mask"], "--in", "mask") == {"mask": [spec]}
    with pytest.raises(UsageError, match=r"there is no 'c'; there are mask"):
        bound(["c=b.seg.nrrd"], ["mask"], "--in", "mask")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "medimg: the following arguments are required: COMMAND. See medimg --help."),
        (["describe"], "medimg: describe: the following arguments are required: NAME. See medimg describe --help."),
    ],
)
def test_a_wrong_request_names_the_program_once(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines() == [said]

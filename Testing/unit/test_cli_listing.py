"""`medimg operations`, `describe`, `recipe-schema`, and what starting the program costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cases_testing import environment, medimg, recipe_data
from MedImgAnalysisLib import __version__, catalog
from MedImgAnalysisLib.__main__ import main


def test_operations_lists_every_operation_under_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations"]) == 0
    out = capsys.readouterr().out
    for operation in catalog.OPERATIONS.values():
        assert f"  {operation.name} " in out
        assert f"{operation.group}\n" in out


def test_operations_as_json_is_one_object_with_roles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--json"]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert {entry["name"] for entry in data["operations"]} == set(catalog.OPERATIONS)
    gaussian = next(entry for entry in data["operations"] if entry["name"] == "gaussian")
    assert gaussian["inputs"][0] == {"name": "image", "kind": "image", "required": True, "many": False}
    assert captured.err == ""


@pytest.mark.parametrize("group", ["Denoise", "denoise", "filtering"])
def test_operations_of_a_group_or_package_are_chosen_whatever_the_case(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["operations", "--json", "--group", group]) == 0
    names = {entry["name"] for entry in json.loads(capsys.readouterr().out)["operations"]}
    assert {"gaussian", "median"} <= names
    assert "register" not in names


def test_an_unknown_group_is_answered_with_the_groups_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--group", "Nonsense"]) == 2
    err = capsys.readouterr().err
    assert "Nonsense" in err and "Denoise" in err and err.count("\n") == 1


@pytest.mark.parametrize("name", sorted(catalog.OPERATIONS))
def test_describe_names_every_parameter_role_and_default(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", name]) == 0
    out = capsys.readouterr().out
    operation = catalog.OPERATIONS[name]
    for thing in (*operation.parameters(), *operation.inputs(), *operation.outputs()):
        assert f"  {thing.name} " in out
        assert thing.description in out
    assert main(["describe", name, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data["parameters"]["properties"]) == {p.name for p in operation.parameters()}


def test_an_unknown_operation_is_answered_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "gausian"]) == 2
    assert "gaussian" in capsys.readouterr().err


def test_the_recipe_schema_accepts_a_recipe_and_refuses_an_unknown_operation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["recipe-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(recipe_data(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe_data({"id": "x", "operation": "nonsense"}), schema)


def test_operations_answers_within_a_second_and_loads_neither_slicer_nor_vtk() -> None:
    # Processor time, since the clock on the wall also shows what else the machine does.
    code = (
        "import sys, time; from MedImgAnalysisLib.__main__ import main; main(['operations']); "
        "print([m for m in ('slicer', 'vtk', 'vtkmodules', 'scipy', 'pydicom', 'tqdm') if m in sys.modules]); "
        "print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    *_, loaded, seconds = done.stdout.splitlines()
    assert loaded == "[]"
    assert float(seconds) < 1.0


def test_the_module_is_the_program_and_knows_its_version() -> None:
    done = medimg("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"MedImgAnalysis {__version__}")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = (
        "import sys, os; from MedImgAnalysisLib.__main__ import main; os.close(1); r, w = os.pipe(); os.close(r); "
        "os.dup2(w, 1); sys.exit(main(['operations', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr

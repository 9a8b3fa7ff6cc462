"""The call that people type: names tell roles from parameters, and mistakes are answered with what would be right."""

from __future__ import annotations

import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.logic import OperationLogic
from scene_helpers import box, ramp, same_voxels


class FilteringLogic(OperationLogic):
    packages = ("filtering",)


@pytest.fixture
def volume():
    return bridge.add_node(ramp((12, 11, 10)), "T1", kind="image")


@pytest.fixture
def logic():
    return FilteringLogic()


def test_one_output_is_returned_as_a_node(logic, volume):
    node = logic.run("gaussian", image=volume, sigma_mm=1.5)
    expected = Gaussian(sigma_mm=1.5).run(bridge.value_of(volume, "image"))
    assert same_voxels(bridge.value_of(node, "image"), expected)


def test_several_outputs_are_returned_by_name(logic, volume):
    made = logic.run("auto_threshold", image=volume)
    assert type(made).__name__ == "AutoThresholdNodes"
    assert made.labels.GetClassName() == "vtkMRMLSegmentationNode"
    assert made.table.GetClassName() == "vtkMRMLTableNode"


def test_the_output_can_be_a_name_or_a_node(logic, volume):
    assert logic.run("gaussian", image=volume, outputs="Smooth").GetName() == "Smooth"
    target = bridge.add_node(ramp(), "Mine", kind="image")
    assert logic.run("gaussian", image=volume, outputs=target) is target
    assert logic.run("gaussian", image=volume, outputs={"image": "By role"}).GetName() == "By role"


def test_several_outputs_need_their_roles(logic, volume):
    with pytest.raises(
        ParameterError, match="auto_threshold has the outputs labels, table, histogram; give a dictionary"
    ):
        logic.run("auto_threshold", image=volume, outputs="x")


def test_a_segment_is_given_as_a_pair(logic, volume):
    mask = box((12, 11, 10), (2, 2, 2), (9, 9, 9))
    node = bridge.add_node(bridge.mask_labels(mask, "Inside"), "Seg", kind="labels")
    made = logic.run("auto_threshold", image=volume, mask=(node, "Inside"))
    inside = sitk.GetArrayFromImage(bridge.value_of(made.labels, "mask"))
    assert not inside[sitk.GetArrayFromImage(mask) == 0].any()
    assert inside.any()


def test_presets_are_a_start_that_parameters_go_over(logic, volume):
    strong = logic.run("gaussian", image=volume, preset="Strong")
    assert same_voxels(bridge.value_of(strong, "image"), Gaussian(sigma_mm=2.0).run(bridge.value_of(volume, "image")))
    over = logic.run("gaussian", image=volume, preset="Strong", sigma_mm=0.7)
    assert same_voxels(bridge.value_of(over, "image"), Gaussian(sigma_mm=0.7).run(bridge.value_of(volume, "image")))


def test_a_misspelt_argument_is_answered_with_the_nearest(logic, volume):
    with pytest.raises(ParameterError, match=r"no input or parameter 'sigma'\. Did you mean 'sigma_mm'"):
        logic.run("gaussian", image=volume, sigma=2)


def test_a_misspelt_operation_is_answered_with_the_nearest(logic, volume):
    with pytest.raises(ParameterError, match="no operation 'gausian'; did you mean gaussian"):
        logic.run("gausian", image=volume)


def test_a_value_out_of_range_is_answered_with_the_range(logic, volume):
    with pytest.raises(ParameterError, match="sigma_mm is -1; it must be"):
        logic.run("gaussian", image=volume, sigma_mm=-1)


def test_a_forgotten_input_is_named(logic):
    with pytest.raises(InputError, match="gaussian needs the input 'image'"):
        logic.run("gaussian", sigma_mm=1)


def test_none_stands_for_an_input_that_is_not_used(logic, volume):
    assert logic.run("auto_threshold", image=volume, mask=None).labels is not None


def test_a_name_instead_of_a_node_is_refused(logic):
    with pytest.raises(InputError, match="Input 'image': A node is needed for image, not 'T1'"):
        logic.run("gaussian", image="T1")


def test_the_logic_of_a_module_lists_its_operations_and_runs_all(logic, volume):
    assert {"gaussian", "median"} <= set(logic.operations())
    assert "register" not in logic.operations()
    assert "register" in OperationLogic().operations()


def test_an_operation_describes_itself(logic):
    found = logic.describe("gaussian")
    assert found["inputs"][0]["name"] == "image"
    assert "sigma_mm" in found["parameters"]["properties"]

"""Runs inside Slicer: all modules of the extension load, and a phantom goes through a filter the three ways.

ctest runs it; by hand:

    Slicer --testing --no-main-window --additional-module-paths MedImgAnalysis MedImgAnalysis/MedImgFiltering \
        MedImgAnalysis/MedImgRegistration MedImgAnalysis/MedImgSegmentation MedImgAnalysis/MedImgAgreement \
        MedImgAnalysis/MedImgQuality MedImgAnalysis/MedImgRecipes \
        --python-script Testing/slicer/test_modules_together.py
"""

import sys
import time
import unittest

import numpy as np
import SimpleITK as sitk
import slicer

MODULES = (
    "MedImgAnalysis",
    "MedImgFiltering",
    "MedImgRegistration",
    "MedImgSegmentation",
    "MedImgAgreement",
    "MedImgQuality",
    "MedImgRecipes",
)
TIMEOUT_SECONDS = 120


class ModulesTogether(unittest.TestCase):
    """The panel, the logic and the recipe give equal voxels in the real application."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_all_modules_have_a_page_and_a_logic(self):
        for name in MODULES:
            self.assertIsNotNone(slicer.util.getModuleWidget(name).logic, name)
            self.assertIsNotNone(slicer.util.getModuleLogic(name), name)

    def test_panel_logic_and_recipe_give_equal_voxels(self):
        from MedImgAnalysisLib.scene import bridge

        volume = slicer.util.getModuleLogic("MedImgAnalysis").load_sample_data()[1]
        widget = slicer.util.getModuleWidget("MedImgFiltering")
        panel = widget.panel
        panel.enter()
        panel.state.operation = "gaussian"
        panel.state.keep_parameters("gaussian", {"sigma_mm": 1.5})
        panel.state.keep_inputs("image", [volume])
        request = panel.request()
        before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
        panel.run.apply_button.click()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while panel.run.runner.running and time.monotonic() < deadline:
            slicer.app.processEvents()
        made = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetID() not in before]
        self.assertEqual(len(made), 1, panel.run.log.browser.plainText)
        by_panel = slicer.util.arrayFromVolume(made[0])
        by_logic = slicer.util.arrayFromVolume(widget.logic.run("gaussian", image=volume, sigma_mm=1.5))
        np.testing.assert_array_equal(by_panel, by_logic)
        result = request.recipe().run({"image": bridge.value_of(volume, "image")})
        (value,) = result.outputs.values()
        np.testing.assert_array_equal(by_panel, sitk.GetArrayFromImage(value))

    def test_a_recipe_put_together_on_its_page_gives_the_voxels_of_the_logic(self):
        volume = slicer.util.getModuleLogic("MedImgAnalysis").load_sample_data()[1]
        widget = slicer.util.getModuleWidget("MedImgRecipes")
        panel = widget.panel
        panel.enter()
        for operation in ("median", "gaussian"):
            panel.add_step(operation)
        panel.scene.inputs.selectors["image"].widget.setCurrentNode(volume)
        before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
        panel.run.apply_button.click()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while panel.run.runner.running and time.monotonic() < deadline:
            slicer.app.processEvents()
        made = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if node.GetID() not in before]
        self.assertEqual(len(made), 1, panel.run.log.browser.plainText)
        again = widget.logic.run(panel.node, {"image": volume})["gaussian_image"]
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(made[0]), slicer.util.arrayFromVolume(again))


if __name__ == "__main__":
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(ModulesTogether)
    outcome = unittest.TextTestRunner(verbosity=2).run(tests)
    sys.exit(0 if outcome.wasSuccessful() else 1)

"""Runs inside Slicer: the page of each module takes the phantom to its result, and leaves the volumes as they were.

ctest runs it; by hand:

    Slicer --testing --no-main-window --additional-module-paths MedImgAnalysis MedImgAnalysis/MedImgFiltering \
        MedImgAnalysis/MedImgRegistration MedImgAnalysis/MedImgSegmentation MedImgAnalysis/MedImgAgreement \
        MedImgAnalysis/MedImgQuality MedImgAnalysis/MedImgRecipes --python-script Testing/slicer/test_main_paths.py
"""

import sys
import time
import unittest

import numpy as np
import slicer

TIMEOUT_SECONDS = 180


class MainPaths(unittest.TestCase):
    """One run by the page of every module; that of MedImgRecipes is in test_modules_together.py."""

    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear()
        cls.flair, cls.t1, cls.truth = slicer.util.getModuleLogic("MedImgAnalysis").load_sample_data()

    def run_page(self, module, operation, parameters, **inputs):
        """Choose an operation on the page of a module, press Apply and wait; the new nodes by class."""
        panel = slicer.util.getModuleWidget(module).panel
        panel.enter()
        panel.state.operation = operation
        panel.state.keep_parameters(operation, parameters)
        for role, node in inputs.items():
            panel.state.keep_inputs(role, [node])
        before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLNode")}
        voxels = {node: np.array(slicer.util.arrayFromVolume(node)) for node in (self.flair, self.t1)}
        panel.run.apply_button.click()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while panel.run.runner.running and time.monotonic() < deadline:
            slicer.app.processEvents()
        for node, array in voxels.items():
            np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)
        made = {}
        for node in slicer.util.getNodesByClass("vtkMRMLNode"):
            if node.GetID() not in before and node.GetAttribute("MedImgAnalysis.Provenance"):
                made.setdefault(node.GetClassName(), []).append(node)
        panel.exit()
        self.assertTrue(made, panel.run.log.browser.plainText)
        return made

    def test_filtering_gives_a_volume(self):
        made = self.run_page("MedImgFiltering", "median", {"radius_voxels": 1}, image=self.t1)
        (volume,) = made["vtkMRMLScalarVolumeNode"]
        self.assertLess(slicer.util.arrayFromVolume(volume).std(), slicer.util.arrayFromVolume(self.t1).std())

    def test_registration_gives_a_transform_and_a_volume(self):
        parameters = {"model": "translation", "finest_mm": 8.0, "samples": 5000}
        made = self.run_page("MedImgRegistration", "register", parameters, fixed=self.flair, moving=self.t1)
        self.assertEqual(len(made["vtkMRMLLinearTransformNode"]), 1)
        (volume,) = made["vtkMRMLScalarVolumeNode"]
        self.assertEqual(volume.GetSpacing(), self.flair.GetSpacing())

    def test_segmentation_gives_a_segment_and_a_table(self):
        made = self.run_page("MedImgSegmentation", "auto_threshold", {"segment": "Head"}, image=self.flair)
        (segmentation,) = made["vtkMRMLSegmentationNode"]
        self.assertEqual(segmentation.GetSegmentation().GetNthSegment(0).GetName(), "Head")

    def test_agreement_gives_a_table(self):
        inputs = {"reference": self.truth, "test": self.truth}
        made = self.run_page("MedImgAgreement", "compare_segmentations", {"surfaces": "none"}, **inputs)
        table = made["vtkMRMLTableNode"][0].GetTable()
        self.assertEqual(table.GetNumberOfRows(), self.truth.GetSegmentation().GetNumberOfSegments())
        self.assertEqual(table.GetColumnByName("dice").GetValue(0), 1.0)

    def test_quality_gives_a_table(self):
        made = self.run_page("MedImgQuality", "compare_images", {}, reference=self.flair, test=self.flair)
        self.assertEqual(made["vtkMRMLTableNode"][0].GetTable().GetColumnByName("mse").GetValue(0), 0.0)


if __name__ == "__main__":
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(MainPaths)
    outcome = unittest.TextTestRunner(verbosity=2).run(tests)
    sys.exit(0 if outcome.wasSuccessful() else 1)

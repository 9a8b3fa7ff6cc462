"""Module MedImgQuality: how good an image is, as tables and curves with units."""

import slicer
from MedImgAnalysisLib.scene.logic import OperationLogic
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MedImgQuality(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Quality")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Measure how good an image is: signal, noise, resolution, uniformity, likeness to another image. Choose a "
            "volume, where needed a segmentation with the regions to measure, and press Apply. The result is a table "
            "and, for some measurements, a plot. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _(
            "Built on SimpleITK, NumPy and SciPy. Each measure names its definition and its source."
        )


class MedImgQualityWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is the shared panel."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OperationPanel

        self.logic = MedImgQualityLogic()
        self.panel = OperationPanel(self, package="quality")

    def cleanup(self):
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self):
        self.panel.enter()

    def exit(self):
        self.panel.exit()

    def onReload(self):
        from MedImgAnalysisLib.panel import forget_library

        self.cleanup()  # a run that goes on would take parts of two libraries
        forget_library()
        ScriptedLoadableModuleWidget.onReload(self)


class MedImgQualityLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("compare_images", reference=a, test=b)` gives the table."""

    packages = ("quality",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgQualityTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: images of known noise are measured."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def noise(self, name="Noise", seed=1):
        """A volume of mean 100 and standard deviation 10."""
        import numpy as np

        array = np.random.default_rng(seed).normal(100, 10, (16, 64, 64)).astype(np.float32)
        return slicer.util.addVolumeFromArray(array, name=name)

    def value(self, node, key, row=0):
        """A cell of a table."""
        return node.GetTable().GetColumnByName(key).GetValue(row)

    def test_an_image_has_no_error_against_itself(self):
        volume = self.noise()
        result = MedImgQualityLogic().run("compare_images", reference=volume, test=volume)
        self.assertEqual(self.value(result.table, "mse"), 0.0)

    def test_a_region_of_interest_is_measured(self):
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Middle")
        roi.SetCenter(32, 32, 8)
        roi.SetSize(40.5, 40.5, 10.5)
        result = MedImgQualityLogic().run("measure_signal", image=self.noise(), regions=roi)
        self.assertAlmostEqual(self.value(result.table, "mean"), 100, delta=0.5)
        self.assertAlmostEqual(self.value(result.table, "sd"), 10, delta=0.5)

    def test_the_integral_of_the_noise_power_is_the_variance(self):
        result = MedImgQualityLogic().run("noise_power_spectrum", image=self.noise())
        variance = self.value(result.table, "mean_roi_variance")
        self.assertAlmostEqual(self.value(result.table, "integral"), variance, places=5)
        self.assertGreater(result.curves.GetNumberOfPlotSeriesNodes(), 0)

    def test_a_report_has_a_page(self):
        import os

        logic = MedImgQualityLogic()
        result = logic.run("quality_report", image=self.noise(), subject="phantom")
        path = os.path.join(slicer.app.temporaryPath, "MedImgQualityTest.html")
        try:
            logic.save_page(path, result)
            with open(path, encoding="utf-8") as file:
                self.assertIn("Uniformity", file.read())
        finally:
            if os.path.exists(path):
                os.remove(path)

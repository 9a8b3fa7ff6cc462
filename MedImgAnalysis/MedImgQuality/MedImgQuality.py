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

        forget_library()
        ScriptedLoadableModuleWidget.onReload(self)


class MedImgQualityLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("compare_images", reference=a, test=b)` gives the table."""

    packages = ("quality",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgQualityTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: an image is like itself."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_an_image_has_no_error_against_itself(self):
        import numpy as np

        array = np.random.default_rng(1).normal(100, 10, (16, 17, 18)).astype(np.float32)
        volume = slicer.util.addVolumeFromArray(array, name="Noise")
        result = MedImgQualityLogic().run("compare_images", reference=volume, test=volume)
        table = (getattr(result, "table", None) or result).GetTable()
        self.assertEqual(table.GetColumnByName("mse").GetValue(0), 0.0)

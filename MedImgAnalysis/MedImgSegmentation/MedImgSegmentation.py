"""Module MedImgSegmentation: images in, segments out."""

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


class MedImgSegmentation(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Separate structures from their surroundings. Choose a volume, a method and its parameters, and press "
            "Apply. The result is a named segment, in a new segmentation or beside the segments of one you choose, "
            "and a table with its volume. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _(
            "Built on SimpleITK, NumPy and SciPy. Each method names the paper that it follows in its description."
        )


class MedImgSegmentationWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is the shared panel."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OperationPanel

        self.logic = MedImgSegmentationLogic()
        self.panel = OperationPanel(self, package="segmentation")

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


class MedImgSegmentationLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("auto_threshold", image=volumeNode)` gives the segmentation and the table."""

    packages = ("segmentation",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgSegmentationTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: segments are where they must be."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_a_bright_box_becomes_a_segment(self):
        import numpy as np

        array = np.zeros((10, 12, 14), np.int16)
        array[3:7, 4:9, 5:11] = 100
        volume = slicer.util.addVolumeFromArray(array, name="Box")
        result = MedImgSegmentationLogic().run("auto_threshold", image=volume, segment="Box")
        segment = result.labels.GetSegmentation().GetSegmentIdBySegmentName("Box")
        found = slicer.util.arrayFromSegmentBinaryLabelmap(result.labels, segment, volume)
        np.testing.assert_array_equal(found != 0, array == 100)
        self.assertEqual(result.table.GetTable().GetNumberOfRows(), 1)

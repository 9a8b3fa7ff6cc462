"""Module MedImgAgreement: how well segmentations agree, as tables with units."""

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


class MedImgAgreement(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Agreement")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Compare segmentations of two readers or methods. Choose the reference and the test segmentation and press "
            "Apply. The result is a table with one row per segment; a number that is not defined is empty and has its "
            "reason beside it. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _(
            "Built on SimpleITK, NumPy and SciPy. Each measure names its definition and its source."
        )


class MedImgAgreementWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is the shared panel."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OperationPanel

        self.logic = MedImgAgreementLogic()
        self.panel = OperationPanel(self, package="agreement")

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


class MedImgAgreementLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("compare_segmentations", reference=a, test=b)` gives the table."""

    packages = ("agreement",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgAgreementTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: a segmentation agrees with itself."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_a_segmentation_agrees_with_itself(self):
        import numpy as np

        array = np.zeros((10, 12, 14), np.uint8)
        array[3:7, 4:9, 5:11] = 1
        volume = slicer.util.addVolumeFromArray(array, name="Box")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Both")
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        segment = node.GetSegmentation().AddEmptySegment("box", "Box")
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segment, volume)
        result = MedImgAgreementLogic().run("compare_segmentations", reference=node, test=node)
        table = (getattr(result, "table", None) or result).GetTable()
        self.assertEqual(table.GetColumnByName("dice").GetValue(0), 1.0)
        self.assertEqual(table.GetColumnByName("tp").GetValue(0), 4 * 5 * 6)

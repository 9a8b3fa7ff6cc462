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

        self.cleanup()  # a run that goes on would take parts of two libraries
        forget_library()
        ScriptedLoadableModuleWidget.onReload(self)


class MedImgAgreementLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("compare_segmentations", reference=a, test=b)` gives the table."""

    packages = ("agreement",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgAgreementTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: known boxes are compared, agreed on and shown."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def box(self, name, shift=0):
        """A segmentation with a box of 4 x 5 x 6 voxels of 1 x 1 x 2 mm, shifted along the first axis."""
        import numpy as np

        array = np.zeros((10, 12, 14), np.uint8)
        array[3:7, 4:9, 5 + shift : 11 + shift] = 1
        volume = slicer.util.addVolumeFromArray(array, name=f"{name} grid")
        volume.SetSpacing(1.0, 1.0, 2.0)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        segment = node.GetSegmentation().AddEmptySegment("box", "Box")
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segment, volume)
        return node

    def column(self, node, key):
        """The cells of a table column."""
        column = node.GetTable().GetColumnByName(key)
        return [column.GetValue(row) for row in range(column.GetNumberOfTuples())]

    def test_a_segmentation_agrees_with_itself(self):
        node = self.box("Both")
        result = MedImgAgreementLogic().run("compare_segmentations", reference=node, test=node)
        self.assertEqual(self.column(result.table, "dice"), [1.0])
        self.assertEqual(self.column(result.table, "tp"), [4 * 5 * 6])

    def test_a_shift_is_measured_marked_and_drawn(self):
        result = MedImgAgreementLogic().run(
            "compare_segmentations",
            reference=self.box("Reader 1"),
            test=self.box("Reader 2", 2),
            mark_errors=True,
            color_surface=True,
        )
        self.assertEqual(self.column(result.table, "tp"), [4 * 5 * 4])
        self.assertAlmostEqual(self.column(result.table, "surfel_hd")[0], 2.0)
        self.assertEqual(result.errors.GetSegmentation().GetNumberOfSegments(), 3)
        low, high = result.surface.GetPolyData().GetPointData().GetArray("Distance [mm]").GetRange()
        self.assertAlmostEqual(low, -2.0)
        self.assertAlmostEqual(high, 2.0)

    def test_the_worst_slice_is_shown(self):
        from MedImgAnalysisLib.scene import places

        result = MedImgAgreementLogic().run(
            "compare_segmentations", reference=self.box("Reader 1"), test=self.box("Reader 2", 2)
        )
        view = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceNode")
        view = view or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
        view.SetOrientation("Axial")
        self.assertTrue(places.jump_to(result.table, 0))
        worst = self.column(result.table, "worst_slice_k")[0]
        self.assertAlmostEqual(view.GetSliceToRAS().GetElement(2, 3), 2.0 * worst)

    def test_two_readers_have_a_consensus(self):
        result = MedImgAgreementLogic().run(
            "consensus", raters=[self.box("Reader 1"), self.box("Reader 2", 2)], method="intersection"
        )
        table = (
            MedImgAgreementLogic()
            .run("compare_segmentations", reference=result.labels, test=self.box("Reader 1"))
            .table
        )
        self.assertEqual(self.column(table, "fn"), [0])
        self.assertEqual(self.column(table, "fp"), [4 * 5 * 2])

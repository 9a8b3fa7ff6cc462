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

        self.cleanup()  # a run that goes on would take parts of two libraries
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
        volume, inside = self.two_boxes()
        result = MedImgSegmentationLogic().run("auto_threshold", image=volume, segment="Boxes")
        self.check(result.labels, "Boxes", volume, inside)
        self.assertEqual(result.table.GetTable().GetNumberOfRows(), 1)

    def test_a_segment_grows_from_a_placed_point(self):
        volume, inside = self.two_boxes()
        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Seeds")
        points.AddControlPoint(7.0, 6.0, 4.0)
        result = MedImgSegmentationLogic().run("grow_connected", image=volume, seed_points=points, segment="Box")
        inside[:, :, 12:] = False
        self.check(result.labels, "Box", volume, inside)

    def test_cleaning_drops_the_speck_and_leaves_neighbours_alone(self):
        volume, inside = self.two_boxes()
        logic = MedImgSegmentationLogic()
        labels = logic.run("auto_threshold", image=volume, segment="Boxes").labels
        logic.run("threshold", image=volume, lower=-1.0, upper=50.0, segment="Ground", outputs={"labels": labels})
        result = logic.run("clean_segments", labels=labels, segments="Boxes", keep_largest=1)
        self.check(result.labels, "Ground", volume, ~inside)
        self.check(labels, "Boxes", volume, inside)
        inside[:, :, 12:] = False
        self.check(result.labels, "Boxes", volume, inside)

    def test_segments_are_measured_in_millilitres(self):
        volume, inside = self.two_boxes()
        logic = MedImgSegmentationLogic()
        labels = logic.run("auto_threshold", image=volume, segment="Boxes").labels
        table = logic.run("measure_segments", labels=labels, image=volume).GetTable()
        self.assertEqual(table.GetColumnByName("segment").GetValue(0), "Boxes")
        self.assertAlmostEqual(table.GetColumnByName("volume_ml").GetValue(0), inside.sum() / 1000)
        self.assertAlmostEqual(table.GetColumnByName("mean").GetValue(0), 100.0)

    def two_boxes(self):
        """A volume with voxels of 1 mm, a large and a small bright box in it, and where it is bright."""
        import numpy as np

        array = np.zeros((10, 12, 14), np.int16)
        array[3:7, 4:9, 5:11] = 100
        array[1:3, 1:3, 12:14] = 100
        return slicer.util.addVolumeFromArray(array, name="Boxes"), array == 100

    def check(self, node, name, volume, inside):
        """The segment of this name holds exactly these voxels."""
        import numpy as np

        segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume)
        np.testing.assert_array_equal(found != 0, inside)

"""Module MedImgFiltering: filters that take an image and give an image."""

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


class MedImgFiltering(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Filtering")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Denoise, enhance, correct, mask, resample and repair images. Choose a volume, a filter and its "
            "parameters, and press Apply; a segment can limit where a filter works. The result is a new volume that "
            "records how it came about. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _(
            "Built on SimpleITK, NumPy and SciPy. Each filter names the paper that it follows in its description."
        )


class MedImgFilteringWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is the shared panel."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OperationPanel

        self.logic = MedImgFilteringLogic()
        self.panel = OperationPanel(self, package="filtering")

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


class MedImgFilteringLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("gaussian", image=volumeNode, sigma_mm=1.5)` gives the new volume node."""

    packages = ("filtering",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgFilteringTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: the filters keep what they must keep."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_gaussian_keeps_a_constant_volume(self):
        import numpy as np

        volume = slicer.util.addVolumeFromArray(np.full((8, 9, 10), 7.0, np.float32), name="Constant")
        volume.SetSpacing(1.0, 1.5, 2.5)
        result = MedImgFilteringLogic().run("gaussian", image=volume, sigma_mm=2.0)
        np.testing.assert_allclose(slicer.util.arrayFromVolume(result), 7.0, rtol=1e-6)
        self.assertEqual(result.GetSpacing(), volume.GetSpacing())
        self.assertIsNot(result, volume)

    def test_median_removes_a_single_bright_voxel(self):
        import numpy as np

        array = np.zeros((7, 7, 7), np.int16)
        array[3, 3, 3] = 1000
        volume = slicer.util.addVolumeFromArray(array, name="Impulse")
        result = MedImgFilteringLogic().run("median", image=volume, radius_voxels=1)
        self.assertEqual(int(slicer.util.arrayFromVolume(result).max()), 0)
        self.assertEqual(int(slicer.util.arrayFromVolume(volume).max()), 1000)

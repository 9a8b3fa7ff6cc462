"""Module MedImgRegistration: images are aligned; transforms map fixed points to moving points."""

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


class MedImgRegistration(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Align images of one patient. Choose the fixed image that stays where it is and the moving image, and "
            "press Apply; masks can limit where the method looks. The result is a transform node, the moving image on "
            "the grid of the fixed one and a table with the motion in millimetres and degrees. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _(
            "Built on SimpleITK and NumPy. Each method names the paper that it follows in its description."
        )


class MedImgRegistrationWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is the shared panel."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OperationPanel

        self.logic = MedImgRegistrationLogic()
        self.panel = OperationPanel(self, package="registration")

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


class MedImgRegistrationLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("register", fixed=t1Node, moving=t2Node)` gives transform, aligned volume, table and curves."""

    packages = ("registration",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgRegistrationTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: a known motion comes back."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_a_known_shift_comes_back(self):
        import numpy as np

        k, j, i = np.indices((30, 34, 38))
        ball = 100.0 * ((i - 19) ** 2 / 90 + (j - 15) ** 2 / 60 + (k - 14) ** 2 / 70 < 1)
        ball[10:16, 12:18, 14:20] += 60.0
        fixed = slicer.util.addVolumeFromArray(ball.astype(np.float32), name="Fixed")
        moving = slicer.util.addVolumeFromArray(ball.astype(np.float32), name="Moving")
        moving.SetOrigin(5.0, -3.0, 2.0)
        result = MedImgRegistrationLogic().run("register", fixed=fixed, moving=moving)
        point = result.transform.GetTransformFromParent().TransformPoint((19.0, 15.0, 14.0))
        np.testing.assert_allclose(point, (24.0, 12.0, 16.0), atol=0.2)

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

        self.cleanup()  # a run that goes on would take parts of two libraries
        forget_library()
        ScriptedLoadableModuleWidget.onReload(self)


class MedImgRegistrationLogic(ScriptedLoadableModuleLogic, OperationLogic):
    """`run("register", fixed=t1Node, moving=t2Node)` gives transform, aligned volume, table and curves."""

    packages = ("registration",)

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import PanelParameters

        return PanelParameters(super().getParameterNode())


class MedImgRegistrationTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: a known motion comes back, and image, points and scene agree on its direction."""

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

    def test_a_mark_goes_the_same_way_through_image_points_and_scene(self):
        import numpy as np
        import vtk

        k, j, i = np.indices((24, 28, 32))
        mark = np.array((21.0, 9.0, 6.0))  # RAS and (i, j, k): spacing 1, origin 0
        ball = 100.0 * np.exp(-((i - mark[0]) ** 2 + (j - mark[1]) ** 2 + (k - mark[2]) ** 2) / 18)
        moving = slicer.util.addVolumeFromArray(ball.astype(np.float32), name="Moving")
        fixed = slicer.util.addVolumeFromArray(np.zeros_like(ball, np.float32), name="Fixed")
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Motion")
        motion = vtk.vtkTransform()
        motion.Translate(-4.0, 6.0, 5.0)
        motion.RotateZ(10.0)
        transform.SetMatrixTransformToParent(motion.GetMatrix())
        target = np.array(motion.TransformPoint(mark))
        logic = MedImgRegistrationLogic()
        aligned = logic.run("apply_transform", image=moving, transform=transform, reference=fixed)
        array = slicer.util.arrayFromVolume(aligned)
        found = np.unravel_index(array.argmax(), array.shape)[::-1]
        np.testing.assert_allclose(found, target, atol=1.0)
        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
        points.AddControlPoint(*mark.tolist())
        moved = logic.run("apply_transform_landmarks", landmarks=points, transform=transform).landmarks
        position = [0.0, 0.0, 0.0]
        moved.GetNthControlPointPositionWorld(0, position)
        np.testing.assert_allclose(position, target, atol=1e-4)
        points.SetAndObserveTransformNodeID(transform.GetID())
        points.GetNthControlPointPositionWorld(0, position)
        np.testing.assert_allclose(position, target, atol=1e-9)
        inverse = logic.run("invert_transform", transform=transform).transform
        composed = logic.run("compose_transforms", first=transform, second=inverse)
        still = composed.GetTransformToParent().TransformPoint(mark.tolist())
        np.testing.assert_allclose(still, mark, atol=1e-9)

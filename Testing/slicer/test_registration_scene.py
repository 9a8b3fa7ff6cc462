"""Runs inside Slicer: an aligned volume is what the moving one becomes when it is hardened under the transform node.

ctest runs it; by hand:

    Slicer --testing --no-main-window --additional-module-paths MedImgAnalysis MedImgAnalysis/MedImgRegistration \
        --python-script Testing/slicer/test_registration_scene.py

Without the application it runs on the scene of slicer-core: `python Testing/slicer/test_registration_scene.py`.
"""

import sys
import unittest
from pathlib import Path

import numpy as np
import SimpleITK as sitk

# The library is imported in the functions: where this folder is on the path, `import slicer` imports this file, too.

SIZE = (40, 36, 30)


def blank():
    """An empty image on an oblique anisotropic grid."""
    image = sitk.Image(SIZE, sitk.sitkFloat32)
    image.SetSpacing((1.1, 0.9, 1.5))
    image.SetOrigin((-20.0, 30.0, 100.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix())
    return image


def smooth_image():
    """Waves and a spot off the middle, so that no symmetry hides a wrong direction."""
    k, j, i = np.indices(SIZE[::-1])
    spot = np.exp(-((i - 26) ** 2 / 40 + (j - 12) ** 2 / 30 + (k - 18) ** 2 / 20))
    image = sitk.GetImageFromArray((500 * spot + 40 * np.sin(i / 6) + 30 * np.cos(j / 5) + k).astype(np.float32))
    image.CopyInformation(blank())
    return image


def rigid():
    """A turn about the middle and a shift."""
    middle = blank().TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in SIZE])
    return sitk.Euler3DTransform(middle, 0.1, -0.15, 0.2, (2.0, -1.5, 3.0))


def spline():
    """A b-spline over the whole grid."""
    made = sitk.BSplineTransformInitializer(blank(), [4, 4, 4])
    made.SetParameters(np.random.default_rng(0).normal(0, 1.0, len(made.GetParameters())).tolist())
    return made


def field():
    """The b-spline as displacements."""
    image = blank()
    values = sitk.TransformToDisplacementField(
        spline(), sitk.sitkVectorFloat64, SIZE, image.GetOrigin(), image.GetSpacing(), image.GetDirection()
    )
    return sitk.DisplacementFieldTransform(values)


class RegistrationScene(unittest.TestCase):
    """Rigid, b-spline and grid transforms in the real scene."""

    def setUp(self):
        import slicer

        slicer.mrmlScene.Clear()

    def check(self, transform, kind):
        from MedImgAnalysisLib.geometry import Grid
        from MedImgAnalysisLib.resampling import resample
        from MedImgAnalysisLib.scene import alignment, bridge
        from MedImgAnalysisLib.scene.logic import OperationLogic

        moving = bridge.add_node(smooth_image(), "Moving", kind="image")
        fixed = bridge.add_node(blank(), "Fixed", kind="image")
        node = bridge.add_node(transform, "T", kind="transform")
        self.assertEqual(node.GetClassName(), kind)
        aligned = OperationLogic().run("apply_transform", image=moving, transform=node, reference=fixed)
        self.assertEqual(alignment.difference(moving, node, aligned, "linear", True), "")
        moving.SetAndObserveTransformNodeID(node.GetID())
        moving.HardenTransform()
        theirs = bridge.value_of(moving, "image")
        ours = sitk.GetArrayFromImage(resample(smooth_image(), Grid.of(theirs), transform, outside=-999.0))
        near = sitk.GetArrayFromImage(
            resample(sitk.Cast(blank() + 1, sitk.sitkUInt8), Grid.of(theirs), interpolation="nearest", outside=0)
        )
        hardened = sitk.GetArrayFromImage(theirs)
        inside = (near > 0) & (ours > -999) & (hardened > hardened.min())
        self.assertGreater(inside.sum(), 5000)
        apart = np.abs(ours - hardened)[inside]
        self.assertLess(np.percentile(apart, 99), 1e-3 * np.ptp(hardened))

    def test_rigid(self):
        self.check(rigid(), "vtkMRMLLinearTransformNode")

    def test_b_spline(self):
        self.check(spline(), "vtkMRMLBSplineTransformNode")

    def test_displacement_field(self):
        self.check(field(), "vtkMRMLGridTransformNode")


if __name__ == "__main__":
    # Not the folder of this file: as `slicer` it would hide the package.
    sys.path[0] = str(Path(__file__).resolve().parents[2] / "MedImgAnalysis")
    from MedImgAnalysisLib.scene import standalone

    standalone.start()
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(RegistrationScene)
    outcome = unittest.TextTestRunner(verbosity=2).run(tests)
    sys.exit(0 if outcome.wasSuccessful() else 1)

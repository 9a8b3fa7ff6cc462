"""Module MedImgAnalysis: the host of the library, overview of the extension, sample data, self-test."""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MedImgAnalysis(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Analysis")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Informatics")]
        parent.dependencies = []
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Overview of the MedImgAnalysis extension: filtering, registration, segmentation and quality metrics with "
            "the same numbers by clicking, from Python and in a batch over many patients. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _("Built on 3D Slicer, SimpleITK, NumPy and SciPy.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the head phantom in the Sample Data module; it is computed, nothing is downloaded."""
    if not hasattr(slicer.modules, "sampledata"):
        return
    import os

    from SampleData import SampleDataLogic

    SampleDataLogic.registerCustomSampleDataSource(
        category="MedImgAnalysis",
        sampleName="MedImgAnalysisPhantom",
        uris="",
        fileNames="MedImgAnalysisPhantom.nrrd",
        nodeNames="Phantom FLAIR",
        thumbnailFileName=os.path.join(os.path.dirname(__file__), "Resources", "Icons", "MedImgAnalysis.png"),
        customDownloader=lambda source=None: MedImgAnalysisLogic().load_sample_data(),
    )


class MedImgAnalysisWidget(ScriptedLoadableModuleWidget):
    """The overview page."""

    def __init__(self, parent=None):
        self.page = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import OverviewPage

        self.logic = MedImgAnalysisLogic()
        self.page = OverviewPage(self)

    def enter(self):
        self.page.enter()

    def cleanup(self):
        if self.page is not None:
            self.page.cleanup()

    def onReload(self):
        from MedImgAnalysisLib.panel import forget_library

        self.cleanup()  # a run that goes on would take parts of two libraries
        forget_library()
        ScriptedLoadableModuleWidget.onReload(self)


class MedImgAnalysisLogic(ScriptedLoadableModuleLogic):
    """Sample data for all modules of the extension."""

    def load_sample_data(self, seed=1):
        """Add the head phantom to the scene: two volumes and the true segmentation, in this order.

        The volumes differ by a known motion; equal seeds give equal voxels.
        """
        from MedImgAnalysisLib.progress import SILENT

        nodes = self.add_sample_data(self.make_sample_data(SILENT, seed))
        if slicer.app.layoutManager() is not None:
            slicer.util.setSliceViewerLayers(background=nodes[0], fit=True)
        return nodes

    def load_public_sample(self, name):
        """Load a sample of Slicer's own, such as MRHead, through the module Sample Data; gives its node."""
        import SampleData

        return SampleData.downloadSample(name)

    def make_sample_data(self, progress, seed=1):
        """The head phantom as plain values, in any thread."""
        from MedImgAnalysisLib import phantom

        head = phantom.head(seed=seed)
        progress.check()
        return head

    def add_sample_data(self, head):
        """The nodes of a phantom: FLAIR, T1, and the true segmentation."""
        from MedImgAnalysisLib.scene import bridge

        with slicer.util.RenderBlocker():
            flair = bridge.add_node(head.flair, "Phantom FLAIR", kind="image")
            t1 = bridge.add_node(head.t1, "Phantom T1", kind="image")
            truth = bridge.add_node(head.truth, "Phantom truth", kind="labels", like=flair)
        return [flair, t1, truth]

    def add_true_lesions(self, head, flair):
        """A segmentation with the lesions of a phantom alone."""
        from MedImgAnalysisLib.scene import bridge
        from MedImgAnalysisLib.values import Labels

        lesions = next(segment for segment in head.truth.segments if segment.name == "Lesions")
        labels = Labels.from_masks([("Lesions", head.truth.mask(lesions))])
        return bridge.add_node(labels, "Phantom true lesions", kind="labels", like=flair)


class MedImgAnalysisTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: the library is the one of this module, and computes right on Slicer's own packages."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_the_library_of_this_module_is_in_use(self):
        from MedImgAnalysisLib.panel.overview import foreign_library

        self.assertEqual(foreign_library(slicer.util.modulePath("MedImgAnalysis")), "")

    def test_every_operation_describes_itself(self):
        from MedImgAnalysisLib.catalog import OPERATIONS

        for name, operation in OPERATIONS.items():
            self.assertEqual(operation().name, name)
            self.assertTrue(operation.inputs() and operation.outputs() and operation.describe()["summary"])

    def test_gaussian_widens_an_impulse_by_its_sigma(self):
        import numpy as np
        import SimpleITK as sitk
        from MedImgAnalysisLib.catalog import find
        from MedImgAnalysisLib.execution import execute

        array = np.zeros((41, 41, 41), np.float32)
        array[20, 20, 20] = 1.0
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.5, 1.0, 2.0))
        result = execute(find("gaussian")(sigma_mm=2.0), {"image": image})
        smooth = sitk.GetArrayFromImage(result.outputs["image"]).astype(float)
        for axis, spacing in enumerate((2.0, 1.0, 0.5)):
            profile = smooth.sum(axis=tuple(other for other in range(3) if other != axis))
            offset = (np.arange(41) - 20) * spacing
            inside = abs(offset) <= 6
            self.assertAlmostEqual(float(profile.argmax()), 20)
            ratio = np.log(profile[20] / profile[inside]) * 2 * 2.0**2
            np.testing.assert_allclose(ratio, offset[inside] ** 2, rtol=1e-3, atol=1e-3)

    def test_the_phantom_comes_into_the_scene_where_it_is(self):
        flair, t1, truth = MedImgAnalysisLogic().load_sample_data()
        bounds = [0.0] * 6
        flair.GetRASBounds(bounds)
        for low, high in zip(bounds[::2], bounds[1::2]):
            self.assertAlmostEqual((low + high) / 2, 0.0, places=3)
        self.assertGreater(truth.GetSegmentation().GetNumberOfSegments(), 3)
        self.assertIsNotNone(t1.GetImageData())

    def test_a_report_for_a_bug_names_nobody(self):
        from MedImgAnalysisLib.panel.bug_report import bug_report

        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MUSTERMANN^Erika")
        report = bug_report()
        self.assertIn("SimpleITK: ", report)
        self.assertIn("1 vtkMRMLScalarVolumeNode", report)
        self.assertNotIn("MUSTERMANN", report)

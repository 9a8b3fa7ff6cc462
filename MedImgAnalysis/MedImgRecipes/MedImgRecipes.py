"""Module MedImgRecipes: several operations in a row, put together once and run on nodes, sequences and cohorts."""

import slicer
from MedImgAnalysisLib.scene.recipes import RecipeLogic
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MedImgRecipes(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedImg Recipes")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Informatics")]
        parent.dependencies = ["MedImgAnalysis"]
        parent.contributors = ["MedImgAnalysis contributors"]
        parent.helpText = _(
            "Put operations of all modules in a row, and run them again and again. Add steps from the list, choose the "
            "inputs, and press Apply; a sequence is worked on frame by frame. Run on the cohort does the same for "
            "every patient of a table. Recipe from this makes a recipe from how a result came about. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url="https://github.com/MedImgAnalysis/SlicerMedImgAnalysis#readme")
        parent.acknowledgementText = _("Built on 3D Slicer, SimpleITK, NumPy and SciPy.")


class MedImgRecipesWidget(ScriptedLoadableModuleWidget):
    """The page; all of it is in the library."""

    def __init__(self, parent=None):
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from MedImgAnalysisLib.panel import RecipePanel

        self.logic = MedImgRecipesLogic()
        self.panel = RecipePanel(self)

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


class MedImgRecipesLogic(ScriptedLoadableModuleLogic, RecipeLogic):
    """`run("recipe.json", {"t1": volumeNode})` gives the new nodes by name; `recipe_from(node)` how it was made."""

    def getParameterNode(self):
        from MedImgAnalysisLib.panel import RecipeParameters

        return RecipeParameters(super().getParameterNode())


class MedImgRecipesTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: recipes run, are kept in the scene, and come from how a node was made."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def volume(self):
        import numpy as np

        k, j, i = np.indices((12, 14, 16))
        array = 100.0 * ((i - 8) ** 2 + (j - 7) ** 2 + (k - 6) ** 2 < 20) + np.random.default_rng(1).normal(
            0, 4, k.shape
        )
        node = slicer.util.addVolumeFromArray(array.astype(np.float32), name="T1")
        node.SetSpacing(1.0, 1.5, 2.0)
        return node

    def recipe(self):
        from MedImgAnalysisLib.recipe import Recipe

        return Recipe.from_data(
            {
                "medimg_recipe": 1,
                "name": "Find",
                "inputs": {"t1": {"kind": "image"}},
                "steps": [
                    {"id": "denoise", "operation": "median", "inputs": {"image": "t1"}, "outputs": {"image": "clean"}},
                    {"id": "find", "operation": "threshold", "parameters": {"lower": 50.0},
                     "inputs": {"image": "clean"}, "outputs": {"labels": "body", "table": "size"}},
                ],
                "outputs": ["clean", "body", "size"],
            }
        )  # fmt: skip

    def test_a_recipe_gives_the_voxels_of_its_steps(self):
        import numpy as np

        volume = self.volume()
        nodes = MedImgRecipesLogic().run(self.recipe(), {"t1": volume})
        self.assertEqual(list(nodes), ["clean", "body", "size"])
        from MedImgAnalysisLib.scene.logic import OperationLogic

        alone = OperationLogic().run("median", image=volume)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes["clean"]), slicer.util.arrayFromVolume(alone))
        self.assertEqual(nodes["body"].GetSegmentation().GetNumberOfSegments(), 1)

    def test_a_recipe_is_kept_in_the_scene(self):
        logic = MedImgRecipesLogic()
        node = logic.add_recipe(self.recipe())
        self.assertEqual(logic.recipes(), {"Find": self.recipe()})
        self.assertEqual(list(logic.run(node, {"t1": self.volume()})), ["clean", "body", "size"])

    def test_how_a_node_was_made_becomes_a_recipe_that_makes_it_again(self):
        from MedImgAnalysisLib.provenance import fingerprint
        from MedImgAnalysisLib.scene import bridge
        from MedImgAnalysisLib.scene.logic import OperationLogic

        volume = self.volume()
        clean = OperationLogic().run("median", image=volume)
        found = OperationLogic().run("threshold", image=clean, lower=50.0)
        table = OperationLogic().run("measure_segments", labels=found.labels, image=volume)
        history = MedImgRecipesLogic().history_of(table)
        self.assertEqual([step.operation for step in history.recipe.steps], ["median", "threshold", "measure_segments"])
        self.assertEqual(history.inputs, {"T1": volume})
        (again,) = MedImgRecipesLogic().run(history.recipe, history.inputs).values()
        self.assertEqual(fingerprint(bridge.value_of(again, "table")), fingerprint(bridge.value_of(table, "table")))

    def test_an_unfinished_recipe_is_refused_and_the_scene_stays(self):
        from MedImgAnalysisLib.errors import RecipeError
        from MedImgAnalysisLib.recipe_edit import add_step, bind, empty

        recipe, step = add_step(empty("Half"), "median")
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaises(RecipeError):
            MedImgRecipesLogic().run(bind(recipe, step, "image", None), {})
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

"""The page of a module that runs the operations of one package.

    self.panel = OperationPanel(self, package="filtering")

The parameter node is the truth: what the user does goes into it, and whatever changes it (a script, a
loaded scene) is shown. `cleanup` has to be called at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .. import catalog
from ..errors import InputError, ParameterError
from ..evidence import compared_roles
from .advice import AdviceLine
from .chooser import OperationChooser
from .form import ParameterForm
from .preview_section import PreviewSection
from .request import Request
from .run_section import RunSection
from .selectors import InputSelectors, OutputSelectors
from .state import PanelState
from .suggestions import suggest_inputs
from .tab_order import arrange

SCENE = slicer.vtkMRMLScene
MODIFIED = "ModifiedEvent"


class OperationPanel(VTKObservationMixin):
    """Fills the sections of the module's .ui file and keeps them equal to the parameter node.

    Parameters
    ----------
    module_widget
        The module's `ScriptedLoadableModuleWidget` with `logic`; gets the attribute `ui`.
    package
        Key in `catalog.PACKAGES`.
    """

    def __init__(self, module_widget: Any, package: str) -> None:
        VTKObservationMixin.__init__(self)
        self.module_widget = module_widget
        self.operations = {operation.name: operation for operation in catalog.PACKAGES[package]}
        self.state: PanelState | None = None
        self._updating = False
        self._shown = ""
        self.form: ParameterForm
        self.inputs: InputSelectors
        self.outputs: OutputSelectors
        root = slicer.util.loadUI(module_widget.resourcePath(f"UI/{module_widget.moduleName}.ui"))
        module_widget.layout.addWidget(root)
        self.root = root
        self.ui = module_widget.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.chooser = OperationChooser(list(self.operations.values()), self._operation_chosen)
        self.ui.operationSection.layout().addWidget(self.chooser.widget)
        self.preview = PreviewSection(self._complete_request)
        self.ui.runSection.layout().addWidget(self.preview.widget)
        self.run = RunSection(self.ui, module_widget.moduleName, self.request, self._idle)
        self.run.evidence_box.connect("toggled(bool)", self._evidence_chosen)
        self.run.apply_button.connect("clicked()", self.preview.switch_off)
        self.advice = AdviceLine(self._take_parameters)
        self.ui.parametersSection.layout().addWidget(self.advice.label)
        self._build(next(iter(self.operations)))
        for event, handler in (
            (SCENE.StartCloseEvent, self._scene_closes),
            (SCENE.EndCloseEvent, self._scene_replaced),
            (SCENE.EndImportEvent, self._scene_replaced),
            (SCENE.NodeRemovedEvent, self._node_removed),
        ):
            self.addObserver(slicer.mrmlScene, event, handler)
        self.enter()

    def enter(self) -> None:
        """The module is shown: follow its parameter node."""
        self._follow(PanelState(self.module_widget.logic.getParameterNode()))

    def exit(self) -> None:
        """The module is left: stop following; a run goes on."""
        self.preview.switch_off()
        self.inputs.rest()
        self._follow(None)

    def cleanup(self) -> None:
        """The module goes away: stop the run and forget the scene."""
        self.preview.cleanup()
        self.run.cleanup()
        self.inputs.cleanup()
        self._follow(None)
        self.removeObservers()

    @property
    def operation(self) -> Any:
        """The class of the chosen operation."""
        return self.operations[self._shown]

    def request(self) -> Request:
        """What Apply would run; raises `ParameterError` when the form holds something that means nothing."""
        selectors = self.inputs.selectors
        return Request(
            self.form.build(),
            {name: selector.nodes() for name, selector in selectors.items() if selector.nodes()},
            {name: selector.segment() for name, selector in selectors.items() if selector.segment()},
            {role.name: self.outputs.node(role.name) for role in self.operation.outputs()},
            bool(self.run.evidence_box.checked),
        )

    def _complete_request(self) -> Request:
        """The request, for work that starts without Apply; raises `InputError` where an input is still to be chosen."""
        missing = self.inputs.problem()
        if missing:
            raise InputError(missing)
        return self.request()

    def obstacle(self) -> str:
        """Why Apply cannot run, empty when it can."""
        if self.state is None:
            return _("There is no scene.")
        try:
            return self.inputs.problem() or self.request().obstacle()
        except ParameterError as error:
            return str(error)

    # Parameter node to page

    def _follow(self, state: PanelState | None) -> None:
        if self.state is not None:
            self.removeObserver(self.state.node, MODIFIED, self._node_modified)
        self.state = state
        if state is not None:
            self.addObserver(state.node, MODIFIED, self._node_modified)
            self._show_state()
            self._suggest()
            self._advise()
        self._check()

    def _node_modified(self, caller: Any = None, event: Any = None) -> None:
        if not self._updating:
            self._show_state()
            self._advise()

    def _show_state(self) -> None:
        if self.state is None:
            return
        self._updating = True
        try:
            name = self.state.operation
            if name and name not in self.operations:
                self.run.log.warn(
                    _("The scene names the operation {name}, which this module does not have.").format(name=name)
                )
                name = ""
            if not name:
                name = self._shown
                self.state.operation = name
            if name != self._shown:
                self._build(name)
            self.chooser.show(name)
            self._show_parameters(self.state)
            self.run.evidence_box.checked = self.state.evidence
            for role, selector in self.inputs.selectors.items():
                selector.show(self.state.inputs(role), self.state.segment(role))
            for role in self.outputs.combos:
                self.outputs.show(role, self.state.output(name, role))
        finally:
            self._updating = False
        self._check()

    def _show_parameters(self, state: PanelState) -> None:
        kept = state.parameters(self._shown)
        defaults = self.operation().values()
        wanted = {**defaults, **kept}
        if not self.form.problem() and self.form.build().values() == wanted:
            return
        try:
            self.form.show(wanted)
        except ParameterError as error:
            self.run.log.warn(
                _("The saved parameters cannot be used ({reason}); the defaults are shown.").format(reason=error)
            )
            self.form.show(defaults)
            state.keep_parameters(self._shown, defaults)

    def _build(self, name: str) -> None:
        """Make the rows of an operation; the rows of the one before go away."""
        if self._shown:
            self.preview.switch_off()
            self.inputs.cleanup()
            for old in (self.inputs, self.form, self.outputs):
                old.widget.hide()
                old.widget.setParent(None)
                old.widget.deleteLater()
        self._shown = name
        operation = self.operations[name]
        self.preview.show_for(operation)
        self.run.evidence_box.setVisible(compared_roles(operation) is not None)
        self.inputs = InputSelectors(operation.inputs(), self._inputs_changed)
        self.form = ParameterForm(operation, self._form_changed)
        self.outputs = OutputSelectors(operation.outputs(), self._outputs_changed)
        for section, part in (
            (self.ui.inputsSection, self.inputs),
            (self.ui.parametersSection, self.form),
            (self.ui.outputsSection, self.outputs),
        ):
            section.layout().addWidget(part.widget)
        arrange(self.root)

    # Page to parameter node

    def _operation_chosen(self, name: str) -> None:
        if self.state is not None and not self._updating:
            self.state.operation = name
            self._suggest()
            self._advise()

    def _form_changed(self) -> None:
        if self.state is not None and not self._updating and not self.form.problem():
            self._updating = True
            values = self.form.build().values()
            self.state.keep_parameters(self._shown, values)
            self.advice.show(values)
            self._updating = False
        self._check()

    def _take_parameters(self, values: Mapping[str, Any]) -> None:
        """Set parameters that nobody has typed."""
        self.form.show(values)
        self._form_changed()

    def _advise(self) -> None:
        """Say what is known of the inputs; parameters that nobody has touched become those that suit."""
        if self.state is not None:
            chosen = {role: selector.nodes()[0] for role, selector in self.inputs.selectors.items() if selector.nodes()}
            self.advice.update(self.operation, chosen, self.state.parameters(self._shown))

    def _evidence_chosen(self, wanted: bool) -> None:
        if self.state is not None and not self._updating:
            self.state.evidence = wanted
            self._check()

    def _inputs_changed(self) -> None:
        if self.state is not None and not self._updating:
            self._updating = True
            with slicer.util.NodeModify(self.state.node):
                for role, selector in self.inputs.selectors.items():
                    self.state.keep_inputs(role, selector.nodes())
                    self.state.keep_segment(role, selector.segment())
            self._updating = False
            self._advise()
            self._check()

    def _outputs_changed(self) -> None:
        if self.state is not None and not self._updating:
            self._updating = True
            for role in self.outputs.combos:
                self.state.keep_output(self._shown, role, self.outputs.node(role))
            self._updating = False
            self._check()

    def _suggest(self) -> None:
        """Choose inputs for required roles that have none, to save the user some clicks."""
        if self.state is not None and suggest_inputs(self.operation.inputs(), self.state):
            self._show_state()

    def _idle(self) -> None:
        """A run has ended; its results may have brought buttons."""
        arrange(self.root)
        self._check()

    def _check(self) -> None:
        """Show whether Apply can run, new names, and millimetres beside voxels."""
        if self._updating:
            return
        obstacle = self.obstacle()
        self.preview.changed()
        self.run.show_plan("")
        if self.state is None or self.form.problem():
            self.run.show_obstacle(obstacle)
            return
        request = self.request()
        self.run.show_obstacle(obstacle, "" if obstacle else request.doubt())
        self.run.show_plan("" if obstacle else request.plan_text())
        self.form.show_spacing(request.spacing())
        names = {} if obstacle else request.new_names()
        for role in self.outputs.combos:
            self.outputs.show_new_name(role, names.get(role, self.operation.title))

    # Scene

    def _scene_closes(self, caller: Any = None, event: Any = None) -> None:
        self.preview.switch_off()
        self.run.scene_closed(_("The scene was closed while the operation was running."))
        self.advice.forget()
        self._follow(None)

    def _scene_replaced(self, caller: Any = None, event: Any = None) -> None:
        if self.module_widget.parent.isEntered:
            self.enter()

    def _node_removed(self, caller: Any = None, event: Any = None) -> None:
        self.run.nodes_removed()
        self.preview.nodes_removed()

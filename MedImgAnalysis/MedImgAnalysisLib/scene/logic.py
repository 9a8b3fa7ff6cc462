"""What every module logic can do: run operations by name on nodes, from a script or the console.

logic = MedImgFilteringLogic()
smooth = logic.run("gaussian", image=volume, sigma_mm=1.5)
"""

from __future__ import annotations

import difflib
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

from .. import catalog
from ..errors import ParameterError
from ..evidence import ROLES
from ..operation import Operation
from ..progress import SILENT, Progress
from .run import run_in_scene


class OperationLogic:
    """Mix-in for module logics; has no state and needs no Qt."""

    packages: tuple[str, ...] = ()
    """Packages of the catalog whose operations the module shows; all when empty."""

    def operations(self) -> dict[str, type[Operation]]:
        """The operations of this module by name. `run` takes every operation of the catalog."""
        chosen = [catalog.PACKAGES[name] for name in self.packages or catalog.PACKAGES]
        known = {operation.name: operation for operations in chosen for operation in operations}
        return known if self.packages else {**known, **catalog.OPERATIONS}

    def describe(self, name: str) -> dict[str, Any]:
        """Roles, parameters with units and ranges, presets and text of an operation, as JSON values."""
        return catalog.find(name).describe()

    def run(
        self,
        name: str,
        *,
        progress: Progress = SILENT,
        outputs: Mapping[str, Any] | Any = None,
        preset: str | None = None,
        evidence: bool = False,
        **roles_and_parameters: Any,
    ) -> Any:
        """Run an operation on nodes and wait for it.

        Parameters
        ----------
        name
            Name in the catalog, such as "gaussian".
        progress
            Reports and stops the run.
        outputs
            By output role a node to overwrite or the name of a new node; where there is one output, just that.
        preset
            Named parameters to start from; others given here go over them.
        evidence
            Say what the filter took away: nodes `evidence`, `evidence_residual`, `evidence_spectra` and
            `evidence_histogram` beside those of the operation.
        **roles_and_parameters
            Inputs by role (a node, or a pair of segmentation node and segment id) and parameters by name.

        Returns
        -------
        The output node, or a named tuple of nodes by role when there are several outputs.

        Raises
        ------
        ParameterError
            Unknown operation, role or parameter, or a value outside its range.
        InputError
            A node cannot be used; the scene is as it was.
        """
        operation, inputs = arguments(name, preset, roles_and_parameters)
        roles = [role.name for role in operation.outputs()]
        if outputs is not None and not isinstance(outputs, Mapping):
            if len(roles) != 1:
                raise ParameterError(
                    f"{name} has the outputs {', '.join(roles)}; give a dictionary by role.",
                    operation=name,
                    field="outputs",
                )
            outputs = {roles[0]: outputs}
        made = run_in_scene(operation, inputs, outputs, progress, evidence=evidence)
        if evidence:
            roles += ROLES.values()
        if len(roles) == 1:
            return made[roles[0]]
        return namedtuple(f"{type(operation).__name__}Nodes", roles)(**{role: made.get(role) for role in roles})

    def save_page(self, path: Any, *nodes: Any) -> Any:
        """Write inputs, parameters, picture, plots and tables of a run as one HTML file; gives its path.

        `nodes` are output nodes of that run, such as the fields of what `run` returned; None are left out.
        """
        from .pages import write_page

        flat = [node for item in nodes for node in (item if isinstance(item, tuple) else (item,)) if node is not None]
        return write_page(path, flat)


def arguments(name: str, preset: str | None, given: Mapping[str, Any]) -> tuple[Operation, dict[str, Any]]:
    """The operation with its parameters and the inputs by role, told apart by their names."""
    cls = catalog.find(name)
    roles = [role.name for role in cls.inputs()]
    parameters = [parameter.name for parameter in cls.parameters()]
    for key in given:
        if key not in roles and key not in parameters:
            near = difflib.get_close_matches(key, roles + parameters, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ParameterError(
                f"{name} has no input or parameter {key!r}.{hint} Inputs: {', '.join(roles)}; "
                f"parameters: {', '.join(parameters) or 'none'}.",
                operation=name,
                field=key,
            )
    values = dict(cls.preset(preset).values()) if preset else {}
    values.update({key: value for key, value in given.items() if key in parameters})
    return cls.from_parameters(values), {key: value for key, value in given.items() if key in roles}

"""The scene file and the pictures of a case. The only part of a batch that loads a scene, and only when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import provenance
from ..errors import MedImgError, MissingPackageError
from ..files.paths import appearing
from ..progress import SILENT, Progress
from ..recipe import Recipe, RecipeResult, Step
from .plain import plain
from .thumbnails import write_small

PICTURES = "snapshots"


def require() -> None:
    """Raise `MissingPackageError` where slicer-core is not installed, without loading it."""
    if sys.modules.get("slicer") is None and find_spec("slicer") is None:
        raise MissingPackageError(
            "A scene outside Slicer needs the package slicer-core: pip install slicer-core.",
            package="slicer-core",
        )


def start() -> None:
    """Make the scene; `MissingPackageError` where slicer-core is not installed."""
    from ..scene import standalone

    standalone.start()


def write(
    folder: Path,
    recipe: Recipe,
    values: Mapping[str, Any],
    result: RecipeResult,
    *,
    mrb: Path | None,
    snapshots: bool,
    progress: Progress,
) -> list[str]:
    """Put inputs and outputs into an empty scene, save it, and take pictures of its slice views.

    Returns the pictures relative to `folder`. Where there is no OpenGL, a warning says so and there are none.
    """
    from ..scene import bridge, outputs, standalone

    standalone.clear()
    try:
        kinds = recipe.kinds()
        nodes = {name: bridge.add_node(value, name, kind=kinds[name]) for name, value in values.items()}
        given = _origins(recipe, nodes) if mrb is not None else {}
        for name, value in result.outputs.items():
            if value is not None:
                nodes[name] = bridge.add_node(value, name, kind=kinds[name], like=_like(recipe, name, nodes))
                record = dict(_record_of(name, result))
                if mrb is not None:
                    record["scene"] = _scene_entry(recipe, name, given)
                    for key in given:
                        nodes[name].AddNodeReferenceID(outputs.INPUT + key, nodes[key].GetID())
                nodes[name].SetAttribute(provenance.ATTRIBUTE, json.dumps(plain(record)))
        if mrb is not None:
            with appearing(mrb) as place:
                standalone.save_mrb(place)
        return _pictures(folder, recipe, nodes, progress) if snapshots else []
    finally:
        standalone.clear()


def _record_of(name: str, result: RecipeResult) -> Mapping[str, Any]:
    return next(record for record in result.records if name in record["results"].values())


def _origins(recipe: Recipe, nodes: Mapping[str, Any]) -> dict[str, Any]:
    """What the scene knows of the inputs: the hashes are those of what the nodes give back to a run."""
    from ..scene.held import held_inputs
    from ..scene.sources import Source, values_of

    sources = {name: Source.of(name, recipe.inputs[name], node) for name, node in nodes.items()}
    values = values_of(recipe, sources, True, SILENT)
    held = held_inputs(recipe, values)
    return {
        name: {"name": name, "id": node.GetID(), "sha256": provenance.fingerprint(values[name]), **held[name]}
        for name, node in nodes.items()
    }


def _scene_entry(recipe: Recipe, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What repeats the run in the scene, as for a run that was started there, see `scene.verify`."""
    step = next(step for step in recipe.steps if step.enabled and name in step.outputs.values())
    role = next(role for role, made in step.outputs.items() if made == name)
    return {"output": name, "role": role, "world": True, "recipe": recipe.as_data(), "inputs": dict(given)}


def _like(recipe: Recipe, name: str, nodes: Mapping[str, Any]) -> Any:
    """The node of the image on whose grid a result lies: the first image of its step that is in the scene."""
    kinds = recipe.kinds()
    for step in recipe.steps:
        if step.enabled and name in step.outputs.values():
            return next((nodes[s] for s in step.sources if s in nodes and kinds[s] == "image"), None)
    return None


def _pictures(folder: Path, recipe: Recipe, nodes: Mapping[str, Any], progress: Progress) -> list[str]:
    from ..scene import sequences, views
    from ..scene.opengl import probe

    reason = probe()
    if reason:
        progress.warn(f"There are no pictures: {reason}.")
        return []
    # Of a sequence the pictures show the first frame, which is what its proxy holds.
    seen = {name: next(iter(sequences.proxies_of(node)), node) if sequences.is_sequence(node) else node
            for name, node in nodes.items()}  # fmt: skip
    place = folder / PICTURES
    place.mkdir()
    written: list[Path] = []
    try:
        for prefix, shown in scenes_to_show(recipe, nodes):
            written += views.save_slices(
                place, **{role: seen[name] for role, name in shown.items()}, prefix=f"{prefix}-"
            )
    except (MedImgError, RuntimeError) as error:
        progress.warn(f"Pictures could not be taken: {error}")
    for path in written:
        write_small(path)
    if not written:
        place.rmdir()
    return [path.relative_to(folder).as_posix() for path in written]


def scenes_to_show(recipe: Recipe, names: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """What to take pictures of, as (prefix, role to name).

    Each segmentation on its image, each registered image on the fixed one, every other image alone.
    """
    kinds = recipe.kinds()
    makers = {target: step for step in recipe.steps if step.enabled for target in step.outputs.values()}

    def ground(name: str) -> str | None:
        """The image in the scene on which a result lies, going back to what it was made of."""
        if kinds[name] == "image" and name in names:
            return name
        return under(makers[name]) if name in makers else None

    def under(step: Step) -> str | None:
        bound = {role: name for role, name in step.inputs.items() if isinstance(name, str)}
        ordered = sorted(bound, key=lambda role: (role != "fixed", kinds[bound[role]] != "image"))
        sources = [bound[role] for role in ordered if kinds[bound[role]] in ("image", "mask", "labels")]
        return next((image for image in map(ground, sources) if image is not None), None)

    found: list[tuple[str, dict[str, str]]] = []
    for name in recipe.outputs:
        image = under(makers[name]) if name in names else None
        if kinds[name] in ("labels", "mask") and image is not None:
            found.append((name, {"background": image, "segmentation": name}))
        elif kinds[name] == "image" and image is not None and "fixed" in makers[name].inputs:
            found.append((name, {"background": image, "foreground": name}))
    shown = {name for _, roles in found for name in roles.values()}
    alone = [name for name in recipe.outputs if kinds[name] == "image" and name in names and name not in shown]
    return found + [(name, {"background": name}) for name in alone]

"""Parameters that suit the input: by its modality, or by what the user sees of it. Said in one line."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import qt
from slicer.i18n import tr as _

from ..operation import Operation
from ..scene import sequences
from ..scene.modality import Modality, modality_of
from .chooser import link_text
from .translated import catalog_text

PRESETS: dict[tuple[str, ...], str] = {
    ("window", "CT"): "CT soft tissue",
    ("bilateral", "CT"): "CT soft tissue",
    ("body_mask", "CT"): "CT, -300 HU",
    ("apply_mask", "CT"): "CT air",
    ("deconvolve", "CT"): "CT, 1 mm FWHM",
    ("deconvolve", "PT"): "PET, 6 mm FWHM",
    ("threshold", "CT"): "Bone in CT",
    ("hysteresis_threshold", "CT"): "Bone in CT",
    ("register", "CT", "MR"): "CT to MR",
    ("register", "MR", "CT"): "CT to MR",
    ("register", "CT", "PT"): "PET to CT",
    ("register", "PT", "CT"): "PET to CT",
}
"""Preset by operation and modalities of its image inputs, in the order of the roles."""

MORE_NAMES = {"PT": "PET"}


@dataclass(frozen=True)
class Advice:
    """What is known of the input, and the parameters that suit it (none where the defaults do).

    `title` says what the parameters are.
    """

    known: str = ""
    title: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def advice(operation: type[Operation], nodes: Mapping[str, Any]) -> Advice:
    """What suits these nodes (by role)."""
    roles = [role.name for role in operation.inputs() if role.kind == "image" and nodes.get(role.name) is not None]
    found = {role: modality_of(nodes[role]) for role in roles}
    known = " ".join(_sentence(nodes[role].GetName(), one) for role, one in found.items() if one.name)
    preset = PRESETS.get((operation.name, *(one.name for one in found.values())), "")
    if preset in operation.presets:
        return Advice(known, _("preset {name}").format(name=catalog_text(preset)), operation.presets[preset])
    seen = _seen(operation.name, nodes[roles[0]]) if roles else {}
    if seen:
        window = _("the window in which {name} is shown").format(name=nodes[roles[0]].GetName())
        return Advice(known, window, seen)
    return Advice(known)


def _sentence(name: str, modality: Modality) -> str:
    word = MORE_NAMES.get(modality.name, modality.name)
    if modality.known_by == "dicom":
        return _("{name} is {modality} by its DICOM header.").format(name=name, modality=word)
    if modality.known_by == "unit":
        return _("{name} is {modality} by its unit.").format(name=name, modality=word)
    return _("{name} is {modality} by its values, {low} to {high}.").format(
        name=name, modality=word, low=f"{modality.low:g}", high=f"{modality.high:g}"
    )


def _seen(operation: str, node: Any) -> dict[str, Any]:
    """Numbers from the window and level of the volume, for operations that need a place on its scale."""
    shown = next(iter(sequences.proxies_of(node)), None) if sequences.is_sequence(node) else node
    display = shown.GetDisplayNode() if shown is not None else None
    if display is None or not display.IsA("vtkMRMLScalarVolumeDisplayNode") or not display.GetWindow() > 0:
        return {}
    level, width = _short(display.GetLevel()), _short(display.GetWindow())
    low, high = _short(level - width / 6), _short(level + width / 6)
    return {
        "window": {"level": level, "width": width},
        "threshold": {"lower": level},
        "sigmoid": {"centre": level, "width": _short(width / 10)},
        "hysteresis_threshold": {"lower": low, "upper": high},
    }.get(operation, {})


def _short(number: float) -> float:
    """Three digits are enough for a number that the user goes on from."""
    return float(f"{number:.3g}")


class AdviceLine:
    """The line above the parameters.

    Parameters
    ----------
    take
        Called with parameter values when they are to be set: those that suit the input, or the defaults.
    """

    def __init__(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._take = take
        self._operation: type[Operation] | None = None
        self._advice = Advice()
        self._given: dict[str, Mapping[str, Any]] = {}
        self.label = qt.QLabel("")
        self.label.objectName = "adviceLabel"
        self.label.wordWrap = True
        self.label.textFormat = qt.Qt.RichText
        self.label.toolTip = _(
            "What is known of the input, and the parameters that suit it. You can change all of them."
        )
        self.label.connect("linkActivated(QString)", self._clicked)
        self.label.setVisible(False)

    def forget(self) -> None:
        """Another scene: what was set in the one before counts as chosen by the user."""
        self._given = {}

    def update(self, operation: type[Operation], nodes: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        """Set what suits the input, where the user has set nothing, and say so.

        `kept` are the parameters that the scene keeps for the operation, none when nobody has touched them.
        """
        self._operation, self._advice = operation, advice(operation, nodes)
        wanted = self._wanted()
        present = {**operation().values(), **kept}
        given = self._given.get(operation.name)
        if not kept or present == given:
            if self._advice.values:
                self._given[operation.name] = wanted
            else:
                self._given.pop(operation.name, None)
            if wanted != present:
                self._take(wanted)
            present = wanted
        self.show(present)

    def show(self, values: Mapping[str, Any]) -> None:
        """Say what is known, and whether the parameter values are those that suit."""
        text = html.escape(self._advice.known)
        if self._advice.values:
            if dict(values) == self._wanted():
                changed = self._operation is not None and self._wanted() != self._operation().values()
                sentence = _("Set: {what}.")
                link = link_text("#defaults", _("Use the defaults")) if changed else ""
            else:
                sentence = _("Suggested: {what}.")
                link = link_text("#use", _("Use it"))
            text += f" {html.escape(sentence.format(what=self._advice.title))} {link}"
        self.label.text = text.strip()
        self.label.setVisible(bool(text))

    def _wanted(self) -> dict[str, Any]:
        """The defaults with what suits the input."""
        if self._operation is None:
            return {}
        return self._operation.from_parameters({**self._operation().values(), **self._advice.values}).values()

    def _clicked(self, link: str) -> None:
        """Set what suits, or the defaults; from now on it is what the user has chosen."""
        if self._operation is not None:
            self._given.pop(self._operation.name, None)
            values = self._wanted() if link == "#use" else self._operation().values()
            self._take(values)
            self.show(values)

"""Sample data: the computed head, and public data sets that Slicer's module Sample Data serves."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .fields import push_button

TEXT_WIDTH = 250


def public_samples() -> dict[str, str]:
    """What Slicer's own samples are good for, by their name in the module Sample Data."""
    return {
        "MRHead": _("MR of a head, T1: filtering, bias correction, segmentation."),
        "CTChest": _("CT of a chest: thresholds in Hounsfield units, lungs, bones, vessels."),
        "MRBrainTumor1": _("MR of a brain with a tumour, before: registration with MRBrainTumor2."),
        "MRBrainTumor2": _("MR of the same brain, later: registration with MRBrainTumor1."),
    }


class SampleList:
    """A row per public sample with a button that loads it.

    Parameters
    ----------
    column
        Layout that the rows go into.
    download
        Loads a sample by its name and gives its node, None when there is none.
    say
        Shows a sentence.
    """

    def __init__(self, column: Any, download: Callable[[str], Any], say: Callable[[str], None]) -> None:
        self._download, self._say = download, say
        self.buttons: dict[str, Any] = {}
        available = hasattr(slicer.modules, "sampledata")
        for name, purpose in public_samples().items():
            row = qt.QHBoxLayout()
            text = qt.QLabel(f"<b>{html.escape(name)}</b><br/>{html.escape(purpose)}")
            text.wordWrap = True
            text.minimumWidth = TEXT_WIDTH
            text.minimumHeight = text.heightForWidth(TEXT_WIDTH)
            button = push_button(
                f"load_{name}",
                _("Load"),
                partial(self.load, name),
                _("Load {name} through Slicer's module Sample Data, which downloads it the first time.").format(
                    name=name
                ),
            )
            button.enabled = available
            row.addWidget(text, 1)
            row.addWidget(button)
            column.addLayout(row)
            self.buttons[name] = button

    def load(self, name: str) -> None:
        """Load a sample; Slicer shows the progress of the download."""
        self._say(_("Loading {name}...").format(name=name))
        try:
            with slicer.util.WaitCursor():
                node = self._download(name)
        except Exception as error:  # noqa: BLE001  a download fails in many ways; the user reads which
            self._say(_("{name} could not be loaded: {error}").format(name=name, error=error))
            return
        if node is None:
            self._say(_("{name} could not be loaded; is this computer connected to the internet?").format(name=name))
            return
        self._say(_("Loaded: {names}.").format(names=name))

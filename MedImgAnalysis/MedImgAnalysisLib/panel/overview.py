"""The page of the host module: what the extension can do, and what it runs on."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

import MedImgAnalysisLib

from .. import catalog
from ..provenance import software
from .guide import GuidedExample
from .packages import packages_text
from .report_section import ReportSection
from .samples import SampleList
from .tab_order import arrange
from .translated import catalog_text

MODULES = {
    "filtering": "MedImgFiltering",
    "registration": "MedImgRegistration",
    "segmentation": "MedImgSegmentation",
    "agreement": "MedImgAgreement",
    "quality": "MedImgQuality",
    "recipes": "MedImgRecipes",
}
"""Module that shows the operations of a package, and the one that puts all of them in a row."""

ICON_SIZE = 40
TEXT_WIDTH = 230
MOST_LISTED = 10


def summaries() -> dict[str, str]:
    """One sentence per package."""
    return {
        "filtering": _("Denoise, enhance, correct and resample images."),
        "registration": _("Align images of one patient."),
        "segmentation": _("Separate structures from their surroundings."),
        "agreement": _("Compare segmentations of two readers or methods."),
        "quality": _("Measure how good an image is, and the features of segments."),
        "recipes": _("Put operations of all modules in a row; run them on nodes, sequences and cohorts."),
    }


def contents(package: str) -> list[str]:
    """What a card lists: the operations, or their groups where there are too many to read."""
    operations = catalog.PACKAGES.get(package, ())
    if len(operations) <= MOST_LISTED:
        return [catalog_text(operation.title) for operation in operations]
    return list(dict.fromkeys(catalog_text(operation.group) for operation in operations))


def present_modules() -> list[tuple[str, Any]]:
    """(package, module) of the modules that are loaded."""
    pairs = [(package, getattr(slicer.modules, name.lower(), None)) for package, name in MODULES.items()]
    return [(package, module) for package, module in pairs if module is not None]


def versions() -> list[tuple[str, str]]:
    """Versions of what computes."""
    rows = list(software().items())
    rows.insert(1, ("Slicer", str(slicer.app.applicationVersion)))
    return rows


def library_folder() -> str:
    """Where the library was loaded from."""
    return str(Path(MedImgAnalysisLib.__file__).parent)


def foreign_library(module_path: str) -> str:
    """A sentence when the library in use is not the one that came with the module, else empty."""
    own = Path(module_path).resolve().parent / "MedImgAnalysisLib"
    used = Path(MedImgAnalysisLib.__file__).resolve().parent
    if used == own:
        return ""
    return _(
        "Another copy of the library is in use: {used}. Remove it, or results may come from another version."
    ).format(used=used)


class OverviewPage:
    """Fills the sections of the host module's .ui file.

    Parameters
    ----------
    module_widget
        The module's widget, with `logic` that has `load_sample_data()`; gets the attribute `ui`.
    """

    def __init__(self, module_widget: Any) -> None:
        self.module_widget = module_widget
        root = slicer.util.loadUI(module_widget.resourcePath(f"UI/{module_widget.moduleName}.ui"))
        module_widget.layout.addWidget(root)
        self.root = root
        self.ui = module_widget.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.buttons: dict[str, Any] = {}
        self._cards: Any = None
        self.ui.samplesButton.connect("clicked()", self.load_samples)
        self.guide = GuidedExample(
            self.ui.exampleSection.layout(),
            module_widget.logic.make_sample_data,
            self._add_example,
            self._select_module,
        )
        logic = module_widget.logic
        self.samples = SampleList(self.ui.samplesSection.layout(), logic.load_public_sample, self._say)
        self.report = ReportSection(self.ui.reportSection.layout())
        self.ui.packagesLabel.text = packages_text()
        self.ui.copyVersionsButton.connect("clicked()", self.copy_versions)
        self.ui.versionsLabel.text = _table(versions())
        self.ui.versionsLabel.toolTip = _("The library is in {folder}.").format(folder=library_folder())
        warning = foreign_library(slicer.util.modulePath(module_widget.moduleName))
        self.ui.libraryWarningLabel.text = warning
        self.ui.libraryWarningLabel.setVisible(bool(warning))
        self.enter()

    def cleanup(self) -> None:
        """The page goes away: what runs in the background is stopped."""
        self.guide.cleanup()

    def enter(self) -> None:
        """Show the modules that are loaded by now, and the steps that can be done."""
        self.guide.update()
        present = present_modules()
        if list(self.buttons) == [package for package, module in present] and self._cards is not None:
            return
        if self._cards is not None:
            self._cards.hide()
            self._cards.deleteLater()
        self._cards = qt.QWidget()
        column = qt.QVBoxLayout(self._cards)
        column.setContentsMargins(0, 0, 0, 0)
        self.buttons = {}
        for package, module in present:
            column.addWidget(self._card(package, module))
        if not present:
            column.addWidget(qt.QLabel(_("No module of this extension is loaded.")))
        self.ui.modulesSection.layout().addWidget(self._cards)
        arrange(self.root)

    def _card(self, package: str, module: Any) -> Any:
        card = qt.QFrame()
        card.frameShape = qt.QFrame.StyledPanel
        row = qt.QHBoxLayout(card)
        picture = qt.QLabel()
        picture.setPixmap(module.icon.pixmap(ICON_SIZE, ICON_SIZE))
        row.addWidget(picture)
        names = ", ".join(contents(package))
        listed = f"<br/><i>{html.escape(names)}</i>" if names else ""
        text = qt.QLabel(f"<b>{html.escape(module.title)}</b><br/>{html.escape(summaries()[package])}{listed}")
        text.wordWrap = True
        # A ctkCollapsibleButton does not ask its contents how high they are at its width, and cuts them off.
        text.minimumWidth = TEXT_WIDTH
        text.minimumHeight = text.heightForWidth(TEXT_WIDTH)
        row.addWidget(text, 1)
        button = qt.QPushButton(_("Open"))
        button.objectName = f"open_{package}"
        button.toolTip = _("Go to the module {title}.").format(title=module.title)
        button.connect("clicked()", lambda: self.open_module(package))
        row.addWidget(button)
        self.buttons[package] = button
        return card

    def open_module(self, package: str) -> None:
        """Go to a module; without a main window there is nowhere to go."""
        self._select_module(MODULES[package])

    def _select_module(self, name: str) -> None:
        if slicer.util.mainWindow() is None:
            self._say(_("There is no main window to show the module in."))
            return
        slicer.util.selectModule(name)

    def _say(self, sentence: str) -> None:
        self.ui.statusLabel.text = sentence

    def _add_example(self, head: Any) -> dict[str, Any]:
        """The nodes that the steps of the example need."""
        logic = self.module_widget.logic
        flair, t1, truth = logic.add_sample_data(head)
        return {"flair": flair, "t1": t1, "truth": truth, "lesions": logic.add_true_lesions(head, flair)}

    def load_samples(self) -> None:
        """Put the sample data into the scene."""
        with slicer.util.WaitCursor():
            names = [node.GetName() for node in self.module_widget.logic.load_sample_data()]
        self._say(_("Loaded: {names}.").format(names=", ".join(names)))

    def copy_versions(self) -> None:
        """Put the versions on the clipboard, for a report of a problem."""
        rows = [*versions(), ("library", library_folder())]
        slicer.app.clipboard().setText("\n".join(f"{name}: {value}" for name, value in rows))
        self._say(_("The versions are on the clipboard."))


def _table(rows: list[tuple[str, str]]) -> str:
    lines = (f"<tr><td>{html.escape(name)}&nbsp;&nbsp;</td><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(lines)}</table>"

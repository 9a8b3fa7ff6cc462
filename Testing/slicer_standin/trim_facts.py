"""Make facts.json from the full list of what Slicer's Python sees: `python trim_facts.py slicer-widget-api.json`.

The full list (every class of Slicer, CTK and Qt) is four times as large. Kept in full are the classes below with their
bases; of all others only the name stays, so that using one says "not modelled" and not "does not exist".
Members that the oldest supported Slicer lacks are left out: a panel that needs them does not run there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

OLDEST = "v5.10.0"
SLICER = """
ctkCheckBox ctkCheckableComboBox ctkCheckablePushButton ctkCollapsibleButton ctkCollapsibleGroupBox
ctkColorPickerButton ctkComboBox ctkCoordinatesWidget ctkDirectoryButton ctkDoubleRangeSlider ctkDoubleSlider
ctkDoubleSpinBox ctkErrorLogModel ctkExpandableWidget ctkFittedTextBrowser ctkMenuButton ctkMessageBox ctkPathLineEdit
ctkPushButton ctkRangeWidget ctkSearchBox ctkSliderWidget ctkMatrixWidget ctkPopupWidget ctkBooleanMapper
qMRMLCheckableNodeComboBox qMRMLCollapsibleButton qMRMLColorTableComboBox qMRMLLayoutManager qMRMLNodeComboBox
qMRMLRangeWidget qMRMLSegmentSelectorWidget qMRMLSegmentationShow3DButton qMRMLSegmentsTableView qMRMLSliderWidget
qMRMLSpinBox qMRMLSubjectHierarchyComboBox qMRMLSubjectHierarchyTreeView qMRMLTableView qMRMLPlotView qMRMLTextWidget
qMRMLSliceWidget qMRMLThreeDWidget qMRMLWidget qMRMLCoordinatesWidget qMRMLVolumeThresholdWidget qSlicerApplication
qSlicerLayoutManager qSlicerLoadableModule qSlicerMainWindow qSlicerModuleManager qSlicerScriptedLoadableModule
qSlicerScriptedLoadableModuleWidget qSlicerSimpleMarkupsWidget qSlicerWidget qSlicerAbstractCoreModule
qSlicerModuleSelectorToolBar
"""
QT = """
Qt QAbstractButton QAbstractItemModel QAbstractItemView QAction QActionGroup QApplication QBoxLayout QBrush
QButtonGroup QByteArray QCheckBox QClipboard QCloseEvent QColor QColorDialog QComboBox QCompleter QCoreApplication
QCursor QDate QDateTime QDesktopServices QDesktopWidget QDialog QDialogButtonBox QDir QDockWidget QDoubleSpinBox
QDoubleValidator QElapsedTimer QEvent QEventLoop QFile QFileDialog QFileInfo QFont QFontDatabase QFontMetrics
QFormLayout QFrame QGridLayout QGroupBox QGuiApplication QHBoxLayout QHeaderView QIcon QImage QInputDialog
QIntValidator QIODevice QItemSelection QItemSelectionModel QItemSelectionRange QKeyEvent QKeySequence QLabel QLayout
QLayoutItem QLineEdit QListView QListWidget QListWidgetItem QMainWindow QMargins QMenu QMenuBar QMessageBox QMimeData
QModelIndex QMouseEvent QObject QPaintEvent QPainter QPalette QPersistentModelIndex QPixmap QPlainTextEdit QPoint
QPointF QProcess QProcessEnvironment QProgressBar QProgressDialog QPushButton QRadioButton QRect QRegExp
QRegularExpression QRegularExpressionMatch QRegularExpressionValidator QScreen QScrollArea QScrollBar QSettings
QShortcut QSignalBlocker QSignalMapper QSize QSizePolicy QSlider QSortFilterProxyModel QSpacerItem QSpinBox QSplitter
QStackedLayout QStackedWidget QStandardItem QStandardItemModel QStandardPaths QStatusBar QStringListModel QStyle
QStyledItemDelegate QSvgWidget QTabBar QTabWidget QTableView QTableWidget QTableWidgetItem QTemporaryDir
QTemporaryFile QTextBrowser QTextCodec QTextCursor QTextDocument QTextEdit QThread QTime QTimer QToolBar QToolBox
QToolButton QToolTip QTreeView QTreeWidget QTreeWidgetItem QUiLoader QUrl QVBoxLayout QValidator QWidget QWidgetAction
QWidgetItem
"""
# base, namespace, constructor, enums, properties, signals, slots, invokables, decorators, methods, virtuals, statics
USED = ("b", "ns", "ctor", "e", "p", "s", "sl", "inv", "dec", "m", "v", "st", "no6", "cpp")
KEPT_ENUMS = {"QStyle": ("StandardPixmap",)}
SCRIPT_MODULES = """
slicer.ScriptedLoadableModule slicer.cli slicer.i18n slicer.packaging slicer.parameterNodeWrapper
slicer.parameterNodeWrapper.validators slicer.testing slicer.util
"""


def with_bases(names: str, full: dict) -> dict:
    """The entries of `names` and of all their base classes."""
    kept = {}
    for name in names.split():
        while name and name not in kept:
            entry = full["classes"].get(name) or full["qt"].get(name)
            if entry is None:
                break
            kept[name] = {key: value for key, value in entry.items() if key in USED and value}
            name = entry.get("b")
    return kept


def without(entry: dict, gone: set[str]) -> dict:
    """`entry` without the members named in `gone`."""
    cleaned = {}
    for key, value in entry.items():
        if key in ("s", "sl", "inv", "dec"):
            value = [signature for signature in value if signature.removeprefix("static ").split("(")[0] not in gone]
        elif key == "p":
            value = {name: what for name, what in value.items() if name not in gone}
        elif key == "e":
            value = without_twins(value)
        cleaned[key] = value
    return cleaned


def without_twins(enums: dict) -> dict:
    """Qt has most enums twice, as `AlignmentFlag` and `Alignment`: the second is given as the name of the first."""
    seen: dict[str, str] = {}
    result: dict[str, object] = {}
    for name, keys in enums.items():
        first = seen.setdefault(json.dumps(keys, sort_keys=True), name)
        result[name] = keys if first == name else first
    return result


def public_names(module: dict) -> list[str]:
    """The public names of a Python file."""
    found = {name for part in ("all", "functions", "classes", "exported", "names") for name in module.get(part, ())}
    return sorted(name for name in found if name[0].isalpha())


def trim(full: dict) -> dict:
    """The subset that goes into facts.json."""
    kept = with_bases(SLICER + QT, full)
    newer = [name.split(" ")[0] for name in full["older"][OLDEST]["missing"]]
    for name in kept:
        kept[name] = without(kept[name], {member.split(".")[1] for member in newer if member.startswith(name + ".")})
        if name in KEPT_ENUMS:
            kept[name]["e"] = {key: kept[name]["e"][key] for key in KEPT_ENUMS[name]}
    return {
        "about": full["about"] | {"oldestSlicer": OLDEST},
        "classes": {name: kept[name] for name in sorted(kept) if name in full["classes"]},
        "qt": {name: kept[name] for name in sorted(kept) if name not in full["classes"]},
        "named": {name: entry["ns"] for name, entry in full["classes"].items() if name not in kept and "ns" in entry},
        "qtNamed": [name for name, entry in full["qt"].items() if name not in kept and not entry.get("no6")],
        "designer": sorted(full["uiClasses"]),
        "python": {name: public_names(full["python"][name]) for name in SCRIPT_MODULES.split()},
    }


def main() -> None:
    subset = trim(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    blocks = (f'"{key}": {_block(value)}' for key, value in subset.items())
    target = Path(__file__).with_name("facts.json")
    target.write_text("{" + ",\n".join(blocks) + "}\n", encoding="utf-8")
    print(f"{target}: {len(subset['classes'])} + {len(subset['qt'])} classes, {target.stat().st_size} bytes")


def _block(value: object) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    return (
        "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value[key], separators=(',', ':'))}" for key in value) + "}"
    )


if __name__ == "__main__":
    main()

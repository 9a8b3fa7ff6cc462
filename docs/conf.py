"""Settings of the site that `python -m sphinx -W --keep-going -c docs . build/site` makes of the documents.

The documents stay plain Markdown that reads well in the repository; the list of pages is in index.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

project = "MedImgAnalysis"
author = "MedImgAnalysis contributors"
copyright = author

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "MedImgAnalysis"
html_favicon = "../Resources/Icons/MedImgAnalysis.png"
html_logo = "../Resources/Icons/MedImgAnalysis.png"
html_show_sourcelink = False

linkcheck_anchors = False
linkcheck_timeout = 30

START = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html"><title>{project}</title>\n'


def _add_start(app: Any, error: Exception | None) -> None:
    """The address of the site leads to the first page, which lies in a folder as its source does."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(START, encoding="utf-8")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", _add_start)

"""The packages that some parts of the extension can use besides those that Slicer brings: are they there, and how to
get them."""

from __future__ import annotations

import html
from importlib import metadata
from typing import NamedTuple

from slicer.i18n import tr as _


class Package(NamedTuple):
    """A package by its name on the package index; `version` is empty where it is not installed."""

    name: str
    version: str
    purpose: str

    @property
    def state(self) -> str:
        """The version, or how to get it."""
        return self.version or _("not installed")

    @property
    def install(self) -> str:
        """The line for the Python console of Slicer that installs it."""
        return f'slicer.util.pip_install("{self.name}")'


def version_of(name: str) -> str:
    """The installed version, empty where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def optional_packages() -> list[Package]:
    """All of them; nothing is imported."""
    purposes = {
        "pydicom": _("Reads DICOM files; comes with Slicer."),
        "highdicom": _("Writes results as DICOM SEG and SR."),
        "dicom-anonymizer": _("Takes patients out of DICOM files."),
        "dask": _("Runs cohorts on several computers."),
        "distributed": _("Runs cohorts on several computers."),
    }
    return [Package(name, version_of(name), purpose) for name, purpose in purposes.items()]


def packages_text() -> str:
    """HTML that says of each package what it is for, its version, or how to install it."""
    rows = []
    for package in optional_packages():
        state = f"<b>{html.escape(package.state)}</b>" if package.version else html.escape(package.state)
        how = ""
        if not package.version:
            words = _("To install it, type in the Python console: {line}").format(line=package.install)
            how = f"<br/>{html.escape(words)}"
        rows.append(f"<p>{html.escape(package.name)}: {state}. {html.escape(package.purpose)}{how}</p>")
    return "".join(rows)

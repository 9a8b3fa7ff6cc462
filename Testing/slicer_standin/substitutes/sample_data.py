"""The registration side of Slicer's module SampleData: what is offered is kept, nothing is downloaded."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

from ..toolkit import NotModelled


class SampleDataLogic:
    """Sources stay in `slicer.modules.sampleDataSources`, by category, as in Slicer."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str | None = None) -> None:
        _sources().setdefault(category, [])

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom", sampleName=None, uris=None, fileNames=None, nodeNames=None, customDownloader=None,
        thumbnailFileName=None, loadFileTypes=None, loadFiles=None, loadFileProperties=None, checksums=None,
        loadFileType=None,
    ) -> None:  # fmt: skip
        given = {name: value for name, value in locals().items() if name != "category"}
        _sources().setdefault(category, []).append(SimpleNamespace(**given))


def downloadSample(sampleName: str) -> object:
    """Run the custom downloader of a registered sample, as a click on its picture does."""
    for source in (source for sources in _sources().values() for source in sources):
        if source.sampleName == sampleName:
            if source.customDownloader is None:
                raise NotModelled(f"{sampleName} would be downloaded from {source.uris}")
            return source.customDownloader(source)
    raise ValueError(f"no sample is named {sampleName}")


def _sources() -> dict[str, list]:
    import slicer

    return slicer.modules.__dict__.setdefault("sampleDataSources", {})


def register() -> None:
    module = ModuleType("SampleData")
    module.SampleDataLogic, module.downloadSample = SampleDataLogic, downloadSample
    sys.modules["SampleData"] = module

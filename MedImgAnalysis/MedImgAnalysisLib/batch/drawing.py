"""Who draws the pictures of a page outside Slicer: the slice views of slicer-core, or SimpleITK alone without it."""

from __future__ import annotations

from ..errors import MissingPackageError
from ..pages import plane_pictures
from ..pages.layers import Draw, Picture
from ..progress import Progress


def drawer(progress: Progress) -> Draw:
    """A function that draws; the scene is started when the first picture is due."""
    chosen: list[Draw] = []

    def drawn(picture: Picture) -> list[str]:
        progress.check()
        if not chosen:
            chosen.append(_best(progress))
        return chosen[0](picture)

    return drawn


def _best(progress: Progress) -> Draw:
    from ..scene import standalone

    try:
        standalone.start()
    except MissingPackageError:
        return plane_pictures.draw
    from ..scene import drawing

    return drawing.drawer(progress.warn)

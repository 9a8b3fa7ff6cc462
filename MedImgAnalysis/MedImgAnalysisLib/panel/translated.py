"""What the library says, in the language of Slicer.

The texts of operations are looked up in `catalog_texts`, which is made from the catalog. Only what is shown is
translated: names of nodes, records, recipes, Python calls and the cells and columns of tables in the scene stay as they
are, and so do the errors and warnings of the library.
"""

from __future__ import annotations

import re
from functools import cache

from slicer.i18n import translate

from ..operation import Role
from .catalog_texts import TEMPLATES, texts

CONTEXT = "panel.catalog_texts"
"""Where translations of these texts are: the file that has them as literals."""
PLACE = re.compile(r"\{(\d)\}")


def catalog_text(text: str) -> str:
    """A text of an operation as it is shown."""
    return str(translate(CONTEXT, text)) if text else ""


def composed_text(text: str) -> str:
    """The same for a text of which a part may be a name or a number, such as the title of a column."""
    if text in known_texts():
        return catalog_text(text)
    for template, pattern in patterns():
        found = pattern.fullmatch(text)
        if found:
            return filled(template, [composed_text(part) for part in found.groups()])
    return text


def role_title(role: Role) -> str:
    """The title of a role; those of recipes are made from names that people gave, and have no description."""
    return catalog_text(role.title) if role.description else role.title


def spoken_title(role: Role) -> str:
    """The title within a sentence."""
    title = role_title(role)
    # Whether a noun is small within a sentence is up to the language.
    return title.lower() if title == role.title else title


def filled(template: str, parts: list[str]) -> str:
    """The translation of a template with these parts in their places; one that has lost a place is not used."""
    translated = catalog_text(template)
    if sorted(set(PLACE.findall(translated))) != sorted(set(PLACE.findall(template))):
        translated = template
    return PLACE.sub(lambda place: parts[int(place[1])], translated)


@cache
def known_texts() -> frozenset[str]:
    """All texts that have a translation of their own."""
    return frozenset(texts(str))


@cache
def patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """(template, what its texts look like)."""
    return tuple(
        (template, re.compile("(.+)".join(map(re.escape, PLACE.split(template)[::2])))) for template in TEMPLATES
    )

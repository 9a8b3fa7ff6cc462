"""Make panel/catalog_texts.py: what panels show of operations, as literals that tools of translators find.

python docs/make_texts.py            # write the file
python docs/make_texts.py --check    # exit status 1 when it is not current
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from MedImgAnalysisLib.catalog import PACKAGES
from MedImgAnalysisLib.docstrings import paragraphs
from MedImgAnalysisLib.evidence import ROLES
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import title_of, unit_text
from source_texts import LIBRARY, PUT_TOGETHER, column_texts, has_words, progress_texts, sources

FILE = LIBRARY / "panel" / "catalog_texts.py"
HEAD = '''"""What panels show of the operations, each text once, for translators; `translated` looks them up.

Made from the catalog by `python docs/make_texts.py`; do not edit.
"""
# fmt: off

from __future__ import annotations

from collections.abc import Callable

'''
MIDDLE = '''

def texts(_: Callable[[str], str]) -> tuple[str, ...]:
    """All texts, each as the function gives it."""
    return (
'''


def groups(columns: set[str], said: set[str]) -> dict[str, list[str]]:
    """Texts by heading, each where it comes first; besides those of operations those of tables and of progress."""
    wanted: dict[str, Iterable[str]] = {"modules": (name.capitalize() for name in PACKAGES)}
    for package, operations in PACKAGES.items():
        wanted |= {f"{package}: {operation.name}": _of_operation(operation) for operation in operations}
    wanted["evidence"] = map(title_of, ROLES.values())
    wanted["tables"] = sorted(columns)
    wanted["progress"] = sorted(said)
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for heading, texts in wanted.items():
        new = [text for text in dict.fromkeys(texts) if text not in seen and has_words(text)]
        seen.update(new)
        found[heading] = new
    return {heading: new for heading, new in found.items() if new}


def _of_operation(operation: type[Operation]) -> list[str]:
    """What the page of an operation shows."""
    found = [operation.title, operation.group, *paragraphs(operation.__doc__)]
    for role in (*operation.inputs(), *operation.outputs()):
        found += [role.title, role.description]
    for parameter in operation.parameters():
        found += [parameter.title, parameter.description, unit_text(parameter.unit)]
        found += [word.replace("_", " ") for word in parameter.choices]
    return [*found, *operation.presets]


def by_length(templates: set[str]) -> list[str]:
    """In the order in which they are tried: the more a template says itself, the sooner."""
    return sorted(templates, key=lambda text: (-len(re.sub(r"\{\d\}", "", text)), text))


def literal(text: str) -> str:
    """A text as Python writes it, with the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    plain = text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n")
    return f"{quote}{plain}{quote}"


def page() -> str:
    """The text of the file."""
    trees = sources()
    columns, said = set(column_texts(trees)), set(progress_texts(trees))
    templates = {text for text in columns | said if "{0}" in text and (has_words(text) or text in PUT_TOGETHER)}
    lines = [HEAD, "TEMPLATES = (\n", *(f"    {literal(text)},\n" for text in by_length(templates)), ")\n"]
    lines += [
        '"""Texts of which parts are names, numbers or other texts; those with the longest own part first."""\n',
        MIDDLE,
    ]
    for heading, texts in groups(columns, said).items():
        lines += [f"        # {heading}\n", *(f"        _({literal(text)}),\n" for text in texts)]
    return "".join([*lines, "    )\n"])


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    if "--check" in arguments:
        current = FILE.is_file() and FILE.read_text(encoding="utf-8") == page()
        print(f"{FILE.name} is {'current' if current else 'not current: run python docs/make_texts.py'}")
        return 0 if current else 1
    FILE.write_text(page(), encoding="utf-8", newline="\n")
    print(FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

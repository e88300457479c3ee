"""Pages that are written by hand except between two markers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

#: ``<!-- reference: kind name name -->``, what is generated, ``<!-- /reference -->``.
SECTION = re.compile(
    r"^(?P<head><!-- reference: (?P<kind>\S+)(?P<names>[^>]*?)\s*-->)\n.*?^<!-- /reference -->$",
    re.MULTILINE | re.DOTALL,
)

Render = Callable[[list[str]], str]


class Pages:
    """The text of every page, by path."""

    def __init__(self, folder: Path) -> None:
        self.texts = {path: path.read_text() for path in sorted(folder.glob("*.md"))}

    def names(self, kind: str) -> list[str]:
        """Return all names in the markers of a kind, in order."""
        return [
            name
            for text in self.texts.values()
            for section in SECTION.finditer(text)
            if section["kind"] == kind
            for name in section["names"].split()
        ]

    def arguments(self, kind: str) -> list[list[str]]:
        """Return the names of each marker of a kind, in order."""
        return [
            section["names"].split()
            for text in self.texts.values()
            for section in SECTION.finditer(text)
            if section["kind"] == kind
        ]

    def filled(self, renders: Mapping[str, Render]) -> dict[Path, str]:
        """Return the text of each page with every section generated."""

        def fill(section: re.Match[str]) -> str:
            body = renders[section["kind"]](section["names"].split())
            return f"{section['head']}\n\n{body.strip()}\n\n<!-- /reference -->"

        return {path: SECTION.sub(fill, text) for path, text in self.texts.items()}


def require(known: list[str], shown: list[str], what: str) -> None:
    """Refuse pages that leave something out, repeat it, or show what does not exist."""
    for name in sorted({*known, *shown}):
        if name not in shown:
            raise SystemExit(f"No page of the reference shows the {what} {name}.")
        if name not in known:
            raise SystemExit(f"The reference shows the {what} {name}, which does not exist.")
        if shown.count(name) > 1:
            raise SystemExit(f"The reference shows the {what} {name} more than once.")

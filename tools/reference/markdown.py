"""Markdown that GitHub and MkDocs render alike."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from souvenirs.conf import SETTINGS

WIDTH = 88

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):`~?([\w.]+)`")
LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
SETTING = re.compile(r"`?\b(SOUVENIRS_[A-Z_]+)\b`?")

#: The modules in front of a name, outside of quotes.
MODULES = re.compile(r"(?<!['\w])(?:\w+\.)+(?=[A-Za-z_])")


def fence(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"


def code(text: str) -> str:
    return f"`{text}`"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without the columns that are empty."""
    rows = list(rows)
    columns = [
        (heading, "---", *cells)
        for heading, *cells in zip(headings, *rows, strict=True)
        if any(cells)
    ]
    lines = zip(*columns, strict=True)
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-")


def literal(value: object) -> str:
    """Return a Python value as it is written in the settings of a site."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = (f"{literal(key)}: {literal(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def annotation(hint: object) -> str:
    """Return a type as it is written in code, without the modules of its names."""
    if hint is type(None):
        return "None"
    if isinstance(hint, TypeVar) and hint.__bound__:
        return annotation(hint.__bound__)
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(map(annotation, get_args(hint)))
    return expression(inspect.formatannotation(hint).replace("~", ""))


def expression(text: str) -> str:
    """Return what ``repr()`` wrote with double quotes, and without modules."""
    return MODULES.sub("", text).replace("'", '"')


def compact(value: Any, indent: int = 0, before: int = 0) -> str:
    """Return JSON with as much on each line as fits, but a line of its own for each row."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + before + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + 2
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key)}: {compact(item, inner, len(key) + 5)}"
            for key, item in value.items()
        ]
        lines = parts if any("\n" in part for part in parts) else filled(parts, ", ", WIDTH - inner)
        first, last = "{}"
    else:
        lines = [compact(item, inner, 1) for item in value]
        first, last = "[]"
    body = f",\n{' ' * inner}".join(lines)
    return f"{first}\n{' ' * inner}{body}\n{' ' * indent}{last}"


def filled(parts: Iterable[str], separator: str, width: int) -> list[str]:
    """Join parts to lines, as many on each as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 * len(separator) + len(part) <= width:
            lines[-1] += f"{separator}{part}"
        else:
            lines.append(part)
    return lines


def linked(text: str) -> str:
    """Return Markdown with a link at each setting of the app."""

    def link(name: re.Match[str]) -> str:
        setting = name[1]
        return f"[`{setting}`](settings.md#{slug(setting)})" if setting in SETTINGS else name[0]

    return SETTING.sub(link, text)


def from_rst(docstring: str, link: Callable[[str], str]) -> str:
    """Return a docstring in the reStructuredText of Django's docstrings as Markdown.

    ``link`` turns the name in a role into Markdown.
    """
    parts = []
    for is_code, paragraphs in groupby(_paragraphs(docstring), key=itemgetter(0)):
        text = "\n\n".join(paragraph for _, paragraph in paragraphs)
        if is_code:
            parts.append(fence(textwrap.dedent(text), "py"))
        else:
            text = LITERAL.sub(r"`\1`", ROLE.sub(lambda role: link(role[1]), text))
            parts.append(linked(text))
    return "\n\n".join(parts)


def _paragraphs(docstring: str) -> Iterator[tuple[bool, str]]:
    """Generate paragraphs, and whether each is code: an example, or indented below ``::``."""
    is_literal = False
    for text in re.split(r"\n\s*?\n", inspect.cleandoc(docstring)):
        is_literal = is_literal and text.startswith(" ")
        if is_literal or text.startswith(">>> "):
            yield True, text
            continue
        is_literal = text.endswith("::")
        if text != "::":
            yield False, re.sub("::$", ":", text)

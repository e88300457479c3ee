"""Where a line has its user and its time: names of columns, of nested keys or of fields."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from .lines import BadLine

#: A backslash and what it escapes.
BACKSLASH = re.compile(r"\\.")


class Mapping(NamedTuple):
    """The names under which a line has its user and its time."""

    user: str
    when: str


#: The names if none are given.
USER_AND_TIME = Mapping("user_id", "when")


def mapping_of(text: str) -> dict[str, str]:
    """Return the names given as ``user=NAME,when=NAME``, of which one may be left out.

    Raises ValueError for anything else.
    """
    names: dict[str, str] = {}
    for part in text.split(","):
        key, _, name = (each.strip() for each in part.partition("="))
        if key not in Mapping._fields or key in names or not name:
            raise ValueError(f"--map {text!r} is not of the form user=NAME,when=NAME.")
        names[key] = name
    return names


def missing(wanted: Sequence[str], names: Sequence[str], noun: str) -> str:
    """Return a phrase for the wanted names that are not there; empty if all are."""
    return " and ".join(f"no {noun} {name}" for name in wanted if name not in names)


def value_at(data: Any, path: str) -> Any:
    """Return the value of a key, or of keys within each other joined by dots; None without it.

    The items of a list have their positions as keys. Text with a JSON object counts as the object.
    """
    if isinstance(data, str) and data.lstrip().startswith("{"):
        data = object_in(data)
    if isinstance(data, list):
        data = {str(position): item for position, item in enumerate(data)}
    if not isinstance(data, dict):
        return None
    if path in data:
        return data[path]
    key, dot, rest = path.partition(".")
    while dot and key not in data:
        more, dot, rest = rest.partition(".")
        key = f"{key}.{more}"
    return value_at(data[key], rest) if dot else None


def object_in(text: str) -> dict[str, Any]:
    r"""Return the JSON object in a text; raises BadLine.

    Something may stand before it, as a log collector's prefix does, and it may have escapes of
    bytes as nginx writes them without ``escape=json``: JSON itself has no ``\xC3``.
    """
    try:
        try:
            data = json.loads(text)
        except ValueError:
            if "{" not in text:
                raise
            data = json.loads(BACKSLASH.sub(_as_json, text[text.index("{") :]))
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {getattr(error, 'msg', error)}") from None
    if not isinstance(data, dict):
        raise BadLine("not a JSON object")
    return data


def _as_json(match: re.Match[str]) -> str:
    return r"\\x" if match[0] == r"\x" else match[0]

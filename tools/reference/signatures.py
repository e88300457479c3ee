"""What Python knows of a function or class: its signature, members, fields and comments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, Unpack, get_args, get_origin, get_type_hints

from django.db.models import Model

from .markdown import WIDTH, annotation, expression

#: The ``#:`` above an attribute.
COMMENT = r"(?P<comment>(?:^[ \t]*#:.*\n)+)[ \t]*{name}\b"


class Field(NamedTuple):
    name: str
    type: str
    comment: str


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return a signature: on one line if it fits, else with a line for each parameter."""
    hints = get_type_hints(function)
    parts: list[str] = []
    is_keyword = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls") and not parts:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            parts.append("*")
        is_keyword = parameter.kind in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY)
        if get_origin(hints.get(parameter.name)) is Unpack:
            [options] = get_args(hints[parameter.name])
            optional = get_type_hints(options).items()
            parts += ["*", *(f"{key}: {annotation(hint)} = ..." for key, hint in optional)]
        else:
            parts.append(_parameter(parameter, hints))
    # Nobody asks what a constructor returns.
    has_result = "return" in hints and function.__name__ != "__init__"
    result = f" -> {annotation(hints['return'])}" if has_result else ""
    line = f"{name}({', '.join(parts)}){result}"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{lines}){result}"


def _parameter(parameter: inspect.Parameter, hints: dict[str, Any]) -> str:
    # The name, with its stars if it has any.
    text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
    if parameter.name in hints:
        text += f": {annotation(hints[parameter.name])}"
    if parameter.default is parameter.empty:
        return text
    space = " " if parameter.name in hints else ""
    return f"{text}{space}={space}{expression(repr(parameter.default))}"


def takes_arguments(cls: type) -> bool:
    """Return whether callers may make an object of a class, rather than be given one."""
    return "__init__" in vars(cls) and not is_dataclass(cls)


def members_of(cls: type) -> Iterator[tuple[str, Any]]:
    """Generate the public methods and properties of a class that have a docstring of their own."""
    for name, value in vars(cls).items():
        is_member = isinstance(value, property | classmethod) or inspect.isfunction(value)
        if is_member and value.__doc__ and not name.startswith("_"):
            yield name, value


def fields_of(cls: Any) -> Iterator[Field]:
    """Generate the public fields of a model, dataclass or named tuple."""
    if issubclass(cls, Model):
        source = inspect.getsource(cls)
        for field in cls._meta.local_fields:
            if not field.primary_key:
                yield Field(field.name, type(field).__name__, comment_on(field.name, source))
        return
    hints = get_type_hints(cls)
    names = [each.name for each in fields(cls)] if is_dataclass(cls) else _tuple_fields(cls)
    for name in names:
        if not name.startswith("_"):
            owner = next(base for base in cls.__mro__ if name in _annotations(base))
            comment = comment_on(name, inspect.getsource(owner))
            yield Field(name, annotation(hints[name]), comment)


def _annotations(cls: type) -> dict[str, Any]:
    return vars(cls).get("__annotations__", {})


def _tuple_fields(cls: Any) -> tuple[str, ...]:
    return getattr(cls, "_fields", ())


def comment_on(name: str, source: str) -> str:
    """Return what the ``#:`` above an attribute say."""
    found = re.search(COMMENT.format(name=name), source, re.MULTILINE)
    return "\n".join(re.findall(r"#: ?(.*)", found["comment"])) if found else ""

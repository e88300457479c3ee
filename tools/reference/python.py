"""The Python API: signatures, fields and docstrings of the names on the page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, get_type_hints

from django.urls import URLPattern, URLResolver, get_resolver

from .markdown import annotation, fence, from_rst, slug, table
from .signatures import comment_on, fields_of, members_of, signature, takes_arguments

#: Modules of which the page documents a part, whatever they export.
PARTLY = {"souvenirs.admin"}


class Api:
    """The names on the page: ``sections`` are ``[module, name, name ...]``.

    ``defined`` are names of which the page has the docstring of the module that they come from.
    """

    def __init__(self, sections: Sequence[Sequence[str]], defined: Sequence[str]) -> None:
        self.shown = [f"{module}.{name}" for module, *names in sections for name in names]
        #: The heading above each object, by its id.
        self._headings: dict[int, str] = {}
        #: The module whose section describes another one, by its name.
        self._modules = {name: name for name in map(_owner, self.shown)}
        self._modules |= {_resolve(name).__module__: _owner(name) for name in defined}
        for name in self.shown:
            self._add(name.rpartition(".")[2], _resolve(name))

    def _add(self, name: str, value: Any) -> None:
        self._headings.setdefault(id(value), _heading(name, value))
        if inspect.isclass(value):
            for member, each in members_of(value):
                each = getattr(each, "__func__", each)
                self._headings.setdefault(id(each), _heading(f"{name}.{member}", each))

    def known(self) -> list[str]:
        """Return the names that the modules of the page export, and those on the page."""
        modules = {_owner(name) for name in self.shown} - PARTLY
        exported = {
            f"{module}.{name}"
            for module in modules
            for name in getattr(import_module(module), "__all__", ())
        }
        return sorted({*exported, *self.shown})

    def module(self, names: Sequence[str]) -> str:
        """Return the docstring of a module."""
        [name] = names
        return self._prose(import_module(name).__doc__ or "", name)

    def module_of(self, names: Sequence[str]) -> str:
        """Return the docstring of the module that a name comes from."""
        [name] = names
        return self.module([_resolve(name).__module__])

    def names(self, names: Sequence[str]) -> str:
        """Return a section for each of some names of a module."""
        module, *each = names
        index = ", ".join(self._link_to(_resolve(f"{module}.{name}")) for name in each)
        parts = (part for name in each for part in self._parts(module, name))
        return "\n\n".join(filter(None, [f"{index}." if len(each) > 1 else "", *parts]))

    def _parts(self, module: str, name: str) -> Iterator[str]:
        value = _resolve(f"{module}.{name}")
        yield f"### {self._headings[id(value)]}"
        if inspect.isclass(value):
            yield from self._class(name, value)
        elif callable(value):
            yield from self._function(name, value)
        else:
            comment = comment_on(name, inspect.getsource(import_module(module)))
            yield self._prose(comment, module)

    def _function(self, name: str, value: Any) -> Iterator[str]:
        kind = "async " if inspect.iscoroutinefunction(value) else ""
        if isinstance(value, classmethod):
            kind, value = "classmethod ", value.__func__
        yield fence(kind + signature(name, value), "py")
        yield self._prose(value.__doc__ or "", value.__module__)

    def _class(self, name: str, cls: Any) -> Iterator[str]:
        if takes_arguments(cls):
            yield fence(signature(name, cls.__init__), "py")
        bases = [self._link_to(base) for base in self._bases(cls)]
        if bases:
            yield f"A subclass of {' and '.join(bases)}."
        place = f"{cls.__module__}.{cls.__qualname__}"
        yield self._prose(cls.__doc__ or "", place)
        rows = [
            (f"`{field.name}`", f"`{field.type}`", self._prose(field.comment, place))
            for field in fields_of(cls)
        ]
        if rows:
            yield table(["field", "type", "meaning"], rows)
        for member, value in members_of(cls):
            yield f"#### {self._headings[id(getattr(value, '__func__', value))]}"
            if isinstance(value, property):
                hint = get_type_hints(value.fget).get("return", Any)
                yield fence(f"{member}: {annotation(hint)}", "py")
                yield self._prose(value.__doc__ or "", place)
            else:
                yield from self._function(member, value)

    def _bases(self, cls: type) -> Iterator[type]:
        """Generate the nearest base classes that the page documents."""
        for base in cls.__bases__:
            if id(base) in self._headings:
                yield base
            else:
                yield from self._bases(base)

    def _prose(self, docstring: str, place: str) -> str:
        """Return a docstring as Markdown; ``place`` is the module or class that it is in."""
        return from_rst(docstring, lambda name: self._link(name, place))

    def _link(self, name: str, place: str) -> str:
        """Return what a docstring refers to, with a link if the page documents it."""
        module = place
        while (found := _resolve(f"{module}.{name}")) is None and "." in module:
            module = module.rpartition(".")[0]
        found = _resolve(name) if found is None else found
        if id(found) in self._headings:
            return self._link_to(found)
        if inspect.ismodule(found) and found.__name__ in self._modules:
            section = self._modules[found.__name__]
            return f"[`{section}`](#{slug(section)})"
        return f"`{name}()`" if inspect.isroutine(found) else f"`{name}`"

    def _link_to(self, value: Any) -> str:
        heading = self._headings[id(value)]
        return f"[`{heading.rpartition(' ')[2]}`](#{slug(heading)})"


def urls(names: Sequence[str]) -> str:
    """Return the names and paths of the URLs in a module."""
    [module] = names
    app = import_module(module).app_name
    patterns = _patterns(get_resolver(module).url_patterns)
    return table(["name", "path"], ((f"`{app}:{name}`", f"`{path}`") for name, path in patterns))


def _patterns(
    patterns: Sequence[URLPattern | URLResolver], before: str = "souvenirs/"
) -> Iterator[tuple[str | None, str]]:
    for pattern in patterns:
        path = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        else:
            yield pattern.name, path


def _heading(name: str, value: Any) -> str:
    if inspect.isclass(value):
        return f"{'exception' if issubclass(value, BaseException) else 'class'} {name}"
    return f"{name}()" if callable(value) else name


def _owner(name: str) -> str:
    """Return the module of a dotted name."""
    return name.rpartition(".")[0]


def _resolve(path: str) -> Any:
    """Return what a dotted path names, or None."""
    top, *parts = path.split(".")
    try:
        found: Any = import_module(top)
    except ImportError:
        return None
    for position, part in enumerate(parts, 1):
        # First what the module itself calls by that name: ``souvenirs.insights.growth`` is a
        # function, although there is a module of that name, too.
        if not hasattr(found, part):
            try:
                found = import_module(".".join([top, *parts[:position]]))
            except ImportError:
                return None
        else:
            found = getattr(found, part)
    # A class method is another object each time.
    return getattr(found, "__func__", found)

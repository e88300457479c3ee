"""The settings of the app, from where they are declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from souvenirs.conf import SETTINGS, Setting

from .markdown import linked, literal, slug


def known() -> list[str]:
    return list(SETTINGS)


def render(names: Collection[str], checks: Mapping[str, Collection[str]]) -> str:
    """Return a section for each setting; ``checks`` has the ids of those about a setting."""
    return "\n\n".join(_section(SETTINGS[name], checks.get(name, ())) for name in names)


def _section(setting: Setting[Any], checks: Collection[str]) -> str:
    facts = [f"Value: {setting.kind.expected}.", f"Default: `{literal(setting.default)}`."]
    if checks:
        links = ", ".join(f"[{id}](checks.md#{slug(id)})" for id in sorted(checks))
        facts.append(f"System check{'s' if len(checks) > 1 else ''}: {links}.")
    return f"### {setting.name}\n\n{' '.join(facts)}\n\n{linked(setting.help)}"

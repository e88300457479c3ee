"""Findings of the system checks: the settings, the middleware and the site."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR, CheckMessage

from ..checks import check_database, check_deployment, check_settings, check_site
from .findings import Finding, State

#: What the id of each check of the app begins with.
PREFIX = "souvenirs."

#: The area of a check that is not about settings.
AREAS = {
    "W003": "middleware",
    "W004": "middleware",
    "W005": "cache",
    "W006": "cache",
    "W007": "database",
    "W013": "users",
    "W014": "users",
    "W015": "tenants",
    "W016": "digests",
}

#: What is said of an area that no check is about.
FINE = {
    "settings": ("Settings", "All settings are valid."),
    "middleware": ("Middleware", "SouvenirsMiddleware is in its place in MIDDLEWARE."),
}

#: The check of digesting, about which there is a finding with more to say.
DIGESTING = "W010"


def configuration() -> Iterator[Finding]:
    """Run the checks that need no database, silenced ones left out."""
    messages = [*check_settings(), *check_site(), *check_deployment()]
    found = list(_findings(messages))
    areas = {finding.area for finding in found}
    for area, (title, message) in FINE.items():
        if area not in areas:
            yield Finding(area, title, State.OK, message)
    yield from found


def database_checks(alias: str) -> Iterator[Finding]:
    """Run the checks of the tables and segments of a migrated database."""
    messages = check_database(databases=[alias])
    yield from _findings([message for message in messages if message.id != PREFIX + DIGESTING])


def _findings(messages: list[CheckMessage]) -> Iterator[Finding]:
    for message in messages:
        if not message.is_silenced():
            id = str(message.id)
            yield Finding(
                AREAS.get(id.removeprefix(PREFIX), "settings"),
                f"System check {id}",
                State.ERROR if message.level >= ERROR else State.WARNING,
                str(message.msg),
                str(message.hint or ""),
                {"id": id},
            )

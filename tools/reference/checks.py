"""The system checks, from what each of them says about a site that has the problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple
from unittest.mock import patch

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import CheckMessage, run_checks
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import EmailField, Q
from django.test import override_settings

import souvenirs
from souvenirs.conf import SETTINGS as CONF
from souvenirs.models import Digest, Souvenir

from .markdown import WIDTH, fence, literal, slug

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "souvenirs.middleware.SouvenirsMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def cache(name: str) -> dict[str, Any]:
    return {"default": {"BACKEND": f"django.core.cache.backends.{name}"}}


#: For each check, settings that it has something to say about.
SETTINGS: dict[str, dict[str, Any]] = {
    "souvenirs.E001": {"SOUVENIRS_RATELIMIT_SECONDS": "1h"},
    "souvenirs.E002": {"SOUVENIRS_CACHE_NAME": "redis"},
    "souvenirs.E003": {"SOUVENIRS_USAGE_REPORTS_FUNCTION": "reports.usage"},
    "souvenirs.E004": {"SOUVENIRS_DATE_JOINED_FIELD": "joined"},
    "souvenirs.E005": {"SOUVENIRS_IS_ACTIVE_FIELD": "enabled"},
    "souvenirs.E006": {"SOUVENIRS_WEEK_START": 0},
    "souvenirs.E007": {"SOUVENIRS_GATE_SIZE": 0},
    "souvenirs.E008": {"SOUVENIRS_ENABLED": "no"},
    "souvenirs.E009": {"SOUVENIRS_USER_FUNCTION": "accounts.user_of"},
    "souvenirs.E010": {"SOUVENIRS_BYPASS": "accounts.is_robot"},
    "souvenirs.E011": {"SOUVENIRS_IGNORE_PATHS": ["^/health("]},
    "souvenirs.E012": {"SOUVENIRS_IGNORE_USER_AGENTS": "uptime"},
    "souvenirs.E013": {"SOUVENIRS_IGNORE_METHODS": ["head"]},
    "souvenirs.E014": {"SOUVENIRS_IGNORE_STATUS_CODES": 404},
    "souvenirs.E015": {"SOUVENIRS_IGNORE_STAFF": "no"},
    "souvenirs.E016": {"SOUVENIRS_COUNT_IMPERSONATED": "no"},
    "souvenirs.E017": {"SOUVENIRS_TIMEOUT": 0},
    "souvenirs.E018": {"SOUVENIRS_BREAKER_SECONDS": 0},
    "souvenirs.E019": {"SOUVENIRS_BUCKET_SECONDS": 60},
    "souvenirs.E027": {"SOUVENIRS_PUBLISH": {"intervals": ["hour"]}},
    "souvenirs.E020": {"SOUVENIRS_KEEP_DAYS": -1},
    "souvenirs.E021": {"SOUVENIRS_ON_USER_DELETE": "delete"},
    "souvenirs.E022": {"SOUVENIRS_SEGMENTS": {"Acme": "accounts.acme"}},
    "souvenirs.E023": {"SOUVENIRS_API_AUTH": "accounts.user_of_token"},
    "souvenirs.E024": {"SOUVENIRS_CACHE_PREFIX": None},
    "souvenirs.E025": {"SOUVENIRS_SCOPE": "mysite.no_such_function"},
    "souvenirs.E026": {"SOUVENIRS_API_AUTH_PARAMETERS": ["token", "tz"]},
    "souvenirs.E028": {"SOUVENIRS_METRICS_TOKEN": ""},
    "souvenirs.E029": {"SOUVENIRS_VISIBLE_TO": "accounts.visible_to"},
    "souvenirs.E030": {"SOUVENIRS_GROUP_BY": ["organisation"]},
    "souvenirs.E031": {"SOUVENIRS_STATEMENT_GRACE_DAYS": 1.5},
    "souvenirs.W001": {"TIME_ZONE": "Asia/Kolkata", "SOUVENIRS_RATELIMIT_SECONDS": 3600},
    "souvenirs.W002": {"SOUVENIRS_IGNORE_PATH": ["^/health/$"]},
    "souvenirs.W003": {"MIDDLEWARE": []},
    "souvenirs.W004": {"MIDDLEWARE": MIDDLEWARE},
    "souvenirs.W005": {"CACHES": cache("dummy.DummyCache")},
    "souvenirs.W006": {"CACHES": cache("locmem.LocMemCache")},
    "souvenirs.W017": {"SOUVENIRS_GROUP_BY": ["email"]},
    "souvenirs.W009": {"TIME_ZONE": "Asia/Kolkata", "SOUVENIRS_BUCKET_SECONDS": 3600},
}


@contextmanager
def undone() -> Iterator[None]:
    """Roll back whatever the block does to the database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def deferred_transactions() -> Iterator[None]:
    options = connection.settings_dict["OPTIONS"]
    mode = options.pop("transaction_mode")
    try:
        yield
    finally:
        options["transaction_mode"] = mode


@contextmanager
def missing_migrations() -> Iterator[None]:
    with undone():
        applied = MigrationRecorder(connection).migration_qs.filter(app="souvenirs")
        applied.exclude(name="0001_initial").delete()
        yield


@contextmanager
def old_souvenir() -> Iterator[None]:
    with undone():
        Digest.objects.create(level=3600, start=0)
        Souvenir.objects.create(user_id=1, when=datetime(2016, 1, 4, 9, tzinfo=UTC))
        yield


@contextmanager
def restored_table() -> Iterator[None]:
    with undone():
        when = datetime(2016, 1, 4, 9, tzinfo=UTC)
        Souvenir.objects.create(user_id=1, when=when, digested=True, seal=2**60)
        yield


def wrong_segment() -> AbstractContextManager[None]:
    def pro() -> Q:
        raise ConnectionRefusedError("billing.example.com refused the connection.")

    return override_settings(SOUVENIRS_SEGMENTS={"pro": pro})


@contextmanager
def bare_user_model() -> Iterator[None]:
    class BareUser(AbstractBaseUser):
        email = EmailField(unique=True)
        USERNAME_FIELD = "email"

        class Meta:
            app_label = "auth"

    try:
        with override_settings(AUTH_USER_MODEL="auth.BareUser"):
            yield
    finally:
        del apps.all_models["auth"]["bareuser"]
        apps.clear_cache()


def installed_pgschemas() -> AbstractContextManager[Any]:
    return patch.object(apps, "is_installed", {"django_pgschemas"}.__contains__)


#: The checks that are not about settings of the site: when each has something to say.
SITUATIONS: dict[str, tuple[str, Callable[[], AbstractContextManager[None]]]] = {
    "souvenirs.W007": (
        "The database is SQLite, without `transaction_mode`.",
        deferred_transactions,
    ),
    "souvenirs.W008": ("Migrations have not been applied.", missing_migrations),
    "souvenirs.W010": ("There are digests, but an old souvenir is in none of them.", old_souvenir),
    "souvenirs.W016": (
        "One table was restored from a backup without the other, or digests were deleted.",
        restored_table,
    ),
    "souvenirs.W012": (
        "The query of a segment is wrong, or its function raises an error.",
        wrong_segment,
    ),
    "souvenirs.W013": ("The user model has no date of registration.", bare_user_model),
    "souvenirs.W014": ("The user model does not say who is active.", bare_user_model),
    "souvenirs.W015": (
        "`django_pgschemas` is in `INSTALLED_APPS`, and `SOUVENIRS_SCOPE` is not set.",
        installed_pgschemas,
    ),
}

#: The ways to run the checks, from the one that runs fewest.
RUNS: dict[str, dict[str, Any]] = {
    "check": {},
    "check --deploy": {"include_deployment_checks": True},
    "check --database": {"databases": ["default"]},
}


class Found(NamedTuple):
    """What a check says, and which run of the checks shows it."""

    run: str
    message: CheckMessage


def known() -> list[str]:
    """Return the ids in the code of the app."""
    sources = Path(souvenirs.__file__).parent.rglob("*.py")
    ids = (re.findall(r'"(souvenirs\.[EW]\d{3})"', source.read_text()) for source in sources)
    return sorted({id for each in ids for id in each})


def about_settings() -> dict[str, list[str]]:
    """Return the ids of the checks about each setting of the app."""
    checks: dict[str, list[str]] = {}
    for id, values in SETTINGS.items():
        for name in values:
            checks.setdefault(name, []).append(id)
    return checks


def render(runs: list[str]) -> str:
    """Return a section for each check that ``manage.py check`` shows with these options."""
    run = " ".join(runs)
    found = {id: observed(id) for id in known()}
    return "\n\n".join(_section(id, each) for id, each in found.items() if each.run == run)


def observed(id: str) -> Found:
    """Return what a check says where it has something to say."""
    with _example_of(id):
        for run, options in RUNS.items():
            for message in run_checks(**options):
                if message.id == id:
                    return Found(run, message)
    raise SystemExit(f"The example of {id} in {__file__} has no such problem.")


def _example_of(id: str) -> AbstractContextManager[Any]:
    if id in SETTINGS:
        return override_settings(**SETTINGS[id])
    if id in SITUATIONS:
        return SITUATIONS[id][1]()
    raise SystemExit(f"{__file__} has no example of {id}.")


def _section(id: str, found: Found) -> str:
    level = "Error" if found.message.is_serious() else "Warning"
    said = "\n".join(map(_wrapped, (found.message.msg, f"HINT: {found.message.hint}")))
    about = [f"[`{name}`](settings.md#{slug(name)})" for name in _documented(id)]
    intro = f"{level} about {' and '.join(about)}." if about else f"{level}."
    return f"### {id}\n\n{intro} {_example(id)}\n\n{fence(said, 'text')}"


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _documented(id: str) -> list[str]:
    return [name for name in SETTINGS.get(id, ()) if name in CONF]


def _example(id: str) -> str:
    if id in SITUATIONS:
        return SITUATIONS[id][0]
    lines = "\n".join(f"{name} = {_value(value)}" for name, value in SETTINGS[id].items())
    return f"Example:\n\n{fence(lines, 'py')}"


def _value(value: object) -> str:
    text = literal(value)
    if len(text) <= WIDTH - 30 or not isinstance(value, list):
        return text
    items = "".join(f"    {literal(item)},\n" for item in value)
    return f"[\n{items}]"

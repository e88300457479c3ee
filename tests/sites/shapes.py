"""The shapes of sites. Each differs in one thing from :class:`Shape`."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tests.processes import PgBouncer


class Shape:
    """Integer keys on SQLite, under gunicorn."""

    database = "sqlite"
    user_model = "auth.User"
    #: A kind of :class:`tests.processes.Web`.
    server = "gthread"
    #: What stands inside the middleware of the app.
    middleware_inside: tuple[str, ...] = ()
    settings: dict[str, Any] = {}

    def key(self, number: int) -> Any:
        """The primary key of a user."""
        return number

    def databases(self, default: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The setting DATABASES."""
        return {"default": default}

    @contextmanager
    def servers(self, environment: dict[str, str]) -> Iterator[dict[str, str]]:
        """Start what the site needs beside its database, and yield its environment."""
        yield environment

    def prepare(self) -> None:
        """Make the tables."""
        from django.core.management import call_command

        call_command("migrate", run_syncdb=True, verbosity=0)

    def hosts(self) -> list[str]:
        """The host names of the site; more than one where each is a tenant."""
        return ["127.0.0.1"]

    @contextmanager
    def tenant(self, host: str) -> Iterator[None]:
        """Work in the tables of a host."""
        yield

    def write_history(self, rows: list[tuple[Any, Any]]) -> None:
        """Leave what was seen before the site had its server: keys and moments."""
        from django.conf import settings
        from django.utils import timezone

        from souvenirs.models import Souvenir

        Souvenir.objects.bulk_create(
            Souvenir(user_id=key, when=when if settings.USE_TZ else timezone.make_naive(when))
            for key, when in rows
        )

    def settle(self) -> None:
        """Let what lags catch up."""


class BigKeys(Shape):
    """Keys of 64 bits, on PostgreSQL."""

    database = "postgresql"
    user_model = "sites.BigMember"

    def key(self, number):
        return (-1) ** number * (2**40 + number)


class UUIDKeys(Shape):
    """UUID keys, on PostgreSQL."""

    database = "postgresql"
    user_model = "sites.UUIDMember"

    def key(self, number):
        return uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.example.com")


class TextKeys(Shape):
    """Text keys, on MariaDB."""

    database = "mariadb"
    user_model = "sites.TextMember"

    def key(self, number):
        return f"Zoë O'Brien/{number}"


class Tenants(Shape):
    """Tenants in schemas of PostgreSQL, kept apart by django-tenants; all have the same keys."""

    database = "postgresql"
    settings = {
        "TENANT_MODEL": "tenancy.Tenant",
        "TENANT_DOMAIN_MODEL": "tenancy.Domain",
        "DATABASE_ROUTERS": ["django_tenants.routers.TenantSyncRouter"],
        "SHOW_PUBLIC_IF_NO_TENANT_FOUND": True,  # there we ask whether the server is ready
        "SHARED_APPS": ["django_tenants", "tests.sites.tenancy", "django.contrib.contenttypes"],
    }

    def databases(self, default):
        return {"default": {**default, "ENGINE": "django_tenants.postgresql_backend"}}

    def hosts(self):
        return ["one.localhost", "two.localhost"]

    def prepare(self):
        from django.core.management import call_command

        from tests.sites.tenancy.models import Domain, Tenant

        call_command("migrate_schemas", shared=True, run_syncdb=True, verbosity=0)
        for host in self.hosts():
            schema = host.partition(".")[0]
            tenant = Tenant.objects.create(schema_name=schema)
            Domain.objects.create(domain=host, tenant=tenant, is_primary=True)

    @contextmanager
    def tenant(self, host):
        from django_tenants.utils import schema_context

        with schema_context(host.partition(".")[0]):
            yield


class Replica(Shape):
    """Everything is read from a replica, which lags behind until it is allowed to catch up."""

    settings = {"DATABASE_ROUTERS": ["tests.sites.parts.ReadsFromReplica"]}

    def databases(self, default):
        return {
            "default": default,
            "replica": {**default, "NAME": f"{default['NAME']}.replica"},
        }

    def prepare(self):
        super().prepare()
        self.settle()

    def settle(self):
        from django.conf import settings

        with ExitStack() as stack:
            primary, replica = (
                stack.enter_context(closing(sqlite3.connect(settings.DATABASES[alias]["NAME"])))
                for alias in ("default", "replica")
            )
            primary.backup(replica)


class Pooled(Shape):
    """PostgreSQL behind pgbouncer, which gives each transaction whatever connection is free."""

    database = "postgresql"

    def databases(self, default):
        return {"default": {**default, "DISABLE_SERVER_SIDE_CURSORS": True, "CONN_MAX_AGE": 60}}

    @contextmanager
    def servers(self, environment):
        with PgBouncer(environment["SITE_DATABASE"]) as pool:
            yield {**environment, "SITE_DATABASE": pool.url}


class SouvenirsApart(Shape):
    """Users in PostgreSQL, souvenirs in a file of SQLite."""

    database = "postgresql"
    settings = {"DATABASE_ROUTERS": ["tests.sites.parts.KeepsSouvenirsApart"]}

    def databases(self, default):
        import os

        activity = {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SITE_FILE"]}
        return {"default": default, "activity": activity}

    def prepare(self):
        from django.core.management import call_command

        super().prepare()
        call_command("migrate", database="activity", verbosity=0)


class Asynchronous(Shape):
    """Under ASGI, with middleware inside that knows nothing of it."""

    server = "uvicorn"
    middleware_inside = ("tests.sites.parts.sync_only", "tests.sites.parts.OldMiddleware")


class WithoutTimeZones(Shape):
    """USE_TZ is False."""

    database = "mariadb"
    settings = {"USE_TZ": False, "TIME_ZONE": "Asia/Tokyo"}


class WithoutDates(Shape):
    """Users without date_joined or is_active."""

    user_model = "sites.DatelessMember"


class Upgraded(Shape):
    """A table that version 1.0.2 made and filled."""

    def prepare(self):
        from django.core.management import call_command
        from django.db import connection
        from django.db.migrations.recorder import MigrationRecorder

        from tests.test_migrations import VERSION_1

        for app in ("auth", "sessions", "admin"):
            call_command("migrate", app, verbosity=0)
        with connection.cursor() as cursor:
            for sql in VERSION_1[connection.vendor]:
                cursor.execute(sql)
        MigrationRecorder(connection).record_applied("souvenirs", "0001_initial")

    def write_history(self, rows):
        from django.core.management import call_command
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.executemany(
                'INSERT INTO souvenirs_souvenir (user_id, "when") VALUES (%s, %s)',
                [(key, when.strftime("%Y-%m-%d %H:%M:%S.%f")) for key, when in rows],
            )
        call_command("migrate", verbosity=0)


SHAPES: dict[str, Shape] = {
    "integer": Shape(),
    "big": BigKeys(),
    "uuid": UUIDKeys(),
    "text": TextKeys(),
    "tenants": Tenants(),
    "replica": Replica(),
    "pooled": Pooled(),
    "apart": SouvenirsApart(),
    "async": Asynchronous(),
    "naive": WithoutTimeZones(),
    "dateless": WithoutDates(),
    "upgraded": Upgraded(),
}

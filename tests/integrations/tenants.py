"""A site with django-tenants and two tenants whose users have the same keys.

``python -m tests.integrations.tenants URL`` lives through it in one process, with settings of its
own. The URL is that of an empty database of PostgreSQL.
"""

import asyncio
import sys

import dj_database_url
import django
import pytest
from django.conf import settings

HOSTS = {"one": "one.localhost", "two": "two.localhost"}
#: Who visits each tenant.
VISITORS = {"one": [1, 2, 3], "two": [2, 3, 4, 5]}
ALL = range(1, 9)


def configure(url):
    apps = [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "souvenirs",
    ]
    settings.configure(
        DATABASES={
            "default": dj_database_url.parse(url) | {"ENGINE": "django_tenants.postgresql_backend"}
        },
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        SHARED_APPS=["django_tenants", "tests.integrations.tenancy"],
        TENANT_APPS=apps,
        INSTALLED_APPS=["django_tenants", "tests.integrations.tenancy", *apps],
        TENANT_MODEL="tenancy.Tenant",
        TENANT_DOMAIN_MODEL="tenancy.Domain",
        MIDDLEWARE=[
            "django_tenants.middleware.TenantMainMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "souvenirs.middleware.SouvenirsMiddleware",
        ],
        ROOT_URLCONF="tests.integrations.tenancy.urls",
        ALLOWED_HOSTS=[".localhost"],
        SECRET_KEY="tests",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="UTC",
        SOUVENIRS_TIMEOUT=5,
        # A window that began long ago and ends in years: no visit falls into the next one.
        SOUVENIRS_RATELIMIT_SECONDS=1_000_000_000,
        SILENCED_SYSTEM_CHECKS=["souvenirs.W001"],  # a window of years contains midnight
    )
    django.setup()


def make_tenants():
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django_tenants.utils import schema_context

    from tests.integrations.tenancy.models import Domain, Tenant

    call_command("migrate_schemas", shared=True, run_syncdb=True, verbosity=0)
    for schema, host in HOSTS.items():
        tenant = Tenant(schema_name=schema)
        tenant.save(verbosity=0)
        Domain.objects.create(domain=host, tenant=tenant)
        with schema_context(schema):
            User.objects.bulk_create(
                User(pk=key, username=f"user{key}", is_superuser=True) for key in ALL
            )


def client_of(schema, key):
    """A client that the user has signed in with."""
    from django.contrib.auth.models import User
    from django.test import Client
    from django_tenants.utils import schema_context

    client = Client(headers={"host": HOSTS[schema]})
    with schema_context(schema):
        client.force_login(User.objects.get(pk=key))
    return client


def recorded():
    """The keys in the table of each tenant, in the order in which they were left."""
    from django_tenants.utils import schema_context

    from souvenirs.models import Souvenir

    found = {}
    for schema in HOSTS:
        with schema_context(schema):
            found[schema] = sorted(Souvenir.objects.values_list("user_id", flat=True))
    return found


def forget():
    from django_tenants.utils import schema_context

    import souvenirs.testing
    from souvenirs.models import Souvenir

    souvenirs.testing.reset()
    for schema in HOSTS:
        with schema_context(schema):
            Souvenir.objects.all().delete()


def everyone():
    """The visitors of both tenants, who take turns, and come twice."""
    pairs = [(schema, key) for key in ALL for schema in HOSTS if key in VISITORS[schema]]
    return pairs + pairs


def requests_are_recorded(path):
    forget()
    clients = {pair: client_of(*pair) for pair in everyone()}
    for pair in everyone():
        assert clients[pair].get(path).status_code == 200
    assert recorded() == VISITORS


async def ask(application, host, path, cookie):
    """The status of one request, sent as a server under ASGI does."""
    received = asyncio.Queue()
    await received.put({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    await application(scope, received.get, send)
    return sent[0]["status"]


def requests_at_once_are_recorded(path):
    from django.core.asgi import get_asgi_application

    forget()
    cookies = {
        pair: "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        for pair, client in ((pair, client_of(*pair)) for pair in everyone())
    }
    application = get_asgi_application()

    async def send_all():
        # The second time when the first is over: until then nobody remembers anything.
        for half in (everyone()[: len(cookies)], everyone()[len(cookies) :]):
            asked = [ask(application, HOSTS[pair[0]], path, cookies[pair]) for pair in half]
            assert set(await asyncio.gather(*asked)) == {200}

    asyncio.run(send_all())
    assert recorded() == VISITORS


def calls_are_recorded():
    from asgiref.sync import async_to_sync
    from django_tenants.utils import schema_context

    from souvenirs.control import asouvenez, souvenez

    for function in (souvenez, async_to_sync(asouvenez)):
        forget()
        outcomes = []
        for schema, key in everyone():
            with schema_context(schema):
                outcomes.append(function(key))
        half = len(outcomes) // 2
        assert outcomes == ["added"] * half + ["rate-limited"] * half
        assert recorded() == VISITORS


def a_commit_after_the_tenant_is_left_is_remembered_for_the_tenant():
    from django.db import transaction
    from django_tenants.utils import schema_context

    from souvenirs.control import souvenez

    forget()
    with transaction.atomic():
        for schema in HOSTS:
            with schema_context(schema):
                assert souvenez(2) == "added"
    for schema in HOSTS:
        with schema_context(schema):
            assert souvenez(2) == "rate-limited"


def a_slow_tenant_closes_nobody_elses_breaker():
    from django_tenants.utils import schema_context

    from souvenirs.resilience import database_breaker

    with schema_context("one"):
        database_breaker().trip()
        assert not database_breaker().allows()
    with schema_context("two"):
        assert database_breaker().allows()


def a_process_that_ends_writes_what_it_remembers_in_each_schema():
    """Users whom it knows, and those of sessions, which it looks up there."""
    from django.db import OperationalError, connection
    from django_tenants.utils import schema_context

    from souvenirs.control import souvenez
    from souvenirs.recording import catch_up_at_exit
    from souvenirs.resilience import database_breaker

    def fail(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO"):
            raise OperationalError("no inserts")
        return execute(sql, params, many, context)

    forget()
    for schema in HOSTS:
        *known, last = VISITORS[schema]
        client = client_of(schema, last)
        with schema_context(schema), connection.execute_wrapper(fail):
            for key in known:
                with pytest.raises(OperationalError):
                    souvenez(key)
            database_breaker().trip()
        assert client.get("/plain/").status_code == 200
    connection.set_schema_to_public()
    assert recorded() == {schema: [] for schema in HOSTS}
    catch_up_at_exit()
    assert recorded() == VISITORS


def answers_are_the_tenants_own():
    """Counted and shown from souvenirs, then from digests, then from these alone."""
    from django.core.management import call_command
    from django_tenants.utils import schema_context

    from souvenirs.control import active_users, count_active_users

    requests_are_recorded("/plain/")
    for command in (None, "digest_souvenirs", "digest_souvenirs --verify"):
        for schema, visitors in VISITORS.items():
            if command:
                name, *options = command.split()
                call_command("tenant_command", name, *options, schema=schema)
            with schema_context(schema):
                assert count_active_users() == len(visitors)
                assert {user.pk for user in active_users().users()} == set(visitors)
            shown = client_of(schema, visitors[0]).get("/souvenirs/api/people?list=recent")
            assert [int(row["id"]) for row in shown.json()["rows"]] == visitors, shown.content


def the_public_schema_has_no_tables():
    """It can be checked and migrated, and a command says in one sentence why it cannot run."""
    from django.core.management import CommandError, call_command

    call_command("check", databases=["default"], fail_level="WARNING")
    call_command("migrate_schemas", verbosity=0, skip_checks=False)
    sentence = "^A router keeps the tables of souvenirs out of the schema 'public'.$"
    with pytest.raises(CommandError, match=sentence):
        call_command("digest_souvenirs")


def main(url):
    configure(url)
    make_tenants()
    the_public_schema_has_no_tables()
    for path in ("/plain/", "/asks/", "/async/plain/", "/async/asks/"):
        requests_are_recorded(path)
        requests_at_once_are_recorded(path)
    calls_are_recorded()
    a_commit_after_the_tenant_is_left_is_remembered_for_the_tenant()
    a_slow_tenant_closes_nobody_elses_breaker()
    a_process_that_ends_writes_what_it_remembers_in_each_schema()
    answers_are_the_tenants_own()


if __name__ == "__main__":
    main(*sys.argv[1:])

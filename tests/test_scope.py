"""Whatever a process or a cache remembers is apart by scope."""

from contextlib import nullcontext, suppress

import pytest
from django.db import DatabaseError, connections, transaction

from souvenirs.control import asouvenez, souvenez
from souvenirs.models import Souvenir
from souvenirs.recording import rate_limiter
from souvenirs.resilience import database_breaker
from souvenirs.scope import has_scopes, scope, scoped
from tests.conftest import pk_of
from tests.recording.test_recorder import broken_insert

pytestmark = pytest.mark.django_db


class Tenants:
    """A site's own function: it returns the current tenant."""

    current = "one"

    def __call__(self):
        return self.current


@pytest.fixture
def tenants(settings):
    settings.SOUVENIRS_SCOPE = Tenants()
    return settings.SOUVENIRS_SCOPE


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def schemas(monkeypatch, settings):
    """A connection as that of django-tenants: it has the name of a schema."""
    monkeypatch.setattr(connections["default"], "schema_name", "acme", raising=False)
    settings.SOUVENIRS_SCOPE = None


class Router:
    """It names a database for souvenirs."""

    alias = "elsewhere"

    def db_for_write(self, model, **hints):
        return self.alias


class SilentRouter:
    """It has no opinion about databases, as that of django-tenants."""


def test_a_site_without_tenants_has_a_single_scope():
    assert (has_scopes(), scope(), scoped(1)) == (False, None, 1)


def test_sites_own_function(tenants):
    assert (has_scopes(), scope(), scoped(1)) == (True, "one", ("one", 1))
    tenants.current = "two"
    assert scoped(1) == ("two", 1)


def test_schema_of_the_connection(schemas, monkeypatch):
    assert scope() == ("default", "acme")
    monkeypatch.setattr(connections["default"], "schema_name", "other")
    assert scope() == ("default", "other")


def test_database_that_a_router_names(settings, monkeypatch):
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    assert scope() == "elsewhere"
    monkeypatch.setattr(Router, "alias", "default")
    assert scope() == "default"


def test_schema_of_the_database_that_a_router_names(schemas, settings, monkeypatch):
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    monkeypatch.setattr(Router, "alias", "default")
    assert scope() == ("default", "acme")


def test_router_that_names_no_database(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.SilentRouter"]
    assert not has_scopes()


def test_each_tenant_is_rate_limited_by_itself(tenants, shared_cache):
    outcomes = []
    for tenants.current in ("one", "two", "one", "two"):
        rate_limiter.forget()
        outcomes.append(souvenez(pk_of(1)))
    assert outcomes == ["added", "added", "rate-limited", "rate-limited"]


def test_each_tenant_is_remembered_by_itself(tenants):
    outcomes = []
    for tenants.current in ("one", "two", "one", "two"):
        outcomes.append(souvenez(pk_of(1)))
    assert outcomes == ["added", "added", "rate-limited", "rate-limited"]


async def test_each_tenant_by_itself_async(tenants):
    outcomes = []
    for tenants.current in ("one", "two", "one", "two"):
        outcomes.append(await asouvenez(pk_of(1)))
    assert outcomes == ["added", "added", "rate-limited", "rate-limited"]


@pytest.mark.django_db(transaction=True)
def test_the_tenant_is_that_of_the_call_not_of_the_commit(tenants):
    with transaction.atomic():
        assert souvenez(pk_of(1)) == "added"
        assert souvenez(pk_of(1)) == "rate-limited"
        tenants.current = "two"
        assert souvenez(pk_of(1)) == "added"
        tenants.current = "three"
    assert souvenez(pk_of(1)) == "added"
    tenants.current = "one"
    assert souvenez(pk_of(1)) == "rate-limited"
    assert Souvenir.objects.count() == 3


def recorded():
    return sorted(Souvenir.objects.values_list("user_id", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("block", [nullcontext, transaction.atomic])
def test_each_tenant_writes_what_it_could_not_write_in_time(tenants, block):
    """Also if the transaction around the failure is committed when the tenant has been left."""
    with block():
        with connections["default"].execute_wrapper(broken_insert), suppress(DatabaseError):
            souvenez(pk_of(1))
        tenants.current = "two"
    souvenez(pk_of(2))
    assert recorded() == [pk_of(2)]
    tenants.current = "one"
    souvenez(pk_of(3))
    assert recorded() == [pk_of(number) for number in (1, 2, 3)]


def test_each_tenant_has_its_breaker(tenants):
    database_breaker().trip()
    assert not database_breaker().allows()
    tenants.current = "two"
    assert database_breaker().allows()


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_requests_of_each_tenant(tenants, client, make_user, path):
    client.force_login(make_user())
    for tenants.current in ("one", "two", "one", "two"):
        client.get(path)
    assert Souvenir.objects.count() == 2


@pytest.mark.parametrize("path", ["/async/plain/", "/async/user/"])
async def test_requests_of_each_tenant_async(tenants, async_client, user, path):
    await async_client.aforce_login(user)
    for tenants.current in ("one", "two", "one", "two"):
        assert (await async_client.get(path)).status_code == 200
    assert await Souvenir.objects.acount() == 2


async def test_anonymous_request_asks_for_no_tenant(settings, async_client):
    asked = []
    settings.SOUVENIRS_SCOPE = lambda: asked.append("one")
    assert (await async_client.get("/async/plain/")).status_code == 200
    assert asked == []


@pytest.mark.parametrize("value", ["no.such.function", lambda: 1 / 0])
async def test_failing_function_fails_no_request(settings, async_client, user, value, caplog):
    await async_client.aforce_login(user)
    settings.SOUVENIRS_SCOPE = value
    assert (await async_client.get("/async/plain/")).status_code == 200
    assert "Could not determine whether to leave a souvenir." in caplog.text
    assert await Souvenir.objects.acount() == 0

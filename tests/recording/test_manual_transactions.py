"""Sites that switch autocommit off and commit their transactions themselves."""

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction
from django.test import Client

from souvenirs.control import asouvenez, souvenez
from souvenirs.recording import catch_up
from souvenirs.recording.ratelimit import CLAIM_SECONDS, rate_limiter
from tests.conftest import at, pk_of
from tests.recording.test_catchup import fail, failing, remembered, seen

#: Whoever is left over is written with the next success, however slow the machine.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("watch")]


@pytest.fixture
def manual(transactional_db):
    connection.set_autocommit(False)
    yield
    connection.rollback()
    connection.set_autocommit(True)


@pytest.fixture
def group(manual):
    """What the site has written in a transaction that is still open."""
    return Group.objects.create(name="of the site")


@pytest.fixture
def client_of(make_user):
    def signed_in(number):
        client = Client()
        client.force_login(make_user(number))
        return client

    return signed_in


def roll_back():
    """The end of the site's transaction, and of its manual transactions."""
    connection.rollback()
    connection.set_autocommit(True)


def test_transaction_of_the_site_is_left_alone(group):
    assert souvenez(pk_of(1)) == "remembered"
    roll_back()
    assert not Group.objects.exists()
    assert (seen(), remembered()) == ([], 1)


def test_atomic_block_in_a_transaction_of_the_site_is_left_alone(manual):
    with transaction.atomic():
        assert souvenez(pk_of(1)) == "remembered"
    roll_back()
    assert (seen(), remembered()) == ([], 1)


def test_souvenir_is_left_once_the_transaction_is_over(group):
    assert [souvenez(pk_of(1)), souvenez(pk_of(1))] == ["remembered"] * 2
    connection.commit()
    connection.set_autocommit(True)
    assert souvenez(pk_of(2)) == "added"
    assert seen() == [1, 2]


async def test_async_call_leaves_it_alone_too(group):
    assert await asouvenez(pk_of(1)) == "remembered"


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_visits_during_a_transaction_of_the_site(client_of, path):
    client, other = client_of(1), client_of(2)
    connection.set_autocommit(False)
    Group.objects.create(name="of the site")
    assert client.get(path).status_code == 200
    roll_back()
    assert not Group.objects.exists()
    assert seen() == []
    other.get(path)
    assert (seen(), remembered()) == ([1, 2], 0)


def test_transaction_of_the_site_does_not_catch_up(manual, watch):
    fail(1)
    Group.objects.create(name="of the site")
    assert souvenez(pk_of(2)) == "remembered"
    catch_up(watch.seconds)
    roll_back()
    assert (seen(), remembered()) == ([], 2)


def test_souvenir_between_transactions_of_the_site_is_committed(manual):
    assert souvenez(pk_of(1)) == "added"
    connection.rollback()
    assert seen() == [1]


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_visit_between_transactions_of_the_site_is_committed(client_of, path):
    clients = [client_of(number) for number in (1, 2)]
    with failing():
        clients[0].get(path)
    connection.set_autocommit(False)
    clients[1].get("/plain/")  # whose view asks nothing
    roll_back()
    assert (seen(), remembered()) == ([1, 2], 0)


def test_failed_souvenir_between_transactions_leaves_none_open(manual):
    with failing(), pytest.raises(OperationalError):
        souvenez(pk_of(1))
    assert remembered() == 1
    assert souvenez(pk_of(2)) == "added"
    connection.rollback()
    assert seen() == [1, 2]


def test_check_of_a_claim_leaves_no_transaction_open(manual, shared_cache, clock):
    clock.set(at(2016, 1, 1, 12))
    souvenez(pk_of(1))
    rate_limiter.forget()
    clock.set(at(2016, 1, 1, 12, 0, CLAIM_SECONDS + 1))
    assert souvenez(pk_of(1)) == "rate-limited"
    assert souvenez(pk_of(2)) == "added"


def test_commit_hooks_of_the_site_outlive_a_failed_souvenir(manual):
    """Those that wait for the end of its manual transactions."""
    called = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append(True))
    connection.commit()
    with failing():
        assert souvenez(pk_of(1)) == "remembered"
    connection.set_autocommit(True)
    assert called == [True]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="The database would be gone.")
def test_connection_that_is_opened_for_the_souvenir(transactional_db, monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    assert souvenez(pk_of(1)) == "added"
    connection.close()
    monkeypatch.undo()
    assert seen() == [1]


@pytest.mark.skipif(connection.vendor != "mysql", reason="Other engines tell.")
def test_mysql_does_not_tell_whether_a_transaction_is_open(manual, monkeypatch):
    monkeypatch.setattr(connection, "mysql_is_mariadb", False)
    assert souvenez(pk_of(1)) == "remembered"

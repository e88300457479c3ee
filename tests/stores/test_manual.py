"""Commands on sites that switch autocommit off."""

import pytest
from django.db import connection, transaction

from souvenirs.models import Souvenir
from souvenirs.stores import Sighting, committing, get_store
from tests.conftest import INSTANT, at, pk_of

pytestmark = pytest.mark.django_db(transaction=True)


def leave(number):
    get_store().add_many([Sighting(pk_of(number), at(2017, 11, 1) + number * INSTANT)])


@pytest.fixture
def manual(transactional_db):
    connection.set_autocommit(False)
    yield
    connection.rollback()
    connection.set_autocommit(True)


@pytest.mark.usefixtures("manual")
def test_what_is_written_is_committed():
    with committing():
        leave(1)
    connection.rollback()
    assert Souvenir.objects.count() == 1


@pytest.mark.usefixtures("manual")
def test_afterwards_the_site_commits_again():
    with pytest.raises(ZeroDivisionError), committing():
        leave(1 // 0)
    assert not connection.get_autocommit()
    Souvenir.objects.create(user_id=pk_of(1), when=at(2017, 11, 1))
    connection.rollback()
    assert not Souvenir.objects.exists()


@pytest.mark.usefixtures("manual")
def test_transaction_of_the_site_is_neither_committed_nor_used():
    Souvenir.objects.create(user_id=pk_of(1), when=at(2017, 11, 1))
    message = "a transaction open on the database 'default'"
    with pytest.raises(RuntimeError, match=message), committing():
        leave(2)
    connection.rollback()
    assert not Souvenir.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="The database would be gone.")
def test_connection_that_is_closed_meanwhile_is_as_in_the_settings(monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    with committing():
        leave(1)
        connection.close()
    assert connection.connection is None
    assert not connection.get_autocommit()
    assert Souvenir.objects.count() == 1
    connection.close()


def test_with_autocommit_nothing_changes(django_assert_num_queries):
    with django_assert_num_queries(0), committing():
        assert connection.get_autocommit()
    with transaction.atomic(), committing():
        leave(1)
        transaction.set_rollback(True)
    assert not Souvenir.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="The database would be gone.")
def test_connection_that_is_not_needed_is_not_opened():
    connection.close()
    with committing():
        assert connection.connection is None

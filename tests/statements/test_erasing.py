"""Whoever is erased is dropped from statements, which verify as before."""

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections

from souvenirs.control import erase_user, export_user
from souvenirs.models import StatementLeaf
from souvenirs.statementfile import verified
from souvenirs.statements import (
    export_statement,
    issue_statement,
    issuing,
    recount_statement,
    statement_users,
)
from tests.conftest import at, pk_of
from tests.digesting import digest, run
from tests.oracle import keys
from tests.organizations import ONE, found_organizations, name_of

JANUARY = at(2016, 1, 1), at(2016, 2, 1)
FEBRUARY = at(2016, 2, 1), at(2016, 3, 1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now(set_now):
    set_now(at(2016, 6, 1))


@pytest.fixture
def statements(leave):
    """Of two months, in the first of which users 1, 2 and 3 were active, and 1 in the second."""
    leave((1, JANUARY[0]), (2, JANUARY[0]), (3, at(2016, 1, 7)), (1, FEBRUARY[0]))
    digest()
    return [issue_statement(None, month) for month in (JANUARY, FEBRUARY)]


def test_count_and_root_stay_and_the_user_is_gone(statements):
    before = [verified(export_statement(each)) for each in statements]
    assert erase_user(pk_of(1)).statements == 2
    for statement, file in zip(statements, before, strict=True):
        data = export_statement(statement)
        after = verified(data)
        assert (after.content, after.hash, after.hidden) == (file.content, file.hash, 1)
        assert after.users == file.users - {str(pk_of(1))}
        assert f'"user":"{pk_of(1)}"'.encode() not in data
    assert statement_users(statements[0]).pks == keys({2, 3})
    assert verified(export_statement(statements[0])).counts(str(pk_of(1))) is None


def test_nothing_of_the_user_is_left_in_the_table(statements):
    leaf = StatementLeaf.objects.get(statement=statements[1])
    salt = bytes(leaf.salt)
    erase_user(pk_of(1))
    left = StatementLeaf.objects.filter(pk=leaf.pk).values().get()
    assert (left["user_id"], left["salt"]) == (None, None)
    assert bytes(left["hash"]) == bytes(leaf.hash)
    assert salt not in map(
        bytes, StatementLeaf.objects.exclude(salt=None).values_list("salt", flat=True)
    )


def test_others_stay(statements):
    before = export_statement(statements[0])
    assert erase_user(pk_of(9)).statements == 0
    assert export_statement(statements[0]) == before


def test_command_says_from_how_many(statements):
    assert run("erase_user", str(pk_of(1)), no_input=True, interactive=False).endswith(
        "digests and 2 statements.\n"
    )


@pytest.mark.usefixtures("statements")
def test_export_of_a_user_has_the_statements():
    assert export_user(pk_of(1))["statements"] == [
        {
            "customer": None,
            "number": 1,
            "start": "2016-01-01T00:00:00Z",
            "end": "2016-02-01T00:00:00Z",
        },
        {
            "customer": None,
            "number": 2,
            "start": "2016-02-01T00:00:00Z",
            "end": "2016-03-01T00:00:00Z",
        },
    ]
    assert len(export_user(pk_of(2))["statements"]) == 1
    assert export_user(pk_of(9))["statements"] == []


def test_export_of_a_user_names_the_customer(leave):
    found = found_organizations({1: (1,)})
    leave((1, JANUARY[0]))
    issue_statement(found[1], JANUARY, of=ONE)
    [statement] = export_user(pk_of(1))["statements"]
    assert statement["customer"] == name_of(1)


def test_deleted_user_stays_in_statements(statements, make_user):
    make_user(1).delete()
    assert not get_user_model().objects.filter(pk=pk_of(1)).exists()
    assert statement_users(statements[1]).pks == keys({1})


def test_recount_knows_how_many_have_been_erased(statements):
    erase_user(pk_of(1))
    recount = recount_statement(statements[0])
    assert (recount.erased, recount.draft.content["active_users"]) == (1, 2)
    assert recount.differs
    assert not any([*recount.added.values(), *recount.removed.values()])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="It has one writer at a time.")
def test_erasure_waits_for_a_statement_that_has_read_the_user(leave, monkeypatch):
    """Else the user would come back with the commit of the statement."""
    leave((1, JANUARY[0]), (2, JANUARY[0]))
    add = issuing.Statements.add
    erased = threading.Thread(target=erase_and_close, args=(pk_of(1),))

    def erase_meanwhile(self, *arguments):
        erased.start()
        erased.join(0.5)  # the souvenirs are gone, and the leaves are waited for
        assert erased.is_alive()
        return add(self, *arguments)

    monkeypatch.setattr(issuing.Statements, "add", erase_meanwhile)
    statement = issue_statement(None, JANUARY)
    erased.join()
    assert statement.content["active_users"] == 2
    assert statement_users(statement).pks == keys({2})


def erase_and_close(key):
    erase_user(key)
    connections.close_all()

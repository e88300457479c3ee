"""Souvenirs may live in another database than the users do: the router decides."""

from datetime import UTC, timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from souvenirs.control import active_users, count_active_users, erase_user, souvenez
from souvenirs.insights import inactive, last_seen_many, never_seen, recently_seen
from souvenirs.mail import usage_of_last_period
from souvenirs.models import Delivery, Souvenir, Statement
from souvenirs.reports import calendar_monthly_usage
from souvenirs.statementfile import verified
from souvenirs.statements import export_statement, issue_statement, recount_statement
from tests.conftest import at, build_user, pk_of
from tests.organizations import ONE, found_organizations

pytestmark = pytest.mark.django_db(databases=["default", "elsewhere"])


class Router:
    """Souvenirs go elsewhere; everything else stays where it is."""

    def db_for_read(self, model, **hints):
        return "elsewhere" if model._meta.app_label == "souvenirs" else None

    db_for_write = db_for_read


class UsersElsewhere:
    """Users are read elsewhere, from a replica."""

    def db_for_read(self, model, **hints):
        return "elsewhere" if model is get_user_model() else None


@pytest.fixture(autouse=True)
def routed(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]


def rows():
    return SimpleNamespace(
        default=list(Souvenir.objects.using("default").values_list("user_id", flat=True)),
        elsewhere=list(Souvenir.objects.using("elsewhere").values_list("user_id", flat=True)),
    )


def test_souvenir_is_left_elsewhere(make_user):
    user = make_user()
    assert [souvenez(user), souvenez(user)] == ["added", "rate-limited"]
    assert (rows().default, rows().elsewhere) == ([], [user.pk])


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_request_leaves_it_elsewhere(client, make_user, path):
    user = make_user()
    client.force_login(user)
    client.get(path)
    assert (rows().default, rows().elsewhere) == ([], [user.pk])


def test_users_are_looked_up_at_home(client, make_user):
    client.force_login(make_user())
    with CaptureQueriesContext(connections["elsewhere"]) as queries:
        client.get("/plain/")
    assert not [query for query in queries if "session" in query["sql"].lower()]


def test_broken_transaction_at_home_is_not_in_the_way(make_user):
    user = make_user()
    with transaction.atomic(using="default"):
        transaction.set_rollback(True, using="default")
        assert souvenez(user) == "added"


def test_set_finds_its_users_at_home(make_user):
    user, other = make_user(), make_user()
    souvenez(user)
    assert user in active_users()
    assert list(active_users().users()) == [user]
    assert other not in active_users()


def test_report_asks_both(make_user):
    user = make_user(joined=at(2016, 1, 5))
    make_user(joined=at(2016, 1, 6))
    souvenez(user, when=at(2016, 1, 7))
    [row] = calendar_monthly_usage(at(2016, 1, 1), at(2016, 2, 1), tz="UTC")
    assert count_active_users() == row["usage"]["active_users"] == 1
    assert row["usage"]["registered_users"] in (2, None)


def test_count_in_a_queryset(make_user):
    user = make_user()
    souvenez(user)
    assert count_active_users(qs=Souvenir.objects.filter(user_id=user.pk)) == 1


def test_lists_of_users_need_no_souvenir_beside_them(make_user):
    """They come as a set, because no statement reads both databases."""
    old, new, never = make_user(), make_user(), make_user()
    now = timezone.now()
    souvenez(old, when=now - timedelta(days=100))
    souvenez(new, when=now - timedelta(days=1))
    assert list(recently_seen(timedelta(days=2)).order_by("pk")[:5]) == [new]
    assert list(inactive().order_by("pk")) == [old]
    assert list(never_seen()) == [never]
    found = last_seen_many([old, new, never])
    assert found == {
        old.pk: now - timedelta(days=100),
        new.pk: now - timedelta(days=1),
        never.pk: None,
    }


def test_deliveries_of_mails_are_elsewhere(make_user, set_now):
    souvenez(make_user())
    set_now(timezone.now() + timedelta(days=7))
    call_command("email_usage", "ann@example.com", stdout=StringIO())
    assert Delivery.objects.using("elsewhere").count() == 1
    assert Delivery.objects.using("default").count() == 0


def test_statements_are_elsewhere(make_user):
    """With their users, although the organizations and the accounts are at home."""
    found = found_organizations({1: (1,), 2: (1,)})
    for number in (1, 2):
        souvenez(pk_of(number), when=at(2016, 1, 7))
    statement = issue_statement(found[1], (at(2016, 1, 1), at(2016, 2, 1)), of=ONE)
    assert Statement.objects.using("elsewhere").get() == statement
    assert not Statement.objects.using("default").exists()
    assert erase_user(pk_of(1)).statements == 1
    assert verified(export_statement(statement)).users == {str(pk_of(2))}
    recount = recount_statement(statement)
    assert (recount.erased, recount.draft.users.pks) == (1, {pk_of(2)})


def test_mail_counts_accounts_where_reports_do(make_user, settings):
    """Also if a replica has some that the other database has not, or the other way round."""
    settings.DATABASE_ROUTERS = [f"{__name__}.UsersElsewhere"]
    settings.SOUVENIRS_SEGMENTS = {"everyone": Q(pk__isnull=False)}
    user = make_user(joined=at(2016, 1, 5))
    for number in 1, 2:
        build_user(number, joined=at(2016, 1, 5)).save(using="elsewhere", force_insert=True)
    souvenez(user, when=at(2016, 1, 7))
    [row] = calendar_monthly_usage(at(2016, 1, 1), at(2016, 2, 1), tz="UTC")
    registered = row["usage"]["registered_users"]
    usage = usage_of_last_period("month", UTC, at(2016, 2, 1), ["everyone"])
    assert registered in (2, None)
    assert usage.numbers["registered"].value == registered
    assert usage.numbers["active"].value == 1
    members = count_active_users(at(2016, 1, 1), at(2016, 2, 1), by="segment")
    assert usage.segments["everyone"].value == members["everyone"]

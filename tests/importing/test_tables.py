from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from souvenirs.importing import tables
from souvenirs.importing.lines import Record
from souvenirs.importing.tables import admin_log, last_logins
from tests.conftest import pk_of
from tests.importing.reading import MOMENT

PARIS = ZoneInfo("Europe/Paris")


def test_last_logins_are_those_of_users_who_signed_in(make_user):
    make_user()
    make_user(last_login=MOMENT)
    make_user(last_login=MOMENT + timedelta(days=1))
    assert list(last_logins()) == [
        (1, Record(str(pk_of(2)), MOMENT)),
        (2, Record(str(pk_of(3)), MOMENT + timedelta(days=1))),
    ]


def test_last_logins_are_in_utc(make_user, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    make_user(last_login=MOMENT.astimezone(PARIS).replace(tzinfo=None))
    [(_, record)] = last_logins()
    assert (record.when, record.when.tzinfo) == (MOMENT, UTC)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6])
def test_tables_are_read_in_pages(make_user, monkeypatch, rows):
    for _ in range(5):
        make_user(last_login=MOMENT)
    monkeypatch.setattr(tables, "ROWS", rows)
    users = [record.user for _, record in last_logins()]
    assert users == [str(pk_of(number)) for number in range(1, 6)]


def test_last_logins_need_a_user_model_that_stores_them(db, settings):
    settings.AUTH_USER_MODEL = "auth.Group"
    with pytest.raises(LookupError, match=r"auth\.Group has no field last_login"):
        last_logins()


def test_the_admin_log_has_every_action(make_user):
    ann, bob = make_user(), make_user()
    for user, when in [(ann, MOMENT), (bob, MOMENT), (ann, MOMENT + timedelta(hours=1))]:
        LogEntry.objects.create(user=user, action_time=when, action_flag=CHANGE)
    assert list(admin_log()) == [
        (1, Record(str(ann.pk), MOMENT)),
        (2, Record(str(bob.pk), MOMENT)),
        (3, Record(str(ann.pk), MOMENT + timedelta(hours=1))),
    ]


def test_the_admin_log_needs_the_admin(db, settings):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    with pytest.raises(LookupError, match=r"django\.contrib\.admin is not installed"):
        admin_log()

"""Others are told of each new souvenir, and cannot harm it."""

import contextlib
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save

from souvenirs.control import souvenez
from souvenirs.models import Souvenir
from souvenirs.signals import user_seen
from tests.conftest import at, pk_of
from tests.recording.test_recorder import broken_insert

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    """The signals received: their sender and what they say."""
    found = []

    def receiver(sender, signal, **told):
        found.append((sender, told))

    user_seen.connect(receiver)
    yield found
    user_seen.disconnect(receiver)


def test_new_souvenir_is_told_of(heard):
    souvenez(pk_of(1), when=at(2016, 1, 1))
    told = {"user_pk": pk_of(1), "when": at(2016, 1, 1), "request": None}
    assert heard == [(Souvenir, told)]


def test_moment_is_the_souvenirs(heard):
    souvenez(pk_of(1))
    [(_, told)] = heard
    assert told["when"] == Souvenir.objects.get().when


def test_moment_is_aware_without_time_zone_support(heard, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    souvenez(pk_of(1), when=at(2016, 1, 1).replace(tzinfo=None))
    [(_, told)] = heard
    assert told["when"] == at(2015, 12, 31, 23)


def test_limited_one_is_not(heard):
    souvenez(pk_of(1))
    souvenez(pk_of(1))
    assert len(heard) == 1


def test_duplicated_one_is_not(heard):
    when = at(2016, 1, 1)
    souvenez(pk_of(1), when)
    souvenez(pk_of(1), when, ratelimit=False, check_duplicate=True)
    assert len(heard) == 1


def test_one_without_a_limit_is(heard):
    souvenez(pk_of(1), ratelimit=False)
    souvenez(pk_of(1), ratelimit=False)
    assert len(heard) == 2


def test_failed_one_is_not(heard):
    with connection.execute_wrapper(broken_insert), contextlib.suppress(Exception):
        souvenez(pk_of(1))
    assert heard == []


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_request_is_told(heard, client, make_user, path):
    user = make_user()
    client.force_login(user)
    client.get(path)
    [(_, told)] = heard
    assert (told["user_pk"], told["request"].path) == (user.pk, path)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [True, False])
def test_inside_a_transaction_it_waits_for_the_commit(heard, limit):
    with transaction.atomic():
        souvenez(pk_of(1), ratelimit=limit)
        assert heard == []
    assert len(heard) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [True, False])
def test_rolled_back_one_is_not(heard, limit):
    with contextlib.suppress(RuntimeError), transaction.atomic():
        souvenez(pk_of(1), ratelimit=limit)
        raise RuntimeError
    assert heard == []


def test_failing_receiver_is_logged_and_harms_nothing(client, make_user, caplog):
    def receiver(**told):
        raise RuntimeError("the receiver fails")

    user_seen.connect(receiver)
    try:
        client.force_login(make_user())
        assert client.get("/plain/").status_code == 200
        assert souvenez(pk_of(7), when=at(2016, 1, 1)) == "added"
        assert souvenez(pk_of(7), when=at(2016, 1, 1) + timedelta(minutes=1)) == "rate-limited"
    finally:
        user_seen.disconnect(receiver)
    assert Souvenir.objects.count() == 2
    assert [record.name for record in caplog.records] == ["django.dispatch"] * 2


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_signals_of_the_orm_are_sent_where_somebody_listens(signal):
    found = []

    def receiver(instance, **told):
        found.append((instance.user_id, instance.when))

    signal.connect(receiver, sender=Souvenir)
    try:
        souvenez(pk_of(1), when=at(2016, 1, 1))
    finally:
        signal.disconnect(receiver, sender=Souvenir)
    assert found == [(pk_of(1), at(2016, 1, 1))]
    assert list(Souvenir.objects.values_list("user_id", "when")) == found

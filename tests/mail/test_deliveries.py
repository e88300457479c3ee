"""A mail is claimed by one, and its address is stored nowhere."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from souvenirs.mail import Claim, Deliveries, Mailing
from souvenirs.mail.deliveries import OVERDUE, Taken
from souvenirs.models import Delivery
from souvenirs.stores import Contended
from tests.conftest import INSTANT, at

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

WEEK = Mailing("week", date(2017, 11, 13), "UTC", ("a", "b"), "en")
ANN = "ann@example.com"


def test_one_claim_for_each_mail_and_address():
    deliveries = Deliveries()
    first = deliveries.claim(WEEK, ANN)
    assert isinstance(first, Claim)
    assert isinstance(deliveries.claim(WEEK, "ANN@example.com"), Taken)
    for mailing, address in (
        (WEEK, "bob@example.com"),
        (Mailing("day", WEEK.first_day, "UTC", ("a", "b"), "en"), ANN),
        (Mailing("week", date(2017, 11, 20), "UTC", ("a", "b"), "en"), ANN),
        (Mailing("week", WEEK.first_day, "Asia/Tokyo", ("a", "b"), "en"), ANN),
        (Mailing("week", WEEK.first_day, "UTC", ("a",), "en"), ANN),
        (Mailing("week", WEEK.first_day, "UTC", ("a", "b"), "de"), ANN),
    ):
        assert isinstance(deliveries.claim(mailing, address), Claim)
    # In another order, it is the same mail.
    same = Mailing("week", WEEK.first_day, "UTC", ("b", "a"), "en")
    assert isinstance(deliveries.claim(same, ANN), Taken)


def test_no_address_is_stored():
    deliveries = Deliveries()
    deliveries.mark_sent(deliveries.claim(WEEK, ANN))
    [row] = Delivery.objects.values()
    assert "ann" not in str(row)
    assert len(row["key"]) == 64
    assert str(Delivery.objects.get()).startswith("week=2017-11-13 sent=2")


def test_a_new_secret_key_knows_what_was_sent_under_the_old_one(settings):
    settings.SECRET_KEY = "old"
    Deliveries().claim(WEEK, ANN)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert isinstance(Deliveries().claim(WEEK, ANN), Taken)
    settings.SECRET_KEY_FALLBACKS = []
    assert isinstance(Deliveries().claim(WEEK, ANN), Claim)


def test_a_released_claim_is_free():
    deliveries = Deliveries()
    deliveries.release(deliveries.claim(WEEK, ANN))
    assert isinstance(deliveries.claim(WEEK, ANN), Claim)


def test_again_takes_what_was_sent_and_gives_it_back():
    deliveries = Deliveries()
    deliveries.mark_sent(deliveries.claim(WEEK, ANN))
    sent = deliveries.claim(WEEK, ANN).sent
    claim = deliveries.claim(WEEK, ANN, again=True)
    assert deliveries.claim(WEEK, ANN).sent is None
    deliveries.release(claim)
    assert deliveries.claim(WEEK, ANN).sent == sent


def test_one_of_two_takes_it_again(monkeypatch):
    deliveries = Deliveries()
    deliveries.claim(WEEK, ANN)
    there = Delivery.objects.get()
    monkeypatch.setattr(deliveries, "_find", lambda *args: there)
    assert isinstance(deliveries.claim(WEEK, ANN, again=True), Claim)
    assert isinstance(deliveries.claim(WEEK, ANN, again=True), Taken)


def test_who_looked_too_early_looks_again(monkeypatch):
    deliveries, find = Deliveries(), Deliveries._find
    deliveries.claim(WEEK, ANN)
    answers = [None]

    def found(self, *args):
        return answers.pop() if answers else find(self, *args)

    monkeypatch.setattr(Deliveries, "_find", found)
    assert isinstance(deliveries.claim(WEEK, ANN), Taken)
    assert Delivery.objects.count() == 1


def test_a_claim_is_overdue_after_an_hour(set_now):
    set_now(at(2017, 11, 20, 6))
    Deliveries().claim(WEEK, ANN)
    set_now(at(2017, 11, 20, 6) + OVERDUE)
    assert not Deliveries().claim(WEEK, ANN).is_overdue
    set_now(at(2017, 11, 20, 6) + OVERDUE + INSTANT)
    taken = Deliveries().claim(WEEK, ANN)
    assert taken.is_overdue
    assert not Taken(taken.claimed, taken.claimed).is_overdue


def test_old_deliveries_are_forgotten():
    Deliveries().claim(WEEK, ANN)
    Deliveries().forget(timezone.now() - timedelta(days=1))
    assert Delivery.objects.count() == 1
    Deliveries().forget(timezone.now() + timedelta(days=1))
    assert Delivery.objects.count() == 0


def test_the_database_keeps_a_key_once():
    Deliveries()._create(WEEK, ANN)
    with pytest.raises(Contended):
        Deliveries()._create(WEEK, ANN)

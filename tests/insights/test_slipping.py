"""Regulars who stay away, against sets of days."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from souvenirs.insights import slipping_away
from tests.conftest import at, pk_of
from tests.digesting import digest

NOW = at(2025, 6, 18, 10, 30)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def users(*numbers):
    return {pk_of(number) for number in numbers}


def on(number, *days):
    """A souvenir of a user on each of these days before today, at noon of UTC."""
    return ((number, at(2025, 6, 18, 9) - timedelta(days=n)) for n in days)


@pytest.mark.parametrize("is_digested", [False, True])
def test_each_edge_of_the_weeks_and_of_the_days(leave, is_digested):
    leave(
        *on(1, 14, 21, 28, 35),
        *on(2, 20, 27, 34, 41),
        *on(3, 13, 14, 21, 28, 35),
        *on(4, 14, 21, 28, 42),
        *on(5, 14, 15, 16, 28, 35),
        *on(6, 0, 14, 21, 28, 35),
    )
    if is_digested:
        digest()
    assert slipping_away().pks == users(1, 2)
    assert slipping_away(days=13).pks == users(1, 3)
    assert slipping_away(at(2025, 6, 17)).pks == users(2)
    assert slipping_away(users=users(2, 3)).pks == users(2)


def brute_force(souvenirs, end, days, zone):
    """The same, from the local dates on which each user was there."""
    last = (end - timedelta(microseconds=1)).astimezone(zone).date()
    since = last - timedelta(days=days - 1)
    dates = {}
    for number, when in souvenirs:
        if when < end:
            dates.setdefault(number, set()).add(when.astimezone(zone).date())
    weeks = [since - timedelta(days=7 * (n + 1)) for n in range(4)]
    return {
        pk_of(number)
        for number, known in dates.items()
        if not any(day >= since for day in known)
        and all(any(0 <= (day - week).days < 7 for day in known) for week in weeks)
    }


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("days", [1, 14, 30])
def test_against_brute_force(leave, zone, days):
    chance = Random(f"{zone} {days}")
    souvenirs = {
        (number, datetime(2025, 2, 1, tzinfo=UTC) + timedelta(hours=chance.randrange(137 * 24)))
        for number in range(1, 9)
        for _ in range(6 * number)
    }
    leave(*souvenirs)
    zone = ZoneInfo(zone)
    for end in (NOW, at(2025, 5, 1), at(2025, 4, 2, 13)):
        found = slipping_away(end, days=days, tz=zone).pks
        assert found == brute_force(souvenirs, end, days, zone)


def test_end_in_the_future_means_now(leave):
    leave(*on(1, 14, 21, 28, 35))
    assert slipping_away(at(2026, 1, 1)).pks == users(1)


@pytest.mark.parametrize("days", [0, 367, 1.5, True, "14"])
def test_days_that_are_no_number_of_days(db, days):
    with pytest.raises(ValueError, match="days must be a whole number from 1 to 366, not"):
        slipping_away(days=days)

"""The numbers of a mail are those of the insights, and of brute force, and of a whole period."""

from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q

from souvenirs.control import PrunedSpan, count_active_users
from souvenirs.counting import InvalidSegment
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import slipping_away
from souvenirs.mail.usage import COUNTS, DAYS, NothingToReport, usage_of_last_period
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest
from tests.mail.conftest import DAY, MONDAY, NOW
from tests.oracle import Oracle, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

UTC = ZoneInfo("UTC")


def numbers(usage):
    return {name: (each.value, each.before) for name, each in usage.numbers.items()}


@pytest.mark.usefixtures("history")
def test_a_week_and_the_week_before():
    usage = usage_of_last_period("week", UTC)
    assert (str(usage.first_day), str(usage.last_day)) == ("2017-11-13", "2017-11-19")
    assert usage.active == (None, None, None, None, None, None, 4, 6)
    assert {**numbers(usage), "registered": None} == {
        "active": (6, 4),
        "new": (4, 4),
        "retained": (2, 0),
        "resurrected": (0, 0),
        "churned": (2, 0),
        "dau": (1, 0),
        "wau": (6, 4),
        "mau": (8, 4),
        "registered": None,
    }
    assert (usage.segments, usage.is_pruned) == ({}, False)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("moment", "first_day"),
    [
        (MONDAY + 7 * DAY - INSTANT, "2017-11-06"),
        (MONDAY + 7 * DAY, "2017-11-13"),
    ],
)
def test_a_period_that_is_not_over_is_never_reported(set_now, moment, first_day):
    set_now(moment)
    assert str(usage_of_last_period("week", UTC).first_day) == first_day
    assert str(usage_of_last_period("week", UTC, moment + 70 * DAY).first_day) == first_day
    set_now(NOW)
    assert str(usage_of_last_period("week", UTC, moment).first_day) == first_day


@pytest.mark.usefixtures("history")
def test_the_first_period_has_no_change():
    usage = usage_of_last_period("week", UTC, MONDAY)
    assert usage.numbers["active"].value == 4
    assert {usage.numbers[name].change for name in (*COUNTS, *DAYS)} == {None}


@pytest.mark.usefixtures("now")
def test_without_souvenirs_there_is_nothing_to_report():
    with pytest.raises(NothingToReport):
        usage_of_last_period("week", UTC)


def test_the_first_souvenir_has_to_be_before_the_end_of_the_period(leave, now):
    leave((1, MONDAY + 7 * DAY))
    with pytest.raises(NothingToReport):
        usage_of_last_period("week", UTC)
    leave((1, MONDAY + 7 * DAY - INSTANT))
    assert usage_of_last_period("week", UTC).numbers["active"].value == 1


@pytest.mark.usefixtures("history")
def test_the_first_period_of_all():
    with pytest.raises(NothingToReport):
        usage_of_last_period("year", UTC, at(1, 1, 1))


@pytest.mark.parametrize("is_digested", [False, True])
@pytest.mark.parametrize("interval", ["day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "America/Havana"])
def test_each_number_is_the_truth(leave, now, interval, zone, is_digested):
    rows = sightings(users=40, count=900)
    leave(*rows)
    if is_digested:
        digest()
    usage = usage_of_last_period(interval, ZoneInfo(zone))
    assert usage.numbers["active"].value
    first, last = usage.periods[0], usage.periods[-1]
    oracle = Oracle(rows, first.start, last.end, interval, zone, now)
    *_, before, expected = oracle.growth()
    assert usage.active == oracle.series()
    found = numbers(usage)
    assert {name: found[name] for name in COUNTS} == {
        name: (len(expected[name]), len(before[name])) for name in COUNTS
    }
    for name, length in {"dau": 1, "wau": 7, "mau": 30}.items():
        *_, earlier, latest = oracle.series(length)
        assert found[name] == (latest, earlier)
    assert found["active"][0] == count_active_users(last.start, last.end)
    assert usage.slipping.pks == slipping_away(last.end, tz=ZoneInfo(zone)).pks


@pytest.mark.usefixtures("history")
def test_accounts_at_the_end_of_both_periods(make_user):
    for number, joined in enumerate(
        [MONDAY - INSTANT, MONDAY, MONDAY + 7 * DAY - INSTANT, MONDAY + 7 * DAY], 1
    ):
        make_user(number, joined=joined)
    registered = usage_of_last_period("week", UTC).numbers["registered"]
    known = {field.name for field in get_user_model()._meta.fields}
    expected = (3, 1) if known & {"date_joined"} else (None, None)
    assert (registered.value, registered.before) == expected


@pytest.mark.usefixtures("history")
def test_segments_each_for_itself(make_user, settings):
    settings.SOUVENIRS_SEGMENTS = {
        "some": Q(pk__in=[pk_of(3), pk_of(4), pk_of(5)]),
        "broken": Q(nonsense=1),
        "none": Q(pk__in=[]),
    }
    for number in (3, 4, 5):
        make_user(number)
    usage = usage_of_last_period("week", UTC, None, ["some", "broken", "none"])
    some, broken, none = usage.segments.values()
    assert (some.value, some.before) == (3, 2)
    assert (none.value, none.before) == (0, 0)
    assert isinstance(broken, InvalidSegment)
    with pytest.raises(ValueError, match="'other' is not a segment"):
        usage_of_last_period("week", UTC, None, ["other"])


def test_a_day_that_the_time_zone_skipped(leave, set_now):
    samoa = ZoneInfo("Pacific/Apia")
    leave(*((1, at(2011, 12, 20) + n * DAY) for n in range(12)))
    set_now(at(2011, 12, 30, 12))  # the 31st, the day after the 29th
    usage = usage_of_last_period("day", samoa)
    assert (str(usage.first_day), str(usage.last_day)) == ("2011-12-29", "2011-12-29")
    assert len(usage.periods) == 7


def test_pruned_souvenirs_make_some_numbers_unknown(leave, now):
    """Where midnight is within a bucket, days of pruned souvenirs cannot be counted."""
    kolkata = ZoneInfo("Asia/Kolkata")
    leave(*((number, at(2017, 8, 1, 18, 40) + number * DAY) for number in range(111)))
    digest()
    whole = usage_of_last_period("week", kolkata)
    assert whole.is_pruned is False
    list(Pruner(at(2017, 10, 1)).run())
    usage = usage_of_last_period("week", kolkata)
    assert usage.is_pruned
    assert usage.active == whole.active[-2:]
    assert (usage.numbers, usage.slipping.pks) == (whole.numbers, whole.slipping.pks)
    list(Pruner(at(2017, 10, 25)).run())
    usage = usage_of_last_period("week", kolkata)
    assert usage.is_pruned
    assert usage.numbers["active"] == whole.numbers["active"]
    assert usage.active == whole.active[-2:]
    assert (usage.numbers["mau"].value, usage.slipping) == (None, None)
    list(Pruner(at(2017, 11, 15)).run())
    with pytest.raises(PrunedSpan):
        usage_of_last_period("week", kolkata)

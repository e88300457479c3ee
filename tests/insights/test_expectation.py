from datetime import date, datetime, timedelta
from math import ceil, floor, sqrt
from random import Random
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from souvenirs.control import PrunedSpan
from souvenirs.insights import Segmented, expectation
from tests.conftest import at, pk_of
from tests.oracle import keys

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = at(2017, 11, 20, 15, 20)  # a Monday


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


FIRST = at(2017, 9, 1)


def activity(first=FIRST, end=NOW, users=40, seed=1):
    """A growing site with fewer users on weekends, at any second of the day."""
    chance = Random(seed)
    rows = []
    for n in range((end - first) // DAY + 1):
        share = (0.2 if (first + n * DAY).weekday() < 5 else 0.08) * (1 + n / 80)
        for user in range(1, users + 1):
            if chance.random() < share:
                rows.append((user, first + n * DAY + timedelta(seconds=chance.randrange(86400))))
    return [row for row in rows if row[1] < end]


def by_hand(rows, end, zone, weeks=8, tolerance=3.5, group=None):
    """The number, the expectation and both limits, from the definition."""
    zone = ZoneInfo(zone)
    wall = end.astimezone(zone).replace(tzinfo=None)
    first = min(when for _, when in rows).replace(minute=0, second=0)
    today = wall.date() - (DAY if wall.time() == datetime.min.time() else 0 * DAY)
    reach = wall - datetime.combine(today, datetime.min.time())

    def z(day: date):
        start = datetime.combine(day, datetime.min.time())
        until = (start + reach).replace(tzinfo=zone)
        start = start.replace(tzinfo=zone)
        if start < first and day != today:
            return None
        users = {
            user
            for user, when in rows
            if start.timestamp() <= when.timestamp() < until.timestamp()
            and (group is None or user in group)
        }
        return len(users), 2 * sqrt(len(users) + 0.375)

    days = [z(today - n * DAY) for n in range(7 * weeks + 8)]
    values = [each[1] for each in days[1:] if each]
    above = [values[n] - median(values[n + 1 : n + 8]) for n in range(7 * weeks)[: len(values) - 7]]
    effect = [median(above[n::7]) for n in range(7)]
    centre = median(values[:7]) + effect[6]
    spread = 1.4826 * median(abs(each - effect[n % 7]) for n, each in enumerate(above))
    spread = max(1, spread)
    low, high = ((max(0, centre + sign * tolerance * spread) / 2) ** 2 - 0.375 for sign in (-1, 1))
    return days[0][0], (centre / 2) ** 2 - 0.375, max(0, ceil(low - 1e-9)), floor(high + 1e-9)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("end", [NOW, at(2017, 11, 20), at(2017, 11, 8, 17), at(2017, 11, 5, 12)])
def test_equals_the_definition(leave, zone, end):
    rows = activity()
    leave(*rows)
    found = expectation(end, tz=zone)
    active, value, low, high = by_hand(rows, end, zone)
    assert (found.active, found.low, found.high, found.tz) == (active, low, high, zone)
    assert found.value == pytest.approx(value)
    assert found.end == end
    assert len(found.users()) == active


def test_weeks_and_tolerance(leave):
    rows = activity()
    leave(*rows)
    found = expectation(NOW, weeks=4, tolerance=2)
    active, value, low, high = by_hand(rows, NOW, "UTC", weeks=4, tolerance=2)
    assert (found.active, found.low, found.high) == (active, low, high)
    assert found.value == pytest.approx(value)
    assert found.days == 35


def test_the_day_so_far_ends_with_the_last_bucket(leave):
    leave(*activity())
    assert expectation(tz="UTC") == expectation(at(2017, 11, 20, 15), tz="UTC")


def test_of_each_segment(leave):
    rows = activity()
    leave(*rows)
    even = list(range(2, 41, 2))
    found = expectation(NOW, tz="UTC", by={"even": [pk_of(number) for number in even]})
    assert isinstance(found, Segmented)
    active, value, low, high = by_hand(rows, NOW, "UTC", group=even)
    segment = found["even"]
    assert (segment.active, segment.low, segment.high) == (active, low, high)
    assert segment.value == pytest.approx(value)
    assert segment == expectation(NOW, tz="UTC", users=[pk_of(number) for number in even])
    assert found.everyone == expectation(NOW, tz="UTC")


def test_a_loss_and_a_rush_are_outlying(leave):
    start = at(2017, 9, 1)
    for n in range(80):
        leave(*((user, start + n * DAY + 9 * HOUR) for user in range(50)))
    assert expectation(at(2017, 11, 19, 12), tz="UTC").outlying is None
    assert expectation(at(2017, 11, 20, 12), tz="UTC").outlying == "low"
    leave(*((user, at(2017, 11, 20, 9)) for user in range(50)))
    assert expectation(at(2017, 11, 20, 12), tz="UTC").outlying is None
    leave(*((user, at(2017, 11, 20, 9)) for user in range(50, 90)))
    assert expectation(at(2017, 11, 20, 12), tz="UTC").outlying == "high"


@pytest.mark.parametrize(("first", "days"), [(at(2017, 10, 16), 35), (at(2017, 10, 17), 34)])
def test_needs_five_weeks(leave, first, days):
    leave((1, first), (2, at(2017, 11, 20, 1)))
    found = expectation(at(2017, 11, 20, 12), tz="UTC")
    assert found.days == days
    if days == 35:
        assert (found.value, found.low, found.reason) == (0, 0, None)
    else:
        assert (found.value, found.low, found.high, found.outlying) == (None, None, None, None)
        assert found.reason == "There are 34 whole days of history, and 35 are needed."
    assert found.users().pks == keys([2])


def test_the_day_of_the_first_souvenir_is_no_whole_day(leave):
    leave((1, at(2017, 11, 17, 8)))
    assert expectation(NOW, tz="UTC").days == 2


def test_an_empty_site():
    found = expectation(tz="UTC")
    assert (found.active, found.days, found.value) == (0, 0, None)


def test_a_day_that_the_zone_skipped_has_no_users(leave):
    leave((1, at(2011, 10, 1)), (2, at(2011, 12, 30, 11)))  # 31 December in Samoa
    samoa = ZoneInfo("Pacific/Apia")
    found = expectation(datetime(2012, 1, 3, 12, tzinfo=samoa))
    assert found.tz == "Pacific/Apia"
    assert (found.active, found.value) == (0, 0)


def test_a_pruned_history_gives_the_same(leave):
    leave(*activity())
    before = expectation(tz="UTC")
    call_command("digest_souvenirs", verbosity=0)
    call_command("prune_souvenirs", older_than=1, verbosity=0)
    assert expectation(tz="UTC") == before
    with pytest.raises(PrunedSpan):
        expectation(at(2017, 11, 20, 14, 30), tz="UTC")


def test_rows(leave):
    leave((1, at(2017, 11, 20, 1)))
    found = expectation(NOW, tz="UTC")
    [row] = found.rows()
    assert (row["start"], row["end"], row["active"]) == (at(2017, 11, 20), NOW, 1)
    assert (row["value"], row["low"], row["high"], row["outlying"]) == (None,) * 4
    assert row["reason"] == found.reason
    assert found.to_dict() == {
        "insight": "Expectation",
        "tz": "UTC",
        "weeks": 8,
        "tolerance": 3.5,
        "days": 0,
        "rows": [row],
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"weeks": 3}, "weeks must be a whole number from 4 to 104, not 3."),
        ({"weeks": True}, "weeks must be a whole number from 4 to 104, not True."),
        ({"weeks": "8"}, "weeks must be a whole number from 4 to 104, not '8'."),
        ({"tolerance": 0}, "tolerance must be a number greater than 0, not 0."),
        ({"tolerance": True}, "tolerance must be a number greater than 0, not True."),
        ({"tolerance": "x"}, "tolerance must be a number greater than 0, not 'x'."),
    ],
)
def test_invalid_arguments(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        expectation(**arguments)


def test_needs_a_time_zone():
    with pytest.raises(ValueError, match="naive"):
        expectation(datetime(2017, 11, 20))

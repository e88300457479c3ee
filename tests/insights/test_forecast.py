from datetime import datetime, timedelta
from itertools import pairwise
from math import exp, log
from random import Random
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from souvenirs.insights import Segmented, active_series, forecast
from souvenirs.insights.forecast import HISTORIES, Growing, forecasted
from souvenirs.insights.robust import count_at, seasonal, stabilized
from tests.conftest import at, pk_of

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = at(2017, 11, 20, 15, 20)  # a Monday


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


FIRST = at(2017, 8, 1)


def activity(first=FIRST, end=NOW, users=30, seed=1):
    chance = Random(seed)
    rows = []
    for n in range((end - first) // DAY + 1):
        share = 0.25 if (first + n * DAY).weekday() < 5 else 0.1
        for user in range(1, users + 1):
            for _ in range(2):
                if chance.random() < share:
                    second = timedelta(seconds=chance.randrange(86400))
                    rows.append((user, first + n * DAY + second))
    return [row for row in rows if row[1] < end]


def start_of(interval, wall):
    midnight = datetime.combine(wall.date(), datetime.min.time())
    if interval == "month":
        return midnight.replace(day=1)
    return midnight - (wall.weekday() if interval == "week" else 0) * DAY


def growing(rows, interval, zone, end=NOW):
    """How each whole period grew up to the point at which the last one is, and the last one."""
    zone = ZoneInfo(zone)

    def count(start, until):
        return len({user for user, when in rows if start <= when < until})

    starts = [start_of(interval, end.astimezone(zone).replace(tzinfo=None))]
    first = min(when for _, when in rows).replace(minute=0, second=0, microsecond=0)
    while (before := start_of(interval, starts[0] - HOUR)).replace(tzinfo=zone) >= first:
        starts.insert(0, before)
    instants = [each.replace(tzinfo=zone).astimezone(first.tzinfo) for each in starts]
    ahead = starts[-1] + timedelta(days={"day": 1, "week": 7, "month": 32}[interval])
    instants.append(start_of(interval, ahead).replace(tzinfo=zone).astimezone(first.tzinfo))
    bucket = end.replace(minute=0, second=0, microsecond=0)
    now = max(bucket, instants[-2])
    share = (now - instants[-2]) / (instants[-1] - instants[-2])
    found = []
    for start, following in pairwise(instants[:-1]):
        point = start + timedelta(seconds=round(share * (following - start).total_seconds()))
        point = max(start, point.replace(minute=0, second=0, microsecond=0))
        found.append(Growing(count(start, point), count(start, following)))
    return found, count(instants[-2], now)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_reads_how_past_periods_grew(leave, interval, zone):
    days = {"day": 112, "week": 112, "month": 330}[interval]
    rows = activity(NOW - days * DAY, users=8 if interval == "month" else 30)
    leave(*rows)
    found = forecast(interval, tz=zone)
    past, so_far = growing(rows, interval, zone)
    size = HISTORIES[interval]
    made = forecasted(size, past[-size.basis - size.most :], so_far)
    assert (found.past, found.so_far) == (len(past), so_far)
    assert (found.value, found.low, found.high) == made
    assert found.low <= found.value <= found.high
    assert len(found.users()) == so_far


@pytest.mark.parametrize(
    ("interval", "first", "end"),
    [
        # The clock goes back in the night of 5 November, and a week is an hour longer.
        ("day", at(2017, 9, 1), at(2017, 11, 5, 17)),
        ("week", at(2017, 8, 20), at(2017, 11, 5, 17)),
        # Just after a midnight, nobody has come yet.
        ("day", at(2017, 9, 1), at(2017, 11, 6, 5, 10)),
    ],
)
def test_where_the_clock_changes(leave, interval, first, end):
    rows = activity(first)
    leave(*rows)
    found = forecast(interval, end, tz="America/New_York")
    past, so_far = growing(rows, interval, "America/New_York", end)
    assert (found.past, found.so_far) == (len(past), so_far)
    assert (found.value, found.low, found.high) == forecasted(HISTORIES[interval], past, so_far)


def test_nothing_after_the_end_is_read(leave):
    rows = activity()
    leave(*[row for row in rows if row[1] < at(2017, 11, 10, 12)])
    before = forecast(end=at(2017, 11, 10, 12, 30), tz="UTC")
    leave(*[row for row in rows if row[1] >= at(2017, 11, 10, 12)])
    after = forecast(end=at(2017, 11, 10, 12, 30), tz="UTC")
    assert before == after
    assert (after.period.label, after.period.incomplete) == ("2017-11-10", "cut")
    assert after.end == at(2017, 11, 10, 12)


def test_of_each_segment(leave):
    rows = activity()
    leave(*rows)
    even = [pk_of(number) for number in range(2, 31, 2)]
    found = forecast(tz="UTC", by={"even": even})
    assert isinstance(found, Segmented)
    _, so_far = growing(rows, "day", "UTC")
    assert found["even"] == forecast(tz="UTC", users=even)
    assert found.everyone == forecast(tz="UTC")
    assert found["even"].so_far < found.everyone.so_far == so_far


@pytest.mark.parametrize(
    ("interval", "needed", "first", "later"),
    [
        ("day", 42, at(2017, 10, 9), at(2017, 10, 10)),
        ("week", 10, at(2017, 9, 11), at(2017, 9, 12)),
        ("month", 10, at(2017, 1, 1), at(2017, 1, 2)),
    ],
)
def test_needs_a_history(leave, interval, needed, first, later):
    leave((1, later))
    found = forecast(interval, tz="UTC")
    assert (found.value, found.low, found.high, found.past) == (None, None, None, needed - 1)
    assert found.reason == (
        f"There are {needed - 1} whole {interval}s of history, and {needed} are needed."
    )
    leave((1, first))
    found = forecast(interval, tz="UTC")
    assert (found.past, found.reason) == (needed, None)
    assert found.low == found.value == 0


def test_an_empty_site():
    found = forecast(tz="UTC")
    assert (found.so_far, found.past, found.value, found.period.known) == (0, 0, None, False)


def test_a_day_that_the_zone_skipped_is_no_past_day(leave):
    leave((1, at(2011, 12, 1)))
    samoa = ZoneInfo("Pacific/Apia")
    found = forecast(end=datetime(2012, 1, 3, 12, tzinfo=samoa))
    assert (found.tz, found.past) == ("Pacific/Apia", 32)  # 1 December to 2 January, but one


def test_a_pruned_history_gives_the_same(leave):
    leave(*activity())
    before = [forecast(interval, tz="UTC") for interval in HISTORIES]
    call_command("digest_souvenirs", verbosity=0)
    call_command("prune_souvenirs", older_than=1, verbosity=0)
    assert [forecast(interval, tz="UTC") for interval in HISTORIES] == before


def test_a_period_that_is_over_but_for_its_last_moment():
    size = HISTORIES["day"]
    past = [Growing(n % 7, n % 7) for n in range(60)]
    assert forecasted(size, past, 9) == (9, 9, 9)


def test_the_better_candidate_is_taken():
    size = HISTORIES["week"]
    # Twice as many in the end as so far: only growth tells.
    doubled = [Growing(10 + 7 * (n % 5), 2 * (10 + 7 * (n % 5))) for n in range(30)]
    assert forecasted(size, doubled, 40).value == pytest.approx(80, abs=1)
    # Twenty more come, however many have come: only their number tells.
    more = [Growing(7 * (n % 5), 7 * (n % 5) + 20) for n in range(30)]
    assert forecasted(size, more, 40) == (60, 60, 60)


@pytest.mark.parametrize(
    ("length", "first", "tenth", "ninth"),
    # The 5.7th and the 51.3rd of 56 misses, and the 3.7th and the 33.3rd of 36.
    [(90, 34, (4, 0.7), (50, 0.3)), (50, 14, (2, 0.7), (32, 0.3))],
)
def test_by_hand(length, first, tenth, ninth):
    size = HISTORIES["day"]
    chance = Random(3)
    past = [
        Growing(so_far, so_far + chance.randrange(4 + n % 7))
        for n in range(length)
        for so_far in [chance.randrange(30)]
    ]
    so_far = 17

    def candidates(history, so_far):
        history = history[-56:]
        growth = median(log((each.whole + 0.5) / (each.so_far + 0.5)) for each in history)
        later = [stabilized(each.whole - each.so_far) for each in history]
        coming = count_at(seasonal(later, 7, 56)[0])
        return max(so_far, (so_far + 0.5) * exp(growth) - 0.5), so_far + coming

    misses = [
        [
            stabilized(past[n].whole) - stabilized(candidates(past[:n], past[n].so_far)[k])
            for n in range(first, length)
        ]
        for k in (0, 1)
    ]
    best = min((0, 1), key=lambda k: sum(map(abs, misses[k])))
    ordered = sorted(misses[best])
    value = candidates(past, so_far)[best]
    low, high = (
        stabilized(value) + ordered[n] + part * (ordered[n + 1] - ordered[n])
        for n, part in (tenth, ninth)
    )
    found = forecasted(size, past, so_far)
    assert found.value == round(value)
    assert found.low - 1 < max(so_far, count_at(low)) <= found.low
    assert found.high <= count_at(high) < found.high + 1


def test_more_confidence_widens_the_limits(leave):
    leave(*activity())
    half, most = (forecast(tz="UTC", confidence=share) for share in (0.5, 0.95))
    assert most.low < half.low
    assert half.high < most.high
    assert half.value == most.value


def test_rows(leave):
    leave(*activity())
    found = forecast("week", tz="UTC")
    [row] = found.rows()
    assert (row["label"], row["start"]) == ("2017-W47", at(2017, 11, 20))
    assert (row["end"], row["incomplete"]) == (at(2017, 11, 27), "running")
    assert row["so_far"] == active_series(at(2017, 11, 20), at(2017, 11, 20, 15)).values[0]
    assert [row[name] for name in ("value", "low", "high")] == [found.value, found.low, found.high]
    assert found.to_dict() == {
        "insight": "Forecast",
        "interval": "week",
        "tz": "UTC",
        "end": at(2017, 11, 20, 15),
        "confidence": 0.8,
        "past": 15,
        "rows": [row],
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"interval": "year"}, "interval must be one of day, week, month, not 'year'."),
        ({"interval": ["day"]}, r"interval must be one of day, week, month, not \['day'\]."),
        ({"confidence": 1}, "confidence must be a number between 0 and 1, not 1."),
        ({"confidence": "0.8"}, "confidence must be a number between 0 and 1, not '0.8'."),
    ],
)
def test_invalid_arguments(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        forecast(**arguments)

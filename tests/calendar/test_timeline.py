"""The pipeline from a range and an interval to periods, without a store."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souvenirs.calendar import (
    DAY,
    INTERVALS,
    MONTH,
    Boundaries,
    Timeline,
    TooManyPeriods,
    calendar_boundaries,
    is_known,
    periods_in,
    utc,
)
from souvenirs.calendar.limit import MAX_PERIODS
from tests.conftest import at

PARIS = ZoneInfo("Europe/Paris")
INSTANT = timedelta(microseconds=1)
NOW = at(2016, 3, 20)


def months():
    return Boundaries(at(2016, 1, 15), MONTH, "UTC")


def numbers(*args, **kwargs):
    return [period.number for period in periods_in(months(), *args, **kwargs)]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, at(2016, 3, 15), [0, 1]),
        (None, at(2016, 3, 15) + INSTANT, [0, 1, 2]),
        (at(2016, 2, 15) - INSTANT, at(2016, 3, 15), [0, 1]),
        (at(2016, 2, 15), at(2016, 3, 15), [1]),
        (at(2015, 1, 1), at(2016, 1, 16), [0]),
        (at(2015, 1, 1), at(2015, 6, 1), []),
        (None, at(2016, 1, 15), []),
        (None, at(2015, 6, 1), []),
        (at(2016, 2, 1), at(2016, 2, 1), []),
        (at(2016, 2, 2), at(2016, 2, 1), []),
    ],
)
def test_periods_that_overlap_the_range(start, end, expected):
    assert numbers(start, end, NOW) == expected
    assert list(months().numbers(start, end)) == expected


@pytest.mark.parametrize(("recent", "expected"), [(1, [4]), (2, [3, 4]), (9, [0, 1, 2, 3, 4])])
def test_recent_periods(recent, expected):
    assert numbers(None, at(2016, 6, 1), NOW, recent=recent) == expected


def test_no_recent_periods_of_none():
    assert numbers(None, at(2015, 6, 1), NOW, recent=3) == []


def test_last_period_is_cut_off_where_the_range_ends():
    first, last = periods_in(months(), None, at(2016, 3, 1), NOW)
    assert (first.start, first.end, first.incomplete) == (at(2016, 1, 15), at(2016, 2, 15), None)
    assert (last.start, last.end, last.incomplete) == (at(2016, 2, 15), at(2016, 3, 1), "cut")


@pytest.mark.parametrize(
    ("end", "now", "incomplete"),
    [
        (at(2016, 3, 15) - INSTANT, at(2016, 3, 15), "cut"),
        (at(2016, 3, 15) - INSTANT, at(2016, 3, 15) - INSTANT, "running"),
        (at(2016, 3, 15), at(2016, 3, 15), None),
        (at(2016, 3, 15), at(2016, 3, 15) - INSTANT, "running"),
        (at(2016, 3, 1), at(2016, 3, 15), "cut"),
        (at(2016, 3, 1), at(2016, 3, 15) - INSTANT, "running"),
    ],
)
def test_period_is_incomplete_if_it_is_not_over_or_cut_off(end, now, incomplete):
    *_, last = periods_in(months(), None, end, now)
    assert (last.end, last.incomplete) == (end, incomplete)


def test_too_many_periods_are_refused_at_the_call():
    days = Boundaries(at(2000, 1, 1), DAY, "UTC")
    end = at(2000, 1, 1) + timedelta(days=MAX_PERIODS)
    periods_in(days, None, end, NOW)
    with pytest.raises(TooManyPeriods):
        periods_in(days, None, end + INSTANT, NOW)
    [last] = periods_in(days, None, end + INSTANT, NOW, recent=1)
    assert last.number == MAX_PERIODS


def test_end_before_which_there_is_nothing():
    with pytest.raises(ValueError, match="end is out of range"):
        periods_in(months(), None, datetime.min.replace(tzinfo=UTC), NOW)


@pytest.mark.parametrize(
    ("first_souvenir", "known"), [(None, False), (NOW, False), (NOW - INSTANT, True)]
)
def test_known_is_what_ends_after_the_first_souvenir(first_souvenir, known):
    assert is_known(NOW.astimezone(PARIS), first_souvenir) is known


def laid(interval, start, end, **kwargs):
    kwargs = {"now": NOW, "first_souvenir": at(2016, 2, 1, 9), **kwargs}
    return Timeline.of(INTERVALS[interval], start, end, "UTC", **kwargs)


def test_range_without_ends_is_from_the_first_souvenir_to_now():
    assert [
        (period.label, period.start, period.end, period.complete, period.known)
        for period in laid("month", None, None).periods
    ] == [
        ("2016-02", at(2016, 2, 1), at(2016, 3, 1), True, True),
        ("2016-03", at(2016, 3, 1), NOW, False, True),
    ]


def test_range_without_start_and_without_souvenirs_is_the_last_period():
    [period] = laid("month", None, at(2016, 3, 1), first_souvenir=None).periods
    assert (period.label, period.complete, period.known) == ("2016-02", True, False)


def test_unknown_periods_come_first():
    timeline = laid("day", at(2016, 1, 30), at(2016, 2, 3))
    assert [period.known for period in timeline.periods] == [False, False, True, True]
    assert [period.label for period in timeline.known().periods] == ["2016-02-01", "2016-02-02"]
    assert timeline.known().start_of(0) == at(2016, 2, 1)
    assert timeline.known().before() == (at(2016, 1, 31), at(2016, 2, 1))


def test_first_periods_and_the_others():
    whole = laid("day", at(2016, 1, 30), at(2016, 2, 3))
    first, rest = whole.split(3)
    assert first.periods + rest.periods == whole.periods
    assert [period.label for period in rest.periods] == ["2016-02-02"]
    assert (first.start_of(0), rest.start_of(0)) == (at(2016, 1, 30), at(2016, 2, 2))
    assert rest.before() == (at(2016, 2, 1), at(2016, 2, 2))


@pytest.mark.parametrize("count", [0, 4])
def test_none_or_all_of_the_periods(count):
    whole = laid("day", at(2016, 1, 30), at(2016, 2, 3))
    first, rest = whole.split(count)
    assert (len(first.periods), len(rest.periods)) == (count, 4 - count)
    assert first.periods + rest.periods == whole.periods


def test_first_periods_up_to_a_day_that_the_time_zone_skipped():
    """Samoa had no 30 December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    start, end = (datetime(2011, 12, 28, tzinfo=apia), datetime(2012, 1, 2, tzinfo=apia))
    whole = Timeline.of(INTERVALS["day"], start, end, apia, now=NOW, first_souvenir=start)
    for count, label in enumerate(["28", "29", "31", "01"]):
        first, rest = whole.split(count)
        assert rest.periods[0].label.endswith(label)
        assert rest.start_of(0) == rest.periods[0].start
        assert len(first.periods) == count


@given(
    st.datetimes(datetime(1995, 1, 1), datetime(2030, 1, 1)),
    st.timedeltas(timedelta(), timedelta(days=1500)),
    st.sampled_from(list(INTERVALS)),
    st.sampled_from(["UTC", "Europe/Paris", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut"]),
    st.integers(1, 7),
)
def test_calendar_periods_tile_the_range(start, length, interval, zone, week_start):
    start = start.replace(tzinfo=UTC)
    end = start + length
    boundaries = calendar_boundaries(start, INTERVALS[interval].step, zone, week_start)
    periods = list(periods_in(boundaries, start, end, end))
    assert bool(periods) == (start < end)
    if periods:
        assert periods[0].number == 0
        assert utc(periods[0].start) <= start < utc(periods[0].end)
        assert utc(periods[-1].end) == end
    for one, other in pairwise(periods):
        assert utc(one.end) == utc(other.start)


def test_weeks_start_on_the_day_in_the_setting(settings):
    wednesday = at(2016, 3, 16)
    assert calendar_boundaries(wednesday, INTERVALS["week"].step).anchor == at(2016, 3, 14)
    settings.SOUVENIRS_WEEK_START = 7
    assert calendar_boundaries(wednesday, INTERVALS["week"].step).anchor == at(2016, 3, 13)
    assert calendar_boundaries(wednesday, INTERVALS["week"].step, None, 3).anchor == wednesday

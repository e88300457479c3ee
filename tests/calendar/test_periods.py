"""Periods against the wall clocks of the world."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from datetime import timezone as fixed
from functools import cache
from itertools import accumulate, islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.utils import timezone
from hypothesis import assume, example, given
from hypothesis import strategies as st

from souvenirs.calendar.instants import utc
from souvenirs.calendar.periods import (
    DAY,
    END_OF_TIME,
    MONTH,
    QUARTER,
    START_OF_TIME,
    WEEK,
    YEAR,
    Boundaries,
    adjust_to_calendar_month,
    adjust_to_subscription_start,
    calendar_start,
    earlier,
    iter_days,
    iter_months,
    iter_quarters,
    iter_weeks,
    iter_years,
    months_between,
    next_month,
)
from tests.conftest import INSTANT, at

ZONES = sorted(available_timezones())
PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
TOKYO = ZoneInfo("Asia/Tokyo")
ST_JOHNS = ZoneInfo("America/St_Johns")

STEPS = {"day": DAY, "week": WEEK, "month": MONTH, "quarter": QUARTER, "year": YEAR}
ITERATORS = {
    DAY: iter_days,
    WEEK: iter_weeks,
    MONTH: iter_months,
    QUARTER: iter_quarters,
    YEAR: iter_years,
}

each_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
each_iterator = pytest.mark.parametrize("iterate", ITERATORS.values())


def shown(spans):
    """The wall-clock time of each start."""
    return [start.isoformat(sep=" ") for start, _ in spans]


def hours(span):
    start, end = span
    return (utc(end) - utc(start)) / timedelta(hours=1)


# Which zone


def test_explicit_zone_wins_over_the_carried_one():
    start = datetime(2024, 1, 1, tzinfo=PARIS)
    assert shown(iter_days(start, at(2024, 1, 1), TOKYO)) == ["2024-01-01 08:00:00+09:00"]


def test_explicit_zone_wins_by_name():
    start = datetime(2024, 1, 1, tzinfo=PARIS)
    assert shown(iter_days(start, at(2024, 1, 1), tz="Asia/Tokyo")) == ["2024-01-01 08:00:00+09:00"]


@each_iterator
def test_iterator_lays_periods_in_the_explicit_zone(iterate):
    with timezone.override("America/New_York"):
        spans = iterate(at(2024, 1, 31, 23), at(2026, 1, 1), "Europe/Paris")
        assert {f"{start:%H:%M}" for start, _ in spans} == {"00:00"}


@pytest.mark.parametrize(
    "carried",
    [UTC, ZoneInfo("UTC"), ZoneInfo("Etc/UTC"), fixed(timedelta(hours=5))],
    ids=["UTC", "named UTC", "Etc/UTC", "fixed offset"],
)
def test_start_in_utc_or_at_a_fixed_offset_is_read_in_the_current_zone(carried):
    start = at(2024, 3, 30, 5).astimezone(carried)
    with timezone.override("Europe/Paris"):
        assert shown(iter_days(start, at(2024, 4, 1))) == [
            "2024-03-30 06:00:00+01:00",
            "2024-03-31 06:00:00+02:00",
        ]


def test_start_keeps_the_named_zone_that_it_carries():
    start = datetime(2024, 3, 30, 6, tzinfo=PARIS)
    with timezone.override("Asia/Tokyo"):
        assert shown(iter_days(start, at(2024, 4, 1))) == [
            "2024-03-30 06:00:00+01:00",
            "2024-03-31 06:00:00+02:00",
        ]


def test_end_has_no_say_in_the_zone():
    end = datetime(2024, 1, 1, 12, tzinfo=TOKYO)
    assert [*iter_days(at(2024, 1, 1), end)][-1][1].isoformat() == "2024-01-01T03:00:00+00:00"


def test_zone_is_chosen_when_the_iterator_is_made():
    with timezone.override("Asia/Tokyo"):
        days = iter_days(at(2024, 1, 1), at(2024, 1, 2))
    assert shown(days) == ["2024-01-01 09:00:00+09:00"]


@pytest.mark.parametrize(
    "name", ["Mars/Phobos", "America", "../etc", "x" * 5000, ""], ids="{:.12}".format
)
@each_iterator
def test_unknown_zone_is_refused_before_the_first_period(iterate, name):
    with pytest.raises(ValueError, match=r"\AUnknown time zone .{0,200}\.\Z"):
        iterate(at(2024, 1, 1), at(2024, 1, 2), name)


def test_calendar_month_in_the_zone():
    with timezone.override("America/New_York"):
        assert adjust_to_calendar_month(at(2024, 3, 1, 4)) == at(2024, 2, 1, 5)


def test_calendar_month_in_an_explicit_zone():
    assert adjust_to_calendar_month(at(2024, 2, 29, 23), "Europe/Paris") == at(2024, 2, 29, 23)


def test_subscription_month_is_in_the_zone_of_its_start():
    """The 1st in Paris is still the 31st in UTC."""
    subscribed = datetime(2024, 1, 1, 0, 30, tzinfo=PARIS)
    found = adjust_to_subscription_start(at(2024, 7, 31, 22, 45), subscribed)
    assert found.isoformat() == "2024-08-01T00:30:00+02:00"


def test_subscription_month_in_an_explicit_zone():
    found = adjust_to_subscription_start(at(2024, 8, 1), at(2024, 1, 31, 23), "Europe/Paris")
    assert found.isoformat() == "2024-08-01T00:00:00+02:00"


def test_next_month_in_the_current_zone():
    with timezone.override("Europe/Paris"):
        assert next_month(at(2024, 3, 15, 11)).isoformat() == "2024-04-15T12:00:00+02:00"


def test_next_month_in_an_explicit_zone():
    moved = next_month(at(2024, 1, 31, 20), tz="Asia/Tokyo")
    assert moved.isoformat() == "2024-03-01T05:00:00+09:00"


# What is refused, and naive moments


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (datetime(2024, 1, 1), at(2024, 1, 2), "start"),
        (at(2024, 1, 1), datetime(2024, 1, 2), "end"),
    ],
    ids=["start", "end"],
)
@each_iterator
def test_naive_moment_is_refused_before_the_first_period(iterate, start, end, name):
    with pytest.raises(ValueError, match=f"^{name} is a naive datetime"):
        iterate(start, end)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [(date(2024, 1, 1), at(2024, 1, 2), "start"), (at(2024, 1, 1), date(2024, 1, 2), "end")],
    ids=["start", "end"],
)
@each_iterator
def test_date_is_refused(iterate, start, end, name):
    with pytest.raises(TypeError, match=f"^{name} must be a datetime"):
        iterate(start, end)


def test_calendar_month_of_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="naive datetime"):
        adjust_to_calendar_month(datetime(2024, 1, 1))


@pytest.mark.parametrize(
    ("moment", "subscribed"),
    [(datetime(2024, 1, 1), at(2024, 1, 1)), (at(2024, 1, 1), datetime(2024, 1, 1))],
    ids=["moment", "subscription"],
)
def test_subscription_month_of_a_naive_moment_is_refused(moment, subscribed):
    with pytest.raises(ValueError, match="naive datetime"):
        adjust_to_subscription_start(moment, subscribed)


@pytest.mark.parametrize("function", [adjust_to_calendar_month, next_month])
def test_date_is_refused_as_a_moment(function):
    with pytest.raises(TypeError, match="must be a datetime"):
        function(date(2024, 1, 1))


@pytest.fixture
def naive_paris(settings):
    """A project with USE_TZ = False in the time zone of Paris."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"


def test_naive_in_naive_out_without_use_tz(naive_paris):
    assert list(iter_days(datetime(2024, 3, 30, 8), datetime(2024, 4, 1))) == [
        (datetime(2024, 3, 30, 8), datetime(2024, 3, 31, 8)),
        (datetime(2024, 3, 31, 8), datetime(2024, 4, 1)),
    ]


def test_naive_periods_know_the_clock_changes(naive_paris):
    """08:00 in Paris is 07:00 in UTC one day and 06:00 the next."""
    spans = iter_days(datetime(2024, 3, 30, 8), datetime(2024, 4, 1), tz="UTC")
    assert [start for start, _ in spans] == [datetime(2024, 3, 30, 8), datetime(2024, 3, 31, 9)]


def test_aware_in_naive_out_without_use_tz(naive_paris):
    assert list(iter_days(at(2024, 7, 1), at(2024, 7, 2))) == [
        (datetime(2024, 7, 1, 2), datetime(2024, 7, 2, 2))
    ]


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris"])
def test_naive_moments_are_in_the_default_zone_whatever_is_activated(settings, name):
    settings.USE_TZ = False
    settings.TIME_ZONE = name
    with timezone.override("America/New_York"):
        spans = iter_days(datetime(2024, 3, 9), datetime(2024, 3, 12))
        assert {f"{start:%H:%M}" for start, _ in spans} == {"00:00"}


def test_calendar_month_is_naive_without_use_tz(naive_paris):
    assert adjust_to_calendar_month(datetime(2024, 3, 31, 23)) == datetime(2024, 3, 1)


def test_subscription_month_is_naive_without_use_tz(naive_paris):
    found = adjust_to_subscription_start(datetime(2024, 2, 29, 8), datetime(2024, 1, 31, 8))
    assert found == datetime(2024, 2, 29, 8)


def test_subscription_month_at_the_beginning_of_time_without_use_tz(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    assert adjust_to_subscription_start(datetime(1, 1, 1), datetime(2017, 1, 31)).year == 1


@pytest.mark.parametrize("use_tz", [True, False])
def test_next_month_keeps_a_naive_moment_naive(settings, use_tz):
    settings.USE_TZ = use_tz
    assert next_month(datetime(2024, 1, 31, 8)) == datetime(2024, 2, 29, 8)


# When clocks change


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Paris", (2024, 3, 30), 24),
        ("Europe/Paris", (2024, 3, 31), 23),
        ("Europe/Paris", (2024, 4, 1), 24),
        ("Europe/Paris", (2024, 10, 26), 24),
        ("Europe/Paris", (2024, 10, 27), 25),
        ("Europe/Paris", (2024, 10, 28), 24),
        ("America/New_York", (2024, 3, 10), 23),
        ("America/New_York", (2024, 11, 3), 25),
        ("Australia/Lord_Howe", (2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", (2024, 10, 6), 23.5),
    ],
)
def test_hours_of_a_day(zone, day, expected):
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    assert hours(next(iter_days(start, start + timedelta(days=2)))) == expected


without_midnight = pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Havana", (2024, 3, 10)),
        ("Asia/Beirut", (2024, 3, 31)),
        ("America/Sao_Paulo", (2018, 11, 4)),
    ],
)


@without_midnight
def test_day_without_a_midnight_starts_at_1(zone, day):
    before = datetime(*day, tzinfo=ZoneInfo(zone)) - timedelta(days=1)
    starts = [start for start, _ in iter_days(before, before + timedelta(days=3))]
    assert [start.hour for start in starts] == [0, 1, 0]


@without_midnight
def test_calendar_day_without_a_midnight_starts_at_its_first_instant(zone, day):
    start = calendar_start(datetime(*day, 12, tzinfo=ZoneInfo(zone)), DAY)
    assert utc(start).astimezone(ZoneInfo(zone)) == datetime(*day, 1, tzinfo=ZoneInfo(zone))


@without_midnight
def test_days_after_a_day_without_midnight_start_at_midnight_again(zone, day):
    start = calendar_start(datetime(*day, 12, tzinfo=ZoneInfo(zone)), DAY)
    starts = [start for start, _ in iter_days(start, start + timedelta(days=3))]
    assert [start.hour for start in starts[1:]] == [0, 0]


def test_day_that_was_left_out_is_no_period():
    """Samoa went from 29 to 31 December 2011."""
    days = list(iter_days(at(2011, 12, 28, 10), at(2012, 1, 1, 10), "Pacific/Apia"))
    assert [(f"{start:%m-%d}", f"{end:%m-%d}") for start, end in days] == [
        ("12-28", "12-29"),
        ("12-29", "12-31"),
        ("12-31", "01-01"),
        ("01-01", "01-02"),
    ]


def test_day_that_was_left_out_keeps_its_number():
    grid = Boundaries(at(2011, 12, 28, 10), DAY, "Pacific/Apia")
    assert [number for number, _, _ in grid.spans(0, at(2012, 1, 1))] == [0, 1, 3, 4]


def test_anchor_that_the_clock_jumps_over_moves_on_that_day_only():
    days = iter_days(datetime(2024, 3, 30, 2, 30, tzinfo=PARIS), at(2024, 4, 2))
    assert shown(days) == [
        "2024-03-30 02:30:00+01:00",
        "2024-03-31 03:30:00+02:00",
        "2024-04-01 02:30:00+02:00",
    ]


def test_start_that_the_clock_jumps_over_moves_on_that_day_only():
    days = iter_days(datetime(2024, 3, 31, 2, 30, tzinfo=PARIS), at(2024, 4, 2))
    assert shown(days) == ["2024-03-31 03:30:00+02:00", "2024-04-01 02:30:00+02:00"]


def test_anchor_that_occurs_twice_means_the_first_occurrence():
    days = iter_days(datetime(2024, 10, 26, 2, 30, tzinfo=PARIS), at(2024, 10, 29))
    assert shown(days) == [
        "2024-10-26 02:30:00+02:00",
        "2024-10-27 02:30:00+02:00",
        "2024-10-28 02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    "start",
    [datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1), at(2024, 10, 27, 1, 30)],
    ids=["fold", "UTC"],
)
def test_start_at_the_second_occurrence_keeps_its_instant(start):
    days = list(iter_days(start, at(2024, 10, 29), PARIS))
    assert shown(days) == ["2024-10-27 02:30:00+01:00", "2024-10-28 02:30:00+01:00"]


def test_years_from_a_second_occurrence_come_back_to_the_first_one():
    years = iter_years(datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1), at(2030, 10, 28))
    assert shown(years)[-1] == "2030-10-27 02:30:00+02:00"


def test_end_at_the_second_occurrence_is_not_mistaken_for_the_first():
    start = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS)
    end = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1)
    assert [hours(span) for span in iter_days(start, end)] == [1]


def test_start_at_the_second_occurrence_is_after_an_end_at_the_first():
    start = datetime(2024, 10, 27, 2, 10, tzinfo=PARIS, fold=1)
    assert list(iter_days(start, datetime(2024, 10, 27, 2, 30, tzinfo=PARIS))) == []


@each_step
def test_unit_starts_at_its_first_midnight_if_the_clock_goes_back_across_it(step):
    """00:01 on 1 November 2009 was 23:01 on 31 October again: those 59 minutes are November's."""
    again = at(2009, 11, 1, 3)
    assert again.astimezone(ST_JOHNS).isoformat() == "2009-10-31T23:30:00-03:30"
    expected = {
        DAY: "2009-11-01T00:00:00-02:30",
        WEEK: "2009-11-01T00:00:00-02:30",
        MONTH: "2009-11-01T00:00:00-02:30",
        QUARTER: "2009-10-01T00:00:00-02:30",
        YEAR: "2009-01-01T00:00:00-03:30",
    }
    assert calendar_start(again, step, ST_JOHNS, week_start=7).isoformat() == expected[step]


def test_next_month_reads_a_skipped_time_with_the_offset_before():
    moved = next_month(datetime(2024, 2, 29, 2, 30, tzinfo=PARIS), preferred_dom=31)
    assert utc(moved) == at(2024, 3, 31, 1, 30)


def test_next_month_means_the_first_occurrence():
    moved = next_month(datetime(2024, 9, 27, 2, 30, tzinfo=PARIS))
    assert utc(moved) == at(2024, 10, 27, 0, 30)


# Every change of every clock

FIRST_YEAR, LAST_YEAR = 2000, 2037
HOURS_36 = 36 * 3600


def seconds(*parts):
    """Whole seconds from 1970 to a UTC date or a wall-clock time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())


class Clock:
    """A wall clock, known by brute force from its offsets at many instants.

    Instants and readings are whole seconds since 1970, their difference is the offset from UTC.
    """

    #: No clock in the database changes twice within six days.
    LOOKS = range(seconds(FIRST_YEAR - 5, 6, 1), seconds(LAST_YEAR + 5, 1, 1), 6 * 86_400)

    def __init__(self, key):
        self.zone = ZoneInfo(key)
        looks = [(look, self.look(look)) for look in self.LOOKS]
        offsets = [looks[0][1]]
        self.changes = []
        for (instant, before), (later, after) in pairwise(looks):
            if before != after:
                self.changes.append(self.narrow(instant, later))
                offsets.append(after)
        self.offsets = [offset // timedelta(seconds=1) for offset in offsets]

    def look(self, instant):
        return datetime.fromtimestamp(instant, self.zone).utcoffset()

    def narrow(self, instant, later):
        before = self.look(instant)
        while later - instant > 1:
            middle = (instant + later) // 2
            if self.look(middle) == before:
                instant = middle
            else:
                later = middle
        return later

    def offset(self, instant):
        return self.offsets[bisect_right(self.changes, instant)]

    def reading(self, instant):
        return instant + self.offset(instant)

    def first(self, reading):
        """The first instant at which the clock reads this or later."""
        offsets = self.offset(reading - HOURS_36), self.offset(reading + HOURS_36)
        near = [change for change in self.changes if abs(change - reading) < HOURS_36]
        instants = [*(reading - offset for offset in offsets), *near]
        return min(instant for instant in instants if self.reading(instant) >= reading)

    def instant(self, reading):
        """The first instant at which the clock reads this; by the old offset if it never does."""
        before, after = self.offset(reading - HOURS_36), self.offset(reading + HOURS_36)
        instants = [reading - before, reading - after]
        return min(
            (each for each in instants if self.reading(each) == reading), default=instants[0]
        )

    def recent_changes(self):
        years = range(seconds(FIRST_YEAR, 1, 1), seconds(LAST_YEAR + 1, 1, 1))
        return [change for change in self.changes if change in years]


clock_of = cache(Clock)


@cache
def calendar_readings(reading, step):
    """The midnights that begin the units before, around and after a reading, and one more."""
    day = datetime.fromtimestamp(reading, UTC).date()
    if step == DAY:
        first = day
    elif step == WEEK:
        first = date.fromisocalendar(*day.isocalendar()[:2], 1)
    else:
        first = date(day.year, (day.month - 1) // step.months * step.months + 1, 1)
    midnight = seconds(first.year, first.month, first.day)
    return [moved(midnight, step, number) for number in (-1, 0, 1, 2)]


def moved(reading, step, number):
    if step.days:
        return reading + step.days * number * 86_400
    days, time = divmod(reading, 86_400)
    day = date(1970, 1, 1) + timedelta(days)
    year, month = divmod(day.year * 12 + day.month - 1 + step.months * number, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    dom = min(day.day, (following - timedelta(1)).day)
    return seconds(year, month + 1, dom) + time


@cache
def anchored_readings(reading, step):
    """Readings of which one is ``reading``, from an anchor that has its day of month."""
    dom = datetime.fromtimestamp(reading, UTC).day
    anchors = (moved(reading, step, -back) for back in range(1, 9))
    anchor = next(
        each for each in anchors if step.days or datetime.fromtimestamp(each, UTC).day == dom
    )
    readings = [anchor]
    while readings[-1] <= reading:
        readings.append(moved(anchor, step, len(readings)))
    return readings


EPOCH = at(1970, 1, 1)


def moment(instant):
    return EPOCH + timedelta(seconds=instant)


def as_seen(moment):
    """An aware moment as its instant and its wall-clock time."""
    instant, reading = moment - EPOCH, moment.replace(tzinfo=UTC) - EPOCH
    return instant // timedelta(seconds=1), reading // timedelta(seconds=1)


def all_seen(spans):
    return [(as_seen(start), as_seen(end)) for start, end in spans]


def expected_spans(clock, instants):
    """Periods between these instants, once each, as the clock shows them."""
    return list(pairwise((each, clock.reading(each)) for each in sorted(set(instants))))


def changes_of_every_clock():
    for key in ZONES:
        clock = clock_of(key)
        for change in clock.recent_changes():
            yield clock, change


@cache
def calendar_of_every_clock(step):
    """Each clock and change with the starts of the units before, around and after, and one more."""
    return [
        (clock, change, tuple(map(clock.first, calendar_readings(clock.reading(change - 1), step))))
        for clock, change in changes_of_every_clock()
    ]


@each_step
@pytest.mark.thorough
def test_calendar_units_around_every_change(step):
    """They are contiguous and not empty, each from the first time that its midnight is reached."""
    windows = dict.fromkeys((clock, starts) for clock, _, starts in calendar_of_every_clock(step))
    for clock, instants in windows:
        start = calendar_start(moment(instants[0]), step, clock.zone)
        spans = ITERATORS[step](start, moment(instants[-1]))
        assert all_seen(spans) == expected_spans(clock, instants), clock.zone


@each_step
@pytest.mark.thorough
def test_calendar_start_around_every_change(step):
    """Each instant is in the last unit that has begun by then."""
    for clock, change, instants in calendar_of_every_clock(step):
        for instant in (change - 1, change):
            begun = max(each for each in instants if each <= instant)
            start = calendar_start(moment(instant), step, clock.zone)
            assert as_seen(start)[0] == begun, (clock.zone, moment(instant))


@cache
def dates_every_quarter_of_an_hour(change, before, after):
    """The latest date on the clock so far, as days since 1970, in the 36 hours around a change.

    One look is in the very last second before it: some clocks go back at a minute past midnight.
    """
    samples = range(change - 1 - HOURS_36, change + HOURS_36, 900)
    readings = (each + (before if each < change else after) for each in samples)
    return samples, [reading // 86_400 for reading in accumulate(readings, max)]


@pytest.mark.thorough
def test_every_quarter_of_an_hour_around_every_change_is_in_the_day_of_its_date():
    for clock, change in changes_of_every_clock():
        samples, dates = dates_every_quarter_of_an_hour(
            change, clock.offset(change - 1), clock.offset(change)
        )
        found = []
        start = calendar_start(moment(samples[0]), DAY, clock.zone)
        for (begin, reading), (end, _) in all_seen(iter_days(start, moment(samples[-1] + 1))):
            held = bisect_left(samples, end) - bisect_left(samples, begin)
            found += [reading // 86_400] * held
        assert found == dates, (clock.zone, moment(change))


def readings_at_every_change():
    """What a clock skips or repeats: its first second, and the edges once for clocks alike."""
    seen = set()
    for clock, change in changes_of_every_clock():
        low, high = sorted((clock.reading(change - 1) + 1, clock.reading(change)))
        yield clock, low
        if (change, low, high) not in seen:
            seen.add((change, low, high))
            for beside in (low - 1, high - 1, high):
                yield clock, beside


@each_step
@pytest.mark.thorough
def test_anchored_periods_around_every_change(step):
    """An anchor moves if the clock skips it, only on that day, never to a second occurrence."""
    for clock, reading in readings_at_every_change():
        readings = anchored_readings(reading, step)
        instants = [clock.instant(each) for each in readings]
        anchor = moment(readings[0]).replace(tzinfo=clock.zone)
        spans = ITERATORS[step](anchor, moment(instants[-1]))
        assert all_seen(spans) == expected_spans(clock, instants), (anchor, moment(reading))


def test_every_clock_is_watched():
    """The search finds known changes: a zone without changes would pass every test."""
    found = {key: len(clock_of(key).recent_changes()) for key in ZONES}
    assert sum(found.values()) > 15_000
    assert [found[key] for key in ("UTC", "Asia/Tokyo", "Europe/Paris")] == [0, 0, 76]


# Numbers

zones = st.sampled_from(ZONES).map(ZoneInfo)
steps = st.sampled_from(list(STEPS.values()))
moments = st.datetimes(timezones=st.just(UTC))
modern_moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(anchor=modern_moments, zone=zones, step=steps, number=st.integers(-600, 600))
@example(anchor=at(2011, 12, 28, 10), zone=ZoneInfo("Pacific/Apia"), step=DAY, number=3)
@example(anchor=at(2009, 10, 31, 2, 30), zone=ST_JOHNS, step=DAY, number=1)
def test_number_is_the_inverse_of_boundary(anchor, zone, step, number):
    grid = Boundaries(anchor, step, zone)
    start, following = utc(grid.boundary(number)), utc(grid.boundary(number + 1))
    assume(start < following)
    assert [grid.number(start), grid.number(following - INSTANT)] == [number, number]


@given(anchor=moments, zone=zones, step=steps, moment=moments)
@example(anchor=END_OF_TIME, zone=NEW_YORK, step=DAY, moment=END_OF_TIME)
@example(anchor=END_OF_TIME, zone=TOKYO, step=DAY, moment=START_OF_TIME)
@example(anchor=START_OF_TIME, zone=NEW_YORK, step=YEAR, moment=END_OF_TIME)
@example(anchor=START_OF_TIME, zone=TOKYO, step=MONTH, moment=START_OF_TIME)
@example(anchor=at(1, 1, 1, 3), zone=NEW_YORK, step=DAY, moment=START_OF_TIME)
@example(anchor=at(9999, 12, 31, 1), zone=NEW_YORK, step=DAY, moment=END_OF_TIME)
@example(anchor=at(9999, 12, 30, 1), zone=TOKYO, step=WEEK, moment=END_OF_TIME)
def test_every_moment_of_all_time_is_in_the_period_of_its_number(anchor, zone, step, moment):
    grid = Boundaries(anchor, step, zone)
    number = grid.number(moment)
    start, following = utc(grid.boundary(number)), utc(grid.boundary(number + 1))
    assert start <= moment <= following
    assert moment < following or moment == END_OF_TIME
    assert start < END_OF_TIME or anchor == END_OF_TIME


@given(anchor=modern_moments, zone=zones, step=steps, moment=modern_moments)
def test_subscription_month_is_one_of_the_months_from_its_start(anchor, zone, step, moment):
    subscribed, moment = sorted((anchor, moment))
    spans = [(start, end) for start, end in iter_months(subscribed, moment + INSTANT, zone)]
    assert adjust_to_subscription_start(moment, subscribed, zone) == spans[-1][0]


def test_boundary_0_is_the_anchor():
    assert Boundaries(at(2024, 1, 31, 8), MONTH, PARIS).boundary(0).isoformat() == (
        "2024-01-31T09:00:00+01:00"
    )


def test_boundary_before_the_anchor():
    assert Boundaries(at(2024, 3, 31, 8), MONTH).boundary(-1) == at(2024, 2, 29, 8)


def test_wall_is_what_the_clock_reads_without_a_zone():
    assert Boundaries(at(2024, 1, 31, 8), MONTH, PARIS).wall(1) == datetime(2024, 2, 29, 9)


def test_moment_before_the_anchor_has_a_negative_number():
    assert Boundaries(at(2024, 1, 31), MONTH).number(at(2024, 1, 31) - INSTANT) == -1


def test_spans_are_not_cut_off_at_the_end():
    grid = Boundaries(at(2024, 1, 31), MONTH)
    assert list(grid.spans(1, at(2024, 3, 31) + INSTANT)) == [
        (1, at(2024, 2, 29), at(2024, 3, 31)),
        (2, at(2024, 3, 31), at(2024, 4, 30)),
    ]


def test_spans_may_begin_before_the_anchor():
    grid = Boundaries(at(2024, 1, 31), MONTH)
    assert list(grid.spans(-1, at(2024, 1, 31))) == [(-1, at(2023, 12, 31), at(2024, 1, 31))]


def test_earlier_compares_in_utc():
    first = datetime(2024, 10, 27, 2, 59, tzinfo=PARIS)
    second = datetime(2024, 10, 27, 2, 1, tzinfo=PARIS, fold=1)
    assert earlier(second, first) is first


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (date(2024, 1, 1), date(2024, 1, 1), 0),
        (date(2024, 1, 1), date(2024, 1, 31), 0),
        (date(2024, 1, 1), date(2024, 2, 1), 1),
        (date(2024, 1, 31), date(2024, 2, 28), 0),
        (date(2024, 1, 31), date(2024, 2, 29), 1),
        (date(2024, 1, 31), date(2024, 3, 1), 1),
        (date(2024, 1, 31), date(2024, 3, 30), 1),
        (date(2024, 1, 31), date(2024, 3, 31), 2),
        (date(2023, 12, 31), date(2024, 12, 31), 12),
        (date(2024, 2, 29), date(2025, 2, 27), 11),
        (date(2024, 2, 29), date(2025, 2, 28), 12),
        (date(2024, 1, 31), date(2024, 1, 30), -1),
        (date(2024, 1, 31), date(2023, 12, 31), -1),
        (date(2024, 1, 31), date(2023, 12, 30), -2),
        (date(2024, 1, 15), date(2022, 1, 15), -24),
    ],
)
def test_months_between(one, other, expected):
    assert months_between(one, other) == expected


def test_months_between_leaves_out_the_times_of_day():
    assert months_between(datetime(2024, 1, 1, 23), datetime(2024, 2, 1, 0)) == 1


# The ends of time

far_zones = pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
)
#: More periods than the tests below generate: they end, or fail.
ENOUGH = 1_000


def assert_tiled(spans, start, end):
    spans = [(utc(one), utc(other)) for one, other in islice(spans, ENOUGH)]
    assert spans[0][0] == start
    assert spans[-1][1] == end
    assert all(one < other for one, other in spans)
    assert all(one[1] == other[0] for one, other in pairwise(spans))


@far_zones
@each_step
def test_periods_reach_the_end_of_time(step, zone):
    start = at(9998, 11, 30)
    assert_tiled(ITERATORS[step](start, END_OF_TIME, zone), start, END_OF_TIME)


@far_zones
@each_step
def test_periods_start_at_the_beginning_of_time(step, zone):
    end = at(3, 1, 1)
    assert_tiled(ITERATORS[step](START_OF_TIME, end, zone), START_OF_TIME, end)


@far_zones
@each_step
def test_nothing_comes_after_the_end_of_time(step, zone):
    assert list(ITERATORS[step](END_OF_TIME, END_OF_TIME, zone)) == []


def test_periods_reach_the_end_of_time_without_use_tz(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    spans = list(iter_years(datetime(9998, 6, 1), datetime.max))
    assert spans == [
        (datetime(9998, 6, 1), datetime(9999, 6, 1)),
        (datetime(9999, 6, 1), datetime.max),
    ]


@far_zones
@each_step
def test_calendar_unit_at_the_end_of_time(step, zone):
    start = utc(calendar_start(END_OF_TIME, step, zone))
    assert at(9998, 12, 31) < start < END_OF_TIME


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@each_step
def test_calendar_unit_at_the_beginning_of_time(step, zone):
    assert calendar_start(START_OF_TIME, step, zone) == START_OF_TIME


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Asia/Kolkata"])
@each_step
def test_calendar_unit_that_starts_before_the_beginning_of_time_is_refused(step, zone):
    with pytest.raises(ValueError, match="out of range"):
        calendar_start(at(1, 1, 1, 12), step, zone)


@pytest.mark.parametrize("week_start", [2, 7])
def test_week_that_starts_before_the_beginning_of_time_is_refused(week_start):
    """1 January of the year 1 was a Monday."""
    with pytest.raises(ValueError, match="out of range"):
        calendar_start(START_OF_TIME, WEEK, week_start=week_start)


def test_start_that_utc_cannot_express_is_refused():
    with pytest.raises(ValueError, match=r"^start is out of range: "):
        iter_days(datetime(1, 1, 1, tzinfo=TOKYO), at(2, 1, 1))


def test_end_that_utc_cannot_express_is_refused():
    with pytest.raises(ValueError, match=r"^end is out of range: "):
        iter_days(at(9999, 1, 1), datetime(9999, 12, 31, 23, tzinfo=NEW_YORK))


def test_next_month_after_the_last_one_is_refused():
    with pytest.raises(ValueError, match="10000"):
        next_month(at(9999, 12, 1))


# Calendar units


@pytest.mark.parametrize(
    ("moment", "step", "expected"),
    [
        (at(2024, 2, 29, 12, 30), DAY, at(2024, 2, 29)),
        (at(2024, 2, 29), DAY, at(2024, 2, 29)),
        (at(2024, 3, 1) - INSTANT, DAY, at(2024, 2, 29)),
        (at(2025, 1, 1) - INSTANT, DAY, at(2024, 12, 31)),
        (at(2024, 2, 29, 12), WEEK, at(2024, 2, 26)),
        (at(2024, 2, 26), WEEK, at(2024, 2, 26)),
        (at(2024, 2, 26) - INSTANT, WEEK, at(2024, 2, 19)),
        (at(2025, 1, 1), WEEK, at(2024, 12, 30)),
        (at(2024, 3, 1) - INSTANT, MONTH, at(2024, 2, 1)),
        (at(2024, 3, 1), MONTH, at(2024, 3, 1)),
        (at(2024, 12, 31), MONTH, at(2024, 12, 1)),
        (at(2025, 1, 1), MONTH, at(2025, 1, 1)),
        (at(2024, 3, 31, 23), QUARTER, at(2024, 1, 1)),
        (at(2024, 4, 1), QUARTER, at(2024, 4, 1)),
        (at(2024, 8, 31), QUARTER, at(2024, 7, 1)),
        (at(2025, 1, 1) - INSTANT, QUARTER, at(2024, 10, 1)),
        (at(2025, 1, 1) - INSTANT, YEAR, at(2024, 1, 1)),
        (at(2025, 1, 1), YEAR, at(2025, 1, 1)),
        (at(2024, 2, 29), YEAR, at(2024, 1, 1)),
    ],
)
def test_calendar_start(moment, step, expected):
    assert calendar_start(moment, step) == expected


@pytest.mark.parametrize(
    ("week_start", "first"),
    [
        (1, at(2024, 12, 30)),
        (2, at(2024, 12, 31)),
        (3, at(2025, 1, 1)),
        (4, at(2024, 12, 26)),
        (5, at(2024, 12, 27)),
        (6, at(2024, 12, 28)),
        (7, at(2024, 12, 29)),
    ],
)
def test_week_of_new_year_2025_which_was_a_wednesday(week_start, first):
    assert calendar_start(at(2025, 1, 1, 12), WEEK, week_start=week_start) == first


@pytest.mark.parametrize("week_start", range(1, 8))
def test_week_starts_on_its_first_day_and_ends_before_it(week_start):
    start = calendar_start(at(2024, 2, 29), WEEK, week_start=week_start)
    assert start.isoweekday() == week_start
    assert calendar_start(start, WEEK, week_start=week_start) == start
    assert calendar_start(start - INSTANT, WEEK, week_start=week_start) == start - timedelta(days=7)


@pytest.mark.parametrize("step", [DAY, MONTH, QUARTER, YEAR])
def test_week_start_moves_nothing_but_weeks(step):
    assert calendar_start(at(2024, 5, 15), step, week_start=7) == calendar_start(
        at(2024, 5, 15), step
    )


@pytest.mark.parametrize("week_start", [0, 8, -1, "1", 1.5, None])
@each_step
def test_bad_week_start_is_refused(step, week_start):
    with pytest.raises(ValueError, match=r"^week_start must be from 1 \(Monday\) to 7 \(Sunday\)"):
        calendar_start(at(2024, 1, 1), step, week_start=week_start)


def test_calendar_start_is_aware_and_in_the_zone():
    start = calendar_start(at(2024, 7, 1), MONTH, "Asia/Tokyo")
    assert start.isoformat() == "2024-07-01T00:00:00+09:00"


def test_calendar_start_reads_the_date_in_the_zone():
    assert (
        calendar_start(at(2024, 7, 1), MONTH, NEW_YORK).isoformat() == "2024-06-01T00:00:00-04:00"
    )


def test_calendar_start_is_aware_without_use_tz(naive_paris):
    assert calendar_start(datetime(2024, 7, 14, 8), MONTH) == at(2024, 6, 30, 22)

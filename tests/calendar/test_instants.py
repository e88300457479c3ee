from datetime import UTC, date, datetime, timedelta
from datetime import timezone as fixed
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from souvenirs.calendar.instants import (
    checked,
    checked_range,
    local,
    outward,
    utc,
    zone_for,
    zone_named,
)
from tests.conftest import INSTANT, at

PARIS = ZoneInfo("Europe/Paris")
TOKYO = ZoneInfo("Asia/Tokyo")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def naive_paris(settings):
    """A project with USE_TZ = False in the time zone of Paris."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"


@pytest.mark.parametrize(
    ("fold", "hour"), [(0, 0), (1, 1)], ids=["first occurrence", "second occurrence"]
)
def test_utc_tells_the_two_occurrences_of_a_wall_time_apart(fold, hour):
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=fold)
    assert utc(moment) == at(2024, 10, 27, hour, 30)


def test_utc_returns_utc():
    assert utc(datetime(2024, 1, 1, tzinfo=PARIS)).tzinfo is UTC


def test_local_returns_what_the_clock_of_the_zone_shows():
    assert local(at(2024, 1, 1), TOKYO).isoformat() == "2024-01-01T09:00:00+09:00"


@pytest.mark.parametrize(
    ("moment", "zone"),
    [(at(9999, 12, 31, 23, 59), TOKYO), (at(1, 1, 1), NEW_YORK)],
    ids=["end of time", "beginning of time"],
)
def test_local_stays_in_utc_outside_the_calendar_of_the_zone(moment, zone):
    assert local(moment, zone).isoformat() == moment.isoformat()


def test_checked_returns_an_aware_moment_as_it_is():
    moment = datetime(2024, 1, 1, tzinfo=PARIS)
    assert checked(moment, "start") is moment


@pytest.mark.parametrize("value", [date(2024, 1, 1), "2024-01-01", 0, None])
def test_checked_refuses_anything_but_a_datetime(value):
    with pytest.raises(TypeError) as caught:
        checked(value, "end")
    assert str(caught.value) == f"end must be a datetime, not {value!r}."


def test_checked_refuses_a_naive_moment():
    with pytest.raises(ValueError, match="naive") as caught:
        checked(datetime(2024, 1, 1, 8), "end")
    assert str(caught.value).startswith("end is a naive datetime, 2024-01-01 08:00:00: ")


def test_checked_reads_a_naive_moment_in_the_default_zone_without_use_tz(naive_paris):
    with timezone.override("Asia/Tokyo"):
        assert utc(checked(datetime(2024, 7, 1, 2), "start")) == at(2024, 7, 1)


def test_checked_accepts_an_aware_moment_without_use_tz(naive_paris):
    assert checked(at(2024, 7, 1), "start") == at(2024, 7, 1)


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 1, tzinfo=TOKYO), datetime(9999, 12, 31, 23, tzinfo=NEW_YORK)],
    ids=["before the year 1", "after the year 9999"],
)
def test_checked_refuses_what_utc_cannot_express(moment):
    with pytest.raises(ValueError, match=r"^start is out of range: .*\.$"):
        checked(moment, "start")


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_checked_accepts_the_ends_of_time_in_utc(moment):
    assert checked(moment.replace(tzinfo=UTC), "start").replace(tzinfo=None) == moment


def test_outward_is_aware_with_use_tz():
    moment = datetime(2024, 1, 1, tzinfo=PARIS)
    assert outward(moment) is moment


def test_outward_is_naive_in_the_default_zone_without_use_tz(naive_paris):
    with timezone.override("Asia/Tokyo"):
        assert outward(at(2024, 7, 1)) == datetime(2024, 7, 1, 2)


@pytest.mark.parametrize("hour", [0, 1], ids=["first occurrence", "second occurrence"])
def test_outward_and_checked_are_inverse_for_a_repeated_wall_clock_time(naive_paris, hour):
    moment = at(2024, 10, 27, hour, 30)
    assert utc(checked(outward(moment), "start")) == moment


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_outward_has_an_answer_at_the_ends_of_time(settings, moment):
    """``local`` and ``Boundaries.boundary`` return clamped moments in UTC, also without USE_TZ."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York" if moment == datetime.min else "Asia/Tokyo"
    assert outward(moment.replace(tzinfo=UTC)) == moment


def test_range_with_both_ends():
    assert checked_range(at(2024, 1, 1), at(2024, 1, 2)) == (at(2024, 1, 1), at(2024, 1, 2))


def test_range_with_open_ends():
    assert checked_range(None, None) == (None, None)


def test_range_open_at_the_start():
    assert checked_range(None, at(2024, 1, 1)) == (None, at(2024, 1, 1))


def test_range_open_at_the_end():
    assert checked_range(at(2024, 1, 1), None) == (at(2024, 1, 1), None)


def test_range_may_be_empty():
    assert checked_range(at(2024, 1, 1), at(2024, 1, 1)) == (at(2024, 1, 1), at(2024, 1, 1))


def test_range_that_ends_before_it_starts_is_refused_with_both_ends_named():
    with pytest.raises(ValueError, match="later") as caught:
        checked_range(at(2024, 1, 1) + INSTANT, at(2024, 1, 1))
    assert str(caught.value) == (
        "start 2024-01-01 00:00:00.000001+00:00 is later than end 2024-01-01 00:00:00+00:00."
    )


def test_range_is_compared_in_utc_and_not_on_the_wall_clock():
    """02:59 is before the second 02:01 of the night in which summer time ends."""
    start = datetime(2024, 10, 27, 2, 59, tzinfo=PARIS)
    end = datetime(2024, 10, 27, 2, 1, tzinfo=PARIS, fold=1)
    assert checked_range(start, end) == (start, end)


@pytest.mark.parametrize(("start", "end"), [(date(2024, 1, 1), None), (None, date(2024, 1, 1))])
def test_range_checks_each_end(start, end):
    with pytest.raises(TypeError, match=f"^{'start' if start else 'end'} must be a datetime"):
        checked_range(start, end)


def test_zone_by_name():
    assert zone_named("Asia/Kathmandu") == ZoneInfo("Asia/Kathmandu")


@pytest.mark.parametrize("zone", [PARIS, UTC, fixed(timedelta(hours=5))], ids=str)
def test_zone_itself(zone):
    assert zone_named(zone) is zone


@pytest.mark.parametrize(
    "name",
    ["Mars/Phobos", "America", "../etc", "/etc/passwd", "x" * 5000, "", "\0", "\ud800", 5, b"UTC"],
    ids=lambda name: repr(name)[:20],
)
def test_unknown_zone_is_refused_in_a_short_sentence(name):
    with pytest.raises(ValueError, match=r"\AUnknown time zone .{0,200}\.\Z") as caught:
        zone_named(name)
    assert caught.value.__suppress_context__


def test_explicit_zone_wins_over_the_carried_one():
    assert zone_for(datetime(2024, 1, 1, tzinfo=PARIS), TOKYO) is TOKYO


def test_explicit_zone_wins_by_name():
    assert zone_for(datetime(2024, 1, 1, tzinfo=PARIS), "Asia/Tokyo") is TOKYO


def test_explicit_utc_wins_over_the_current_zone():
    with timezone.override("Asia/Tokyo"):
        assert zone_for(at(2024, 1, 1), "UTC") == ZoneInfo("UTC")


def test_empty_name_is_not_taken_for_no_name():
    with pytest.raises(ValueError, match="Unknown time zone ''"):
        zone_for(at(2024, 1, 1), "")


def test_named_zone_is_carried():
    with timezone.override("Asia/Tokyo"):
        assert zone_for(datetime(2024, 1, 1, tzinfo=PARIS), None) is PARIS


@pytest.mark.parametrize(
    "carried",
    [UTC, ZoneInfo("UTC"), ZoneInfo("Etc/UTC"), fixed(timedelta(hours=5))],
    ids=["UTC", "named UTC", "Etc/UTC", "fixed offset"],
)
def test_utc_and_fixed_offsets_are_read_in_the_current_zone(carried):
    with timezone.override("Asia/Tokyo"):
        assert zone_for(datetime(2024, 1, 1, tzinfo=carried), None) == TOKYO


def test_default_zone_is_the_current_one_unless_another_is_activated(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    assert zone_for(at(2024, 1, 1), None) == TOKYO


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris"])
def test_default_zone_counts_without_use_tz_whatever_is_activated(settings, name):
    settings.USE_TZ = False
    settings.TIME_ZONE = name
    with timezone.override("Asia/Tokyo"):
        assert zone_for(checked(datetime(2024, 1, 1), "start"), None) == ZoneInfo(name)

import random
from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from souvenirs import reports
from souvenirs.reports import (
    calendar_daily_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_weekly_usage,
    calendar_yearly_usage,
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
    usage_for_periods,
)
from souvenirs.stores.base import Counted
from tests.conftest import INSTANT, at

pytestmark = pytest.mark.django_db

PARIS = ZoneInfo("Europe/Paris")
NOW = at(2017, 4, 3, 23)

CALENDAR = [
    calendar_daily_usage,
    calendar_weekly_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_yearly_usage,
]
SUBSCRIPTION = [
    daily_usage,
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
]
#: The reports that version 1 had.
OF_VERSION_1 = [calendar_monthly_usage, *SUBSCRIPTION]


class PytzLike(tzinfo):
    """A zone of pytz on a wall clock shows the local mean time of the nineteenth century."""

    def __init__(self, zone):
        self.zone = zone

    def utcoffset(self, moment):
        return timedelta(minutes=9)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)


def periods(rows):
    return [(row["period"]["start"], row["period"]["end"]) for row in rows]


def labels(rows, name):
    return [row["labels"][name] for row in rows]


def active(rows):
    return [row["usage"]["active_users"] for row in rows]


def unknown(rows):
    """Return the numbers of active users, None if they are unknown."""
    return [row.counts[-1] for row in rows]


def test_day_of_the_calendar():
    [row] = calendar_daily_usage(at(2016, 1, 31, 15), at(2016, 2, 1))
    assert row["period"] == {"start": at(2016, 1, 31), "end": at(2016, 2, 1)}
    assert row["labels"] == {
        "calendar_date": "2016-01-31",
        "calendar_year_month": "2016-01",
        "calendar_year": 2016,
    }


@pytest.mark.parametrize(
    ("day", "start", "label", "year"),
    [
        (at(2016, 1, 3), at(2015, 12, 28), "2015-W53", 2015),
        (at(2016, 1, 4), at(2016, 1, 4), "2016-W01", 2016),
        (at(2014, 12, 29), at(2014, 12, 29), "2015-W01", 2015),
    ],
)
def test_week_of_the_calendar_is_that_of_iso_8601(day, start, label, year):
    [row] = calendar_weekly_usage(day, day + INSTANT)
    assert row["period"]["start"] == start
    assert row["labels"] == {"calendar_year_week": label, "calendar_year": year}


def test_week_can_start_on_sunday():
    [row] = calendar_weekly_usage(at(2016, 1, 9), at(2016, 1, 10), week_start=7)
    assert periods([row]) == [(at(2016, 1, 3), at(2016, 1, 10))]
    assert row["labels"]["calendar_year_week"] == "2016-W01"


def test_week_starts_on_the_day_in_the_setting(settings):
    settings.SOUVENIRS_WEEK_START = 6
    [row] = calendar_weekly_usage(at(2016, 1, 8), at(2016, 1, 9))
    assert row["period"]["start"] == at(2016, 1, 2)


def test_month_of_the_calendar():
    rows = list(calendar_monthly_usage(at(2015, 12, 24), at(2016, 2, 1)))
    assert periods(rows) == [(at(2015, 12, 1), at(2016, 1, 1)), (at(2016, 1, 1), at(2016, 2, 1))]
    assert rows[0]["labels"] == {"calendar_year_month": "2015-12", "calendar_year": 2015}


def test_quarter_of_the_calendar():
    rows = list(calendar_quarterly_usage(at(2015, 12, 24), at(2016, 4, 2)))
    assert labels(rows, "calendar_year_quarter") == ["2015-Q4", "2016-Q1", "2016-Q2"]
    assert periods(rows)[-1] == (at(2016, 4, 1), at(2016, 4, 2))


def test_year_of_the_calendar():
    rows = list(calendar_yearly_usage(at(2015, 12, 24), at(2017, 1, 1)))
    assert labels(rows, "calendar_year") == [2015, 2016]


def test_time_zone_lays_the_periods(leave):
    leave((1, at(2016, 1, 31, 23, 30)))
    rows = list(calendar_monthly_usage(at(2016, 1, 15), at(2016, 2, 15), tz="Europe/Paris"))
    assert unknown(rows) == [None, 1]
    assert rows[1]["period"]["start"].isoformat() == "2016-02-01T00:00:00+01:00"


def test_current_time_zone_is_the_default(leave):
    leave((1, at(2016, 1, 31, 23, 30)))
    with timezone.override("Europe/Paris"):
        rows = list(calendar_monthly_usage(at(2016, 1, 15), at(2016, 2, 15)))
    assert unknown(rows) == [None, 1]


def test_subscription_that_the_orm_returns_in_utc_is_read_in_the_time_zone():
    with timezone.override("Europe/Paris"):
        rows = list(customer_monthly_usage(at(2016, 1, 31, 23), end=at(2016, 4, 1)))
    assert [start.astimezone(PARIS).day for start, _ in periods(rows)] == [1, 1, 1]


def test_subscription_on_the_31st_stays_there():
    rows = customer_monthly_usage(at(2016, 1, 31), end=at(2016, 5, 31))
    assert [(start.month, start.day) for start, _ in periods(rows)] == [
        (1, 31),
        (2, 29),
        (3, 31),
        (4, 30),
    ]


def test_labels_of_subscription_months():
    rows = list(customer_monthly_usage(at(2010, 1, 24), end=at(2011, 2, 25)))
    assert labels(rows, "year_month")[::6] == ["Y01 M01", "Y01 M07", "Y02 M01"]
    assert labels(rows, "year_quarter")[::3] == ["Y01 Q1", "Y01 Q2", "Y01 Q3", "Y01 Q4", "Y02 Q1"]
    assert labels(rows, "year")[11:13] == ["Y01", "Y02"]


def test_labels_of_subscription_quarters():
    rows = list(customer_quarterly_usage(at(2010, 1, 24), end=at(2011, 2, 1)))
    assert labels(rows, "year_quarter") == ["Y01 Q1", "Y01 Q2", "Y01 Q3", "Y01 Q4", "Y02 Q1"]
    assert labels(rows, "year")[-1] == "Y02"


def test_labels_of_subscription_years():
    assert labels(customer_yearly_usage(at(2010, 1, 24)), "year")[-1] == "Y08"


def test_days_are_labelled_as_their_month_is():
    rows = list(daily_usage(at(2016, 1, 31, 22), end=at(2016, 4, 1)))
    expected = {}
    for month in customer_monthly_usage(at(2016, 1, 31, 22), end=at(2016, 4, 1)):
        for start, _ in periods(rows):
            if month["period"]["start"] <= start < month["period"]["end"]:
                expected[start] = month["labels"]
    assert {row["period"]["start"]: row["labels"] for row in rows} == expected
    assert labels(rows, "year_month").count("Y01 M02") == 31


@pytest.mark.parametrize(
    ("report", "start", "first"),
    [
        (customer_monthly_usage, at(2013, 2, 24), at(2013, 2, 24)),
        (customer_monthly_usage, at(2013, 2, 24) - INSTANT, at(2013, 1, 24)),
        (daily_usage, at(2013, 2, 24), at(2013, 2, 24)),
        (daily_usage, at(2013, 2, 24) - INSTANT, at(2013, 1, 24)),
        (customer_yearly_usage, at(2009, 1, 1), at(2010, 1, 24)),
    ],
)
def test_periods_that_end_by_the_start_are_left_out(report, start, first):
    rows = report(at(2010, 1, 24), start=start, end=at(2014, 1, 1))
    assert next(iter(periods(rows)))[0] == first


def test_numbering_starts_with_the_subscription():
    rows = customer_monthly_usage(at(2010, 1, 24), start=at(2013, 2, 24), end=at(2013, 3, 24))
    assert labels(rows, "year_month") == ["Y04 M02"]


@pytest.mark.parametrize("report", CALENDAR)
def test_empty_range_has_no_calendar_periods(report):
    day = at(2013, 2, 1) if report in OF_VERSION_1 else at(2013, 2, 24)
    assert list(report(day, day)) == []


@pytest.mark.parametrize("earlier", [timedelta(), INSTANT, timedelta(days=1000)])
@pytest.mark.parametrize("report", SUBSCRIPTION)
def test_empty_range_has_no_subscription_periods(report, earlier):
    start = at(2013, 2, 4)
    assert list(report(at(2010, 2, 24), start=start, end=start - earlier)) == []


@pytest.mark.parametrize("report", SUBSCRIPTION)
def test_range_that_starts_now_has_no_subscription_periods(report):
    assert list(report(at(2010, 2, 24), start=NOW)) == []


@pytest.mark.parametrize("report", SUBSCRIPTION)
def test_subscription_that_has_not_started_has_no_periods(report):
    assert list(report(NOW + INSTANT)) == []


@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_report_ends_now(report):
    assert list(periods(report(at(2017, 1, 24))))[-1][1] == NOW


@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_recent_periods_are_the_last_ones(report):
    everything = list(report(at(2016, 12, 24)))
    assert list(report(at(2016, 12, 24), recent=2)) == everything[-2:]
    assert list(report(at(2016, 12, 24), recent=10_000)) == everything


def test_recent_period_up_to_the_second_half_past_two_of_a_night():
    """The end is an instant: 02:30 for the second time is an hour after the first."""
    start = datetime(2016, 10, 29, 2, 30, tzinfo=PARIS)
    end = datetime(2016, 10, 30, 2, 30, tzinfo=PARIS, fold=1)
    rows = list(daily_usage(start, end=end))
    assert len(rows) == 2
    assert list(daily_usage(start, end=end, recent=1)) == rows[-1:]


def test_recent_periods_are_the_only_ones_counted(monkeypatch):
    counted = []

    def count_each(self, ranges, among):
        counted.extend(ranges)
        return Counted([0] * len(ranges), None)

    monkeypatch.setattr("souvenirs.stores.orm.OrmStore.count_each", count_each)
    list(daily_usage(at(2012, 1, 1), recent=20))
    assert len(counted) == 20


@pytest.mark.parametrize("days", [365, 7 * 365 + 2])
@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_queries_do_not_grow_with_the_range(leave, django_assert_max_num_queries, report, days):
    leave((1, at(2010, 1, 5)))
    with django_assert_max_num_queries(4):
        assert list(report(at(2010, 1, 4), end=at(2010, 1, 4) + timedelta(days=days)))


def test_reports_equal_brute_force(leave):
    chance = random.Random(17)
    start = at(2016, 1, 1)
    rows = [
        (chance.randint(1, 30), start + chance.random() * timedelta(days=60)) for _ in range(300)
    ]
    leave(*rows)
    for report in CALENDAR:
        for row in report(start, at(2016, 3, 1), tz="Asia/Kolkata"):
            begin, end = row["period"].values()
            expected = len({user for user, when in rows if begin <= when < end})
            known = end > min(when for _, when in rows)
            assert row["usage"]["active_users"] == (expected if known else None)


@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_period_before_the_first_souvenir_is_unknown(leave, report):
    leave((1, at(2016, 2, 1)))
    rows = list(report(at(2015, 1, 1), end=at(2018, 1, 1)))
    zero = 0 if report in OF_VERSION_1 else None
    for row in rows:
        assert row.known is (row["period"]["end"] > at(2016, 2, 1))
        if not row.known:
            assert row["usage"]["active_users"] == zero
            assert row.counts[-1] is None
    assert next(row.counts[-1] for row in rows if row.known) == 1
    assert not rows[0].known


def test_period_that_holds_the_first_souvenir_is_known(leave):
    leave((1, at(2016, 2, 1) - INSTANT))
    assert active(calendar_monthly_usage(at(2016, 1, 1), at(2016, 2, 1))) == [1]


def test_without_souvenirs_everything_is_unknown():
    assert unknown(calendar_monthly_usage(at(2016, 1, 1), at(2016, 2, 1))) == [None]


@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_only_the_unfinished_period_is_marked(report):
    rows = list(report(at(2016, 1, 24)))
    assert [row.complete for row in rows] == [True] * (len(rows) - 1) + [False]
    assert [row.incomplete for row in rows] == [None] * (len(rows) - 1) + ["running"]
    assert not {"complete", "incomplete"} & set(rows[-1])


def test_period_that_ends_now_is_finished():
    assert list(calendar_monthly_usage(at(2017, 3, 1), at(2017, 4, 1)))[-1].complete


@pytest.mark.parametrize("report", [*CALENDAR, *SUBSCRIPTION])
def test_only_the_period_that_is_cut_off_is_marked(report):
    rows = list(report(at(2016, 1, 24), end=at(2016, 3, 20, 12)))
    assert [row.incomplete for row in rows] == [None] * (len(rows) - 1) + ["cut"]
    assert rows[-1]["period"]["end"] == at(2016, 3, 20, 12)
    assert not rows[-1].complete


def test_period_that_is_cut_off_keeps_the_cells_of_version_1():
    [row] = calendar_monthly_usage(at(2016, 3, 1), at(2016, 3, 15))
    assert row == {
        "period": {"start": at(2016, 3, 1), "end": at(2016, 3, 15)},
        "labels": {"calendar_year_month": "2016-03", "calendar_year": 2016},
        "usage": row["usage"],
    }


def test_period_in_the_future_is_not_finished():
    rows = list(usage_for_periods([(NOW, NOW + INSTANT), (NOW - INSTANT, NOW)]))
    assert [row.complete for row in rows] == [False, True]
    assert [row.incomplete for row in rows] == ["running", None]


def test_registered_users_are_those_before_the_end(make_user):
    make_user(joined=at(2016, 2, 1))
    rows = list(calendar_monthly_usage(at(2016, 1, 1), at(2016, 3, 1)))
    counts = [row["usage"]["registered_users"] for row in rows]
    assert counts in ([0, 1], [None, None])


def test_rows_are_yours_to_change():
    row = next(calendar_monthly_usage(at(2016, 1, 1)))
    row["usage"]["revenue"] = 1
    row["labels"].clear()
    row.pop("period")


def test_periods_may_come_in_any_order(leave):
    leave((1, at(2016, 1, 5)), (2, at(2016, 2, 5)))
    january, february = (at(2016, 1, 1), at(2016, 2, 1)), (at(2016, 2, 1), at(2016, 3, 1))
    both = (at(2016, 1, 1), at(2016, 3, 1))
    rows = list(usage_for_periods(iter([february, both, january, february])))
    assert active(rows) == [1, 2, 1, 1]
    assert periods(rows) == [february, both, january, february]


def with_revenue(periods):
    for row in reports.base_usage_for_periods(periods):
        row["usage"]["revenue"] = 100
        yield row


def with_dicts_of_its_own(periods):
    for start, end in periods:
        usage = {"active_users": 5 if end <= at(2016, 2, 1) else 0}
        yield {"period": {"start": start, "end": end}, "usage": usage}


def none_at_all(periods):
    return iter(())


not_a_function = 5


def test_function_of_the_project_adds_to_the_rows(settings):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.test_reports.with_revenue"
    rows = list(customer_monthly_usage(at(2017, 1, 24)))
    assert {row["usage"]["revenue"] for row in rows} == {100}
    assert labels(rows, "year_month") == ["Y01 M01", "Y01 M02", "Y01 M03"]


def test_dicts_of_the_project_are_rows_too(leave, settings, django_assert_num_queries):
    """A function may count what has left no souvenir."""
    leave((1, at(2016, 4, 5)))
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.test_reports.with_dicts_of_its_own"
    arguments = at(2016, 1, 1), at(2016, 6, 1)
    with django_assert_num_queries(1):
        rows = list(calendar_monthly_usage(*arguments))
    assert [(row["usage"]["active_users"], row.known) for row in rows] == [
        (5, True),
        (0, False),
        (0, False),
        (0, True),
        (0, True),
    ]


def test_function_of_the_project_replaces_the_rows(settings):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.test_reports.none_at_all"
    assert list(customer_monthly_usage(at(2017, 1, 24))) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tests.test_reports.no_such_function", "cannot be imported"),
        ("no_such_module.function", "cannot be imported"),
        ("word", "cannot be imported"),
        (".relative", "cannot be imported"),
        (5, "not 5"),
        ("souvenirs.reports.usage_for_periods", "would call itself"),
        ("tests.test_reports.not_a_function", "cannot be called"),
    ],
)
def test_wrong_path_is_refused(settings, path, message):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = path
    with pytest.raises(ImproperlyConfigured, match=f"SOUVENIRS_USAGE_REPORTS_FUNCTION.*{message}"):
        list(usage_for_periods([]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"subscription_start": datetime(2016, 1, 1)}, ValueError, "start is a naive datetime"),
        ({"subscription_start": date(2016, 1, 1)}, TypeError, "start must be a datetime"),
        ({"end": datetime(2016, 1, 1)}, ValueError, "end is a naive datetime"),
        ({"tz": "Mars/Phobos"}, ValueError, "Unknown time zone 'Mars/Phobos'"),
        ({"recent": 0}, ValueError, "recent must be at least 1, not 0"),
        ({"recent": -3}, ValueError, "recent must be at least 1, not -3"),
        ({"recent": 1.5}, ValueError, "recent must be at least 1, not 1.5"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(arguments, error, message):
    with pytest.raises(error, match=message):
        customer_monthly_usage(**{"subscription_start": at(2016, 1, 1), **arguments})


@pytest.mark.parametrize("report", CALENDAR)
def test_start_later_than_the_end(leave, report):
    start, end = at(2016, 1, 2), at(2016, 1, 1)
    leave((1, at(2015, 12, 1)))
    if report in OF_VERSION_1:
        assert list(report(start, end)) == []
    else:
        with pytest.raises(ValueError, match="is later than end 2016-01-01"):
            report(start, end)


def test_period_that_ends_before_it_starts_is_empty(leave):
    leave((1, NOW - INSTANT), (1, NOW))
    [row] = usage_for_periods([(NOW + INSTANT, NOW - INSTANT)])
    assert row["period"] == {"start": NOW + INSTANT, "end": NOW - INSTANT}
    assert row["usage"]["active_users"] == 0


@pytest.mark.parametrize("zone", [tz.gettz("Europe/Paris"), PytzLike("Europe/Paris")])
def test_zones_of_other_libraries_are_the_same_zones(zone):
    expected = list(calendar_monthly_usage(at(2016, 1, 15), at(2016, 6, 15), tz=PARIS))
    assert list(calendar_monthly_usage(at(2016, 1, 15), at(2016, 6, 15), tz=zone)) == expected


def test_start_carries_a_zone_of_another_library():
    start = datetime(2016, 1, 1, tzinfo=tz.gettz("Europe/Paris"))
    rows = list(calendar_monthly_usage(start, at(2016, 2, 15)))
    assert [begin.isoformat() for begin, _ in periods(rows)] == [
        "2016-01-01T00:00:00+01:00",
        "2016-02-01T00:00:00+01:00",
    ]


def test_range_of_too_many_periods_is_refused():
    start = NOW - timedelta(days=100_000)
    with pytest.raises(ValueError, match=r"has 100,001 periods, more than 100,000"):
        daily_usage(start - INSTANT)
    daily_usage(start)


def test_recent_periods_of_a_long_range_are_not_too_many():
    assert len(list(daily_usage(at(1, 1, 1), recent=3))) == 3


def test_report_to_the_end_of_time():
    rows = list(
        calendar_yearly_usage(at(9990, 1, 1), datetime.max.replace(tzinfo=at(1, 1, 1).tzinfo))
    )
    assert len(rows) == 10


def test_without_time_zone_support(settings, leave):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    leave((1, datetime(2016, 1, 31, 23, 59)))
    rows = list(calendar_monthly_usage(datetime(2016, 1, 5), datetime(2016, 2, 5)))
    assert periods(rows) == [
        (datetime(2016, 1, 1), datetime(2016, 2, 1)),
        (datetime(2016, 2, 1), datetime(2016, 2, 5)),
    ]
    assert active(rows) == [1, 0]


@pytest.mark.parametrize(
    "report", [daily_usage, customer_yearly_usage, calendar_daily_usage, calendar_weekly_usage]
)
def test_unknown_keyword_is_refused_in_the_name_of_the_report(report):
    with pytest.raises(TypeError) as error:
        report(at(2016, 1, 1), segments="pro")
    assert str(error.value) == (
        f"{report.__name__}() got an unexpected keyword argument 'segments'"
    )

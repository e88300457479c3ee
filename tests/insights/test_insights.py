"""What all insights have in common."""

from datetime import date, datetime, timedelta
from typing import get_args, get_overloads, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies

from souvenirs.control import PrunedSpan
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import (
    Insight,
    Segmented,
    active_series,
    day_n_retention,
    growth,
    power_curve,
    power_curves,
    retention,
    stickiness,
)
from souvenirs.models import Souvenir
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest
from tests.oracle import DAY, END, INSIGHTS, NOW, START, behind, gives_its_users, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

OF_PERIODS = {
    name: insight for name, insight in INSIGHTS.items() if name not in ("power_curve", "day_n")
}

every_insight = pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
every_insight_of_periods = pytest.mark.parametrize("insight", OF_PERIODS.values(), ids=OF_PERIODS)


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def periods_of(insight):
    """The periods of an insight, whatever the attribute is called."""
    each_of = getattr(insight, "periods", None) or getattr(insight, "cohorts", ())
    return [getattr(each, "period", each) for each in each_of]


def numbers(insight):
    return [number for number, _ in behind(insight)]


@every_insight
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"end": datetime(2017, 9, 5)}, ValueError, "end is a naive datetime"),
        ({"end": date(2017, 9, 5)}, TypeError, "end must be a datetime"),
        ({"end": "2017-09-05"}, TypeError, "end must be a datetime"),
        ({"end": at(1, 1, 1)}, ValueError, "end is out of range"),
        ({"tz": "Mars/Phobos"}, ValueError, "Unknown time zone 'Mars/Phobos'"),
        ({"tz": 5}, ValueError, "Unknown time zone '5'"),
        (
            {"users": "ann"},
            TypeError,
            "users must be a queryset or an iterable of users or primary keys",
        ),
        (
            {"users": 5},
            TypeError,
            "users must be a queryset or an iterable of users or primary keys",
        ),
        ({"users": Permission.objects.all()}, ValueError, "users is a queryset of auth.Permission"),
        ({"by": "no_such_field"}, ValueError, "by must be 'segment', groups by name, or a field"),
        ({"by": {}}, ValueError, "gives no segments"),
    ],
)
def test_bad_arguments_are_refused(leave, insight, arguments, error, message):
    leave((1, START))
    with pytest.raises(error, match=message):
        insight(**arguments)


@pytest.mark.parametrize("insight", [INSIGHTS[name] for name in INSIGHTS if name != "power_curve"])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"start": datetime(2017, 9, 5)}, ValueError, "start is a naive datetime"),
        ({"start": 5}, TypeError, "start must be a datetime"),
        ({"start": END + INSTANT, "end": END}, ValueError, "is later than end"),
    ],
)
def test_bad_starts_are_refused(insight, arguments, error, message):
    with pytest.raises(error, match=message):
        insight(**arguments)


@every_insight_of_periods
@pytest.mark.parametrize("interval", ["", "hour", "Day", None, 7, ["day"]])
def test_other_intervals_are_refused(insight, interval):
    with pytest.raises(ValueError, match="interval must be one of day, week, month, quarter, year"):
        insight(START, END, interval=interval)


@every_insight_of_periods
def test_range_of_too_many_periods_is_refused(insight):
    with pytest.raises(ValueError, match=r"more than \d+,000"):
        insight(at(1700, 1, 1), at(2000, 1, 1), interval="day")


@pytest.mark.parametrize("insight", [stickiness, power_curves, INSIGHTS["wau"]])
def test_range_of_too_many_days_is_refused(leave, insight):
    leave((1, at(1700, 1, 1)))
    with pytest.raises(ValueError, match="The range has 109,572 days, more than 100,000"):
        insight(at(1700, 1, 1), at(2000, 1, 1), interval="year")


@every_insight
def test_range_of_no_time_has_no_periods(leave, insight):
    leave((1, START))
    found = insight(START, START, tz="UTC")
    assert periods_of(found) == []
    assert sum(numbers(found)) == 0


@every_insight
def test_start_in_the_future_has_no_periods(leave, insight):
    leave((1, START))
    found = insight(NOW + DAY)
    assert periods_of(found) == []


@every_insight
def test_site_without_souvenirs(insight):
    found = insight()
    assert {period.known for period in periods_of(found)} <= {False}
    assert sum(numbers(found)) == 0
    assert found.to_dict()["rows"] == found.rows()


@every_insight_of_periods
def test_periods_begin_with_that_of_the_first_souvenir_and_go_up_to_now(leave, insight):
    leave((1, at(2017, 10, 31, 23, 59)), (1, NOW), (1, NOW - INSTANT))
    found = periods_of(insight(interval="month"))
    assert [(each.label, each.start, each.end, each.complete) for each in found] == [
        ("2017-10", at(2017, 10, 1), at(2017, 11, 1), True),
        ("2017-11", at(2017, 11, 1), NOW, False),
    ]


@every_insight_of_periods
def test_end_before_the_first_souvenir_is_one_unknown_period(leave, insight):
    leave((1, at(2017, 10, 1)))
    [found] = periods_of(insight(end=at(2017, 9, 1), interval="month"))
    assert (found.label, found.complete, found.known) == ("2017-08", True, False)


@every_insight_of_periods
@pytest.mark.parametrize(
    ("end", "labels"),
    [
        (at(2017, 9, 6) - INSTANT, ["2017-09-04", "2017-09-05"]),
        (at(2017, 9, 6), ["2017-09-04", "2017-09-05"]),
        (at(2017, 9, 6) + INSTANT, ["2017-09-04", "2017-09-05", "2017-09-06"]),
    ],
)
def test_end_around_midnight(leave, insight, end, labels):
    leave((1, START))
    found = periods_of(insight(START, end, interval="day"))
    assert [each.label for each in found] == labels
    assert found[-1].end == end


@every_insight_of_periods
@pytest.mark.parametrize(
    ("now", "complete"), [(at(2017, 9, 5), True), (at(2017, 9, 5) - INSTANT, False)]
)
def test_period_is_over_at_its_end(leave, set_now, insight, now, complete):
    leave((1, START))
    set_now(now)
    [found] = periods_of(insight(START, at(2017, 9, 5), interval="day"))
    assert found.complete is complete


@every_insight_of_periods
def test_first_period_is_whole(leave, insight):
    leave((1, START))
    [found] = periods_of(insight(at(2017, 9, 6, 12), at(2017, 9, 9), interval="week"))
    assert (found.start, found.end) == (START, at(2017, 9, 9))


@every_insight_of_periods
def test_weeks_start_on_the_day_in_the_setting(leave, insight, settings):
    settings.SOUVENIRS_WEEK_START = 7
    leave((1, START))
    [found] = periods_of(insight(at(2017, 9, 6), at(2017, 9, 9), interval="week"))
    assert (found.label, found.start) == ("2017-W36", at(2017, 9, 3))


@every_insight_of_periods
def test_zone_is_that_given_then_that_of_the_start_then_the_current_one(leave, insight):
    leave((1, START))
    start = datetime(2017, 9, 6, tzinfo=ZoneInfo("Europe/Paris"))
    with timezone.override("Asia/Kolkata"):
        assert insight(start, END, tz="America/New_York").tz == "America/New_York"
        assert insight(start, END).tz == "Europe/Paris"
        assert insight(START, END).tz == "Asia/Kolkata"
        assert insight(START, END, tz=ZoneInfo("Asia/Tokyo")).tz == "Asia/Tokyo"


def test_digested_half_digested_and_pruned_give_the_same(leave):
    def measured():
        arguments = {"start": START, "end": at(2017, 11, 19), "tz": "America/Sao_Paulo"}
        return [insight(**arguments) for insight in INSIGHTS.values()]

    leave(*sightings(count=120))
    expected = measured()
    list(Digester(until=at(2017, 10, 15, 12)).run())
    assert measured() == expected
    digest()
    assert measured() == expected
    list(Pruner(NOW).run())
    assert not Souvenir.objects.exists()
    assert measured() == expected
    assert all(map(gives_its_users, measured()))


@every_insight
def test_range_that_pruned_buckets_cannot_answer_is_refused(leave, insight):
    leave((1, at(2017, 9, 5, 18, 20)))
    digest()
    list(Pruner(NOW).run())
    with pytest.raises(PrunedSpan):
        insight(START, at(2017, 9, 5, 18, 30), tz="Asia/Kolkata")


@every_insight
@pytest.mark.parametrize("digested", [False, True])
def test_six_queries_whatever_the_range(leave, insight, digested, django_assert_max_num_queries):
    leave((1, at(2001, 1, 1)), (1, at(2009, 5, 5)), (2, at(2017, 9, 4)), (2, at(2017, 10, 4)))
    if digested:
        digest()
    # At most two more for non-integer primary keys.
    most = 6 if type(pk_of(1)) is int else 8
    for start in (START, at(2015, 6, 1)):
        with django_assert_max_num_queries(most):
            insight(start, END, users=get_user_model().objects.all())


@pytest.mark.thorough
def test_six_queries_for_forty_years_of_days(leave, django_assert_max_num_queries):
    leave((1, at(1980, 1, 1)), (2, at(2017, 9, 4)))
    digest()
    with django_assert_max_num_queries(6 if type(pk_of(1)) is int else 8):
        assert len(active_series(window="mau").values) == 13_839


@every_insight
def test_users_restrict_everything(leave, make_user, insight):
    rows = sightings()
    leave(*rows)
    chosen = [pk_of(number) for number in (1, 2, 5, 7)]
    found = insight(START, END, users=chosen)
    assert gives_its_users(found)
    assert all(users.pks <= set(chosen) for _, users in behind(found))
    Souvenir.objects.exclude(user_id__in=chosen).delete()
    leave((999, sightings()[0][1] - 30 * DAY))  # as far back as before
    assert numbers(insight(START, END, users=chosen)) == numbers(found)


@every_insight
def test_empty_group(leave, insight):
    leave(*sightings())
    assert set(numbers(insight(START, END, users=[]))) <= {0}


@every_insight
@pytest.mark.parametrize("exclusive", [False, True])
def test_by_gives_each_segment_and_everyone(leave, insight, exclusive):
    leave(*sightings())
    odd, low, high = ([pk_of(number) for number in group] for group in ((1, 3, 5), (1, 2), (9,)))
    groups = {"odd": odd, "low": low, "high": high}
    found = insight(START, END, by=groups, exclusive=exclusive)
    assert isinstance(found, Segmented)
    assert list(found) == ["odd", "low", "high"]
    assert len(found) == 3
    assert found.everyone == insight(START, END)
    if exclusive:
        groups["low"] = [pk_of(2)]
    for name, group in groups.items():
        assert found[name] == insight(START, END, users=group)
        assert gives_its_users(found[name])


@every_insight
def test_exclusive_requires_by(db, insight):
    with pytest.raises(ValueError, match="exclusive requires by"):
        insight(START, END, exclusive=True)


@every_insight
def test_rows_of_segments(leave, insight):
    leave(*sightings())
    found = insight(START, END, by={"one": [pk_of(1)]})
    everyone, one = insight(START, END), insight(START, END, users=[pk_of(1)])
    assert found.rows() == [
        *({"segment": None, **row} for row in everyone.rows()),
        *({"segment": "one", **row} for row in one.rows()),
    ]
    assert found.to_dict() == {**everyone.to_dict(), "rows": found.rows()}


@every_insight
def test_by_restricted_to_users(leave, insight):
    leave(*sightings())
    found = insight(START, END, users=[pk_of(1), pk_of(2)], by={"odd": [pk_of(1), pk_of(3)]})
    assert found["odd"] == insight(START, END, users=[pk_of(1)])
    assert found.everyone == insight(START, END, users=[pk_of(1), pk_of(2)])


@every_insight
def test_without_time_zone_support(leave, insight, settings):
    rows = sightings()
    leave(*rows)
    paris = ZoneInfo("Europe/Paris")
    expected = insight(datetime(2017, 9, 6, tzinfo=paris), datetime(2017, 11, 20, tzinfo=paris))
    Souvenir.objects.all().delete()
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    leave(*((number, when.astimezone(paris).replace(tzinfo=None)) for number, when in rows))
    found = insight(datetime(2017, 9, 6), datetime(2017, 11, 20))
    assert numbers(found) == numbers(expected)
    assert found.to_dict()["tz"] == "Europe/Paris"
    assert all(period.start.tzinfo is None for period in periods_of(found))


@every_insight
def test_start_that_carries_a_zone_without_time_zone_support(leave, insight, settings, set_now):
    settings.USE_TZ = False
    settings.TIME_ZONE = "UTC"
    set_now(NOW.replace(tzinfo=None))
    leave((1, datetime(2017, 9, 4, 16)), (2, datetime(2017, 9, 4, 14)))
    tokyo = ZoneInfo("Asia/Tokyo")
    start, end = (datetime(2017, 9, day, tzinfo=tokyo) for day in (5, 7))
    found = insight(start, end)
    assert found.to_dict()["tz"] == "Asia/Tokyo"
    assert numbers(found) == numbers(insight(start, end, tz=tokyo))


@every_insight_of_periods
@pytest.mark.parametrize(
    ("which", "error", "message"),
    [
        (2, IndexError, "There is no period 2: there are 2"),
        (-3, IndexError, "There is no period -3: there are 2"),
        ("2016-01-01", KeyError, "There is no period '2016-01-01'"),
    ],
)
def test_period_that_is_not_there_is_refused(leave, insight, which, error, message):
    leave((1, START))
    found = insight(START, at(2017, 9, 6), interval="day")
    with pytest.raises(error, match=message):
        found.users(which, *([1] if insight is power_curves else []))


@every_insight_of_periods
def test_period_by_position_label_and_itself(leave, insight):
    leave((1, START), (2, START + DAY))
    found = insight(START, at(2017, 9, 6), interval="day")
    more = [1] if insight is power_curves else []
    last = found.users(-1, *more)
    assert found.users("2017-09-05", *more) == found.users(periods_of(found)[1], *more) == last
    assert len(last) >= 1


def test_insight_with_nothing_in_common():
    class Nobody(Insight):
        def rows(self):
            return []

    assert Nobody().to_dict() == {"insight": "Nobody", "rows": []}


weeks = timedelta(weeks=1)

#: Sightings ``(user number, minutes since the start)`` of four weeks.
histories = strategies.lists(
    strategies.tuples(strategies.integers(1, 8), strategies.integers(0, 28 * 24 * 60 - 1)),
    max_size=40,
)

BY_WEEK = {
    "series": lambda *span: active_series(*span, interval="week", window="wau"),
    "days": active_series,
    "stickiness": lambda *span: stickiness(*span, interval="week"),
    "power_curve": lambda start, end: power_curve(end),
    "power_curves": power_curves,
    "growth": lambda *span: growth(*span, interval="week"),
    "retention": lambda *span: retention(*span, interval="week", mode="in_or_later"),
    "day_n": INSIGHTS["day_n"],
}


def measured(rows, start=START):
    """All known numbers of all insights for these sightings alone."""
    Souvenir.objects.all().delete()
    Souvenir.objects.bulk_create(
        Souvenir(user_id=pk_of(number), when=start + timedelta(minutes=minute))
        for number, minute in rows
    )
    # One more, so that all of the range is known.
    Souvenir.objects.create(user_id=pk_of(900_000), when=start - 30 * weeks)
    return {name: numbers(insight(start, start + 4 * weeks)) for name, insight in BY_WEEK.items()}


def shown(examples):
    return settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        deadline=None,
    )


@pytest.mark.thorough
@pytest.mark.above_the_store
@shown(25)
@given(rows=histories, order=strategies.permutations(range(1, 9)))
def test_renumbering_users_changes_nothing(rows, order):
    renamed = [(order[number - 1] * 1_000, minute) for number, minute in rows]
    assert measured(renamed) == measured(rows)


@pytest.mark.thorough
@pytest.mark.above_the_store
@shown(25)
@given(rows=histories, shift=strategies.integers(-200, 3))
def test_shifting_by_whole_weeks_changes_nothing(rows, shift):
    assert measured(rows, START + shift * weeks) == measured(rows)


@pytest.mark.thorough
@pytest.mark.above_the_store
@shown(25)
@given(rows=histories, others=histories)
def test_disjoint_populations_add_up(rows, others):
    others = [(number + 100, minute) for number, minute in others]
    one, other, both = measured(rows), measured(others), measured(rows + others)
    for name in BY_WEEK:
        assert [a + b for a, b in zip(one[name], other[name], strict=True)] == both[name]


@pytest.mark.parametrize(
    "function",
    [active_series, day_n_retention, growth, power_curve, power_curves, retention, stickiness],
)
def test_overloads_take_what_the_function_takes(function):
    """The keyword arguments of all insights are declared once, for all overloads."""
    taken = {name: str(each) for name, each in get_type_hints(function).items() if name != "return"}
    overloads = get_overloads(function)
    assert len(overloads) == 2
    for overload in overloads:
        hints = get_type_hints(overload)
        [options] = get_args(hints.pop("options"))
        del hints["return"]
        assert {*hints, *get_type_hints(options)} == set(taken)
        for name, hint in {**hints, **get_type_hints(options)}.items():
            assert name == "by" or str(hint) == taken[name]

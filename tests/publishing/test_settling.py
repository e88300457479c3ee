"""Final figures are true, whatever happens meanwhile."""

import random
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F

from souvenirs.control import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import active_series, growth
from souvenirs.models import Figure, FigureLock
from souvenirs.publishing.activity import ActivityReader
from souvenirs.publishing.table import FigureTable
from souvenirs.stores import Sighting, UserRange, figures, get_store
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.oracle import NOW
from tests.publishing.published import GROWTH, TRAILING, final, publish, values

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def test_current_period_is_not_final_and_has_nobody_who_churned(leave):
    leave((1, NOW - DAY), (2, NOW))
    digest()
    publish()
    today, yesterday = NOW.date(), (NOW - DAY).date()
    assert today not in final()
    assert yesterday in final()
    assert values("churned") == {yesterday: 0, today: None}


@pytest.mark.parametrize(("after", "is_final"), [(3599, False), (3600, True)])
def test_period_is_final_an_hour_after_its_end(leave, set_now, after, is_final):
    midnight = at(2017, 11, 20)
    leave((1, midnight - HOUR))
    digest()
    set_now(midnight + timedelta(seconds=after))
    publish()
    assert (date(2017, 11, 19) in final()) == is_final


def test_final_figures_of_a_clock_that_was_ahead_are_open_again(leave, set_now):
    leave((1, NOW - 3 * DAY))
    digest()
    set_now(NOW + 15 * DAY)
    publish("day", "week")
    assert (NOW + 14 * DAY).date() in final()
    assert date(2017, 11, 20) in final(interval="week")
    set_now(NOW)
    leave((2, NOW - timedelta(minutes=1)))
    digest()
    publish("day", "week")
    assert max(values()) == NOW.date()
    assert max(final()) == (NOW - DAY).date()
    assert values()[NOW.date()] == 1
    assert max(values(interval="week")) == date(2017, 11, 20)
    assert max(final(interval="week")) == date(2017, 11, 13)
    assert values(interval="week")[date(2017, 11, 20)] == 1
    assert publish("day", "week") == 9 + 5


@pytest.mark.parametrize(("after", "is_final"), [(3599, False), (3600, True)])
def test_clock_that_was_ahead_ends_no_period_early(leave, set_now, after, is_final):
    midnight = at(2017, 11, 20)
    leave((1, midnight - HOUR))
    digest()
    set_now(midnight + 5 * DAY)
    publish()
    set_now(midnight + timedelta(seconds=after))
    publish()
    assert max(values()) == date(2017, 11, 20)
    assert (date(2017, 11, 19) in final()) == is_final


@pytest.mark.parametrize("hours", [-0.25, 0.5, 2], ids=["before its end", "soon after", "later"])
def test_figure_of_a_clock_that_was_ahead_is_open_when_more_is_digested(
    leave, set_now, monkeypatch, hours
):
    """Also if nothing is published until nobody can tell any more that the clock was ahead."""
    midnight = at(2017, 11, 20)
    leave((1, midnight - 3 * HOUR))
    digest()
    set_now(midnight + 3 * HOUR)  # it is half past eleven
    publish()
    assert date(2017, 11, 19) in final()
    assert values()[date(2017, 11, 19)] == 1

    leave((2, midnight - HOUR / 3))
    present = midnight + hours * HOUR
    set_now(present)
    monkeypatch.setattr(figures, "time", SimpleNamespace(time=present.timestamp))
    digest()
    assert date(2017, 11, 19) not in final()
    assert date(2017, 11, 18) not in values()

    set_now(midnight + 4 * HOUR)
    publish()
    assert values()[date(2017, 11, 19)] == 2
    assert date(2017, 11, 19) in final()


def test_what_has_just_been_seen_takes_no_lock(leave, set_now, monkeypatch):
    present = at(2017, 11, 20, 10, 20)
    leave((1, present - DAY))
    set_now(present)
    digest()
    publish()
    monkeypatch.setattr(figures, "time", SimpleNamespace(time=present.timestamp))
    before = FigureLock.objects.get().marks
    leave((2, present))
    digest()
    assert FigureLock.objects.get().marks == before
    assert (present - DAY).date() in final()


def test_period_with_an_undigested_souvenir_is_not_final(leave, monkeypatch):
    # It never becomes final: that it is looked at once more afterwards is for other souvenirs.
    monkeypatch.setattr(FigureTable, "_mark_undigested", lambda self, rows: None)
    leave((1, at(2017, 11, 1)), (1, at(2017, 11, 3)))
    digest()
    leave((2, at(2017, 11, 2)))
    publish()
    assert values()[date(2017, 11, 2)] == 1
    assert final() == {date(2017, 11, 1), *(date(2017, 11, day) for day in range(3, 20))}
    # Who is new on a day depends on all days before it.
    assert final("new") == {date(2017, 11, 1)}
    assert date(2017, 11, 8) not in final("active_7d")
    assert date(2017, 11, 11) in final("active_7d")


def test_second_time_writes_only_what_is_running(leave):
    leave((1, at(2017, 11, 1)), (2, NOW))
    digest()
    assert publish() >= 20 * 9
    assert publish() == 9


def test_late_import_is_not_final_before_it_is_digested(leave):
    leave((1, at(2017, 11, 1)), (1, at(2017, 11, 5)))
    digest()
    publish()
    get_store().add_many([Sighting(pk_of(2), at(2017, 11, 3))])
    assert date(2017, 11, 3) not in final()
    assert date(2017, 11, 2) in final()
    assert max(final("new")) == date(2017, 11, 2)
    digest()
    publish()
    assert values()[date(2017, 11, 3)] == 1
    assert len(final()) == len(final("new")) == 19


@pytest.mark.parametrize("leaves", ["add", "add_missing"])
def test_late_souvenir_of_a_request_marks_figures(leave, leaves):
    leave((1, at(2017, 11, 1)))
    digest()
    publish()
    late = Sighting(pk_of(2), at(2017, 11, 3))
    if leaves == "add":
        get_store().add(late)
    else:
        user_range = UserRange(late.user, late.when, late.when + HOUR)
        get_store().add_missing([(late, user_range)], 5)
    assert date(2017, 11, 3) not in final()
    assert date(2017, 11, 4) in final()


def test_souvenir_of_now_marks_nothing(leave, django_assert_num_queries):
    with django_assert_num_queries(3):  # in the transaction of the test: with a savepoint
        get_store().add(Sighting(pk_of(2), datetime.now(UTC)))


def test_erasing_marks_figures(leave):
    leave((1, at(2017, 10, 1)), (1, at(2017, 11, 5)), (2, at(2017, 11, 5)))
    digest()
    publish()
    erase_user(pk_of(2))
    assert date(2017, 11, 5) not in final()
    publish()
    assert values()[date(2017, 11, 5)] == 1
    assert date(2017, 11, 5) in final()


def test_pruning_changes_nothing(leave):
    leave((1, at(2017, 11, 1)), (2, at(2017, 11, 5)))
    digest()
    publish()
    before = values(), final()
    list(Pruner(NOW).run())
    assert publish() == 9
    assert (values(), final()) == before


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something happen while figures are computed, a number of times."""

    def happens(work, times):
        read, calls = ActivityReader._read, []

        def read_and_work(self, ranges, users):
            found = read(self, ranges, users)
            if len(calls) < times:
                calls.append(work())
            return found

        monkeypatch.setattr(ActivityReader, "_read", read_and_work)

    return happens


def mark():
    FigureLock.objects.update(marks=F("marks") + 1)


@pytest.mark.parametrize(("times", "final_days"), [(1, 19), (2, 19), (3, 0)])
def test_marked_while_it_is_computed_is_computed_again(leave, meanwhile, times, final_days):
    leave((1, at(2017, 11, 1)))
    digest()
    meanwhile(mark, times)
    publish()
    assert len(final()) == final_days
    assert values()[NOW.date()] == 0
    publish()
    assert len(final()) == 19


def test_late_souvenir_that_could_not_mark_is_noticed(leave, monkeypatch):
    """Its mark has waited in vain for the lock under which the figure became final."""
    leave((1, at(2017, 11, 1)))
    digest()
    finish = FigureTable._finish

    def leave_and_finish(self, rows):
        finish(self, rows)
        leave((2, at(2017, 11, 3)))

    monkeypatch.setattr(FigureTable, "_finish", leave_and_finish)
    publish()
    assert values()[date(2017, 11, 3)] == 0
    assert date(2017, 11, 2) in final()
    assert date(2017, 11, 3) not in final()


def test_row_that_is_deleted_meanwhile_is_left_alone(leave, monkeypatch):
    leave((1, at(2017, 11, 1)))
    digest()
    read = ActivityReader._read

    def read_and_delete(self, ranges, users):
        Figure.objects.filter(metric="active").delete()
        return read(self, ranges, users)

    monkeypatch.setattr(ActivityReader, "_read", read_and_delete)
    publish()
    assert values() == {}
    assert len(values("new")) == 20


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_final_figures_are_true(leave, seed):
    chance = random.Random(seed)

    def some(count):
        return [
            (
                chance.randrange(1, 15),
                at(2017, 9, 1, 4) + chance.randrange(80 * 1440) * timedelta(minutes=1),
            )
            for _ in range(count)
        ]

    def erase():
        erase_user(pk_of(chance.randrange(1, 15)))

    def add():
        late = [Sighting(pk_of(number), when) for number, when in some(4)]
        get_store().add_many(late)

    steps = [add, erase, digest, publish_all, lambda: list(Pruner(at(2017, 9, 20)).run())]
    leave(*some(60))
    for _ in range(25):
        chance.choice(steps)()
        assert_final_ones_are_true()
    digest()
    publish_all()
    assert_final_ones_are_true()
    assert Figure.objects.filter(is_final=True, metric="new", interval="month").count() == 2


def publish_all():
    publish("day", "month", zone="America/New_York")


def assert_final_ones_are_true():
    fields = ("metric", "interval", "first_day", "value")
    published = Figure.objects.filter(is_final=True).exclude(metric="stickiness")
    truth = true_figures()
    for metric, interval, day, value in published.values_list(*fields):
        assert value == truth[metric, interval, day], (metric, interval, day)


def true_figures():
    found = {}
    start = at(2017, 9, 1, 4)
    for interval in ("day", "month"):
        for each in growth(start, NOW, interval=interval, tz="America/New_York").periods:
            for metric in GROWTH:
                place = metric, interval, each.period.start.date()
                found[place] = getattr(each, metric)
    for metric, days in TRAILING.items():
        series = active_series(start, NOW, window=days, tz="America/New_York")
        for period, value in zip(series.periods, series.values, strict=True):
            found[metric, "day", period.start.date()] = value
    return found

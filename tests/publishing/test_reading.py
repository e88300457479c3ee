"""No number shows whether it was read from a figure or computed."""

import random
from datetime import timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from souvenirs.control import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.insights.timeline import timeline_of
from souvenirs.models import Digest, Figure, FigureLock
from souvenirs.publishing import growth_of, known_counts, reading, series_of
from souvenirs.publishing.calendars import offsets_of
from souvenirs.publishing.table import FigureTable
from souvenirs.sets import CorruptDigest
from souvenirs.stores import PrunedSpan, Sighting, get_store
from souvenirs.stores.orm import OrmStore
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.oracle import NOW, UNITS, ZONES, sightings
from tests.publishing.published import publish

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

START = NOW - 60 * DAY

NEVER = 10**9

EVERYONE = {"users": None, "by": None, "of": None, "exclusive": False}

#: A number that nobody counts.
WRONG = 10_000


@pytest.fixture(autouse=True)
def _now(set_now, settings, monkeypatch):
    set_now(NOW)
    settings.SOUVENIRS_PUBLISH = {"intervals": [*UNITS], "time_zones": [*ZONES, "Asia/Tokyo"]}
    monkeypatch.setattr(reading, "FEWEST", 1)


@pytest.fixture
def history(leave):
    """A history that is digested and published by day, in UTC."""
    leave(*(row for row in sightings() if row[1] < NOW))
    digest()
    publish()


def asked(interval="day", zone="UTC", start=START, end=None, **group):
    """The rows of whatever figures are read for, or the error of each."""
    arguments = {"interval": interval, "tz": ZoneInfo(zone), **EVERYONE, **group}
    for window in (None, 7, 28, "mau", 5):
        yield rows_of(series_of, start, end, window=window, **arguments)
    yield rows_of(growth_of, start, end, **arguments)


def rows_of(ask, *args, **keywords):
    try:
        return ask(*args, **keywords).rows()
    except (PrunedSpan, CorruptDigest) as error:
        return str(error)


def computed(*args, **keywords):
    with patch.object(reading, "FEWEST", NEVER):
        return list(asked(*args, **keywords))


def is_true(*args, **keywords):
    """Whether reading gives what computing gives."""
    return list(asked(*args, **keywords)) == computed(*args, **keywords)


def read(interval="day", zone="UTC", start=START, end=None, metric="active"):
    """The numbers of active users that are read."""
    periods = timeline_of(start, end, interval, ZoneInfo(zone))
    return known_counts(periods, [metric]).get(metric, ())


class History:
    """What happens to a site, at random."""

    def __init__(self, seed, leave, settings, interval, zone):
        self.chance = random.Random(seed)
        self.leave, self.settings, self.place = leave, settings, (interval, zone)

    def late(self):
        return self.chance.randrange(1, 14), NOW - self.chance.randrange(1, 90 * 24 * 60) * MINUTE

    def leave_late(self):
        """As the site's own code does, which marks nothing."""
        self.leave(*(self.late() for _ in range(3)))

    def add_late(self):
        get_store().add_many([Sighting(pk_of(user), when) for user, when in [self.late()]])

    def digest(self):
        digest()

    def publish(self):
        interval, zone = self.place
        publish(interval, zone=zone)

    def erase(self):
        erase_user(pk_of(self.chance.randrange(1, 14)))

    def prune(self):
        list(Pruner(NOW - self.chance.randrange(90) * DAY).run())

    def move_weeks(self):
        self.settings.SOUVENIRS_WEEK_START = self.chance.choice((1, 7))

    STEPS = (
        *("leave_late", "add_late", "erase", "prune", "move_weeks"),
        *("digest", "digest", "publish", "publish"),
    )


@pytest.mark.parametrize(
    ("interval", "zone"),
    [*(("day", zone) for zone in ZONES), *zip(list(UNITS)[1:], ZONES[1:], strict=True)],
)
def test_reading_is_computing_whatever_has_happened(leave, settings, interval, zone):
    history = History(f"{interval} {zone}", leave, settings, interval, zone)
    leave(*(row for row in sightings() if row[1] < NOW))
    most = 0
    for step in ["digest", "publish", *history.chance.choices(history.STEPS, k=6)]:
        getattr(history, step)()
        for start, end in ((None, None), (START, NOW - 9 * DAY)):
            assert is_true(interval, zone, start, end)
        most = max(most, len(read(interval, zone, start=None)))
    assert most or interval == "year"  # of which none is over


def test_figures_are_read(history):
    """Their numbers are those of the rows in the table, and have no users."""
    Figure.objects.update(value=WRONG)
    found = series_of(START, None, interval="day", window=None, tz=ZoneInfo("UTC"), **EVERYONE)
    *known, today = found.values
    assert set(known) == {WRONG}
    assert len(found.users(-1)) == today < WRONG
    with pytest.raises(LookupError, match="have not been read"):
        found.users(0)
    found = growth_of(START, None, interval="day", tz=ZoneInfo("UTC"), **EVERYONE)
    assert {each.new for each in found.periods[:-1]} == {WRONG}
    assert len(found.users(-1)) == found.periods[-1].active
    with pytest.raises(LookupError, match="have not been read"):
        found.users(-2)


@pytest.mark.parametrize("window", [7, "wau", 28, 30, "mau"])
def test_trailing_figures_are_read(history, window):
    Figure.objects.update(value=WRONG)
    found = series_of(START, None, interval="day", window=window, tz=ZoneInfo("UTC"), **EVERYONE)
    assert set(found.values[:-1]) == {WRONG}


@pytest.mark.parametrize("group", [{"users": [1, 2]}, {"by": {"some": [1, 2]}}])
def test_figures_are_of_everyone_only(history, group):
    group = {name: _keys(value) for name, value in group.items()}
    expected = list(asked(**group))
    Figure.objects.update(value=WRONG)
    assert list(asked(**group)) == expected


def _keys(value):
    if isinstance(value, dict):
        return {name: _keys(numbers) for name, numbers in value.items()}
    return [pk_of(number) for number in value]


@pytest.mark.parametrize(
    "asked", [{"interval": "week"}, {"zone": "Europe/Paris"}, {"metric": "stickiness of cats"}]
)
def test_what_is_not_published_costs_nothing(history, settings, asked):
    settings.SOUVENIRS_PUBLISH = {"intervals": ["day"], "time_zones": ["UTC"]}
    with patch.object(OrmStore, "digested", side_effect=AssertionError):
        assert not read(**asked)


@pytest.mark.parametrize("publish", [None, {"intervals": ["fortnight"]}, {"intervals": ["month"]}])
def test_what_is_no_longer_published_is_not_read(history, settings, publish):
    settings.SOUVENIRS_PUBLISH = publish
    assert not read()


def test_few_periods_are_computed(history, monkeypatch):
    expected = len(read())
    monkeypatch.setattr(reading, "FEWEST", expected)
    assert len(read()) == expected > 50
    monkeypatch.setattr(reading, "FEWEST", expected + 1)
    assert not read()


def test_unknown_periods_come_first_and_have_no_number(history):
    first = min(when for _, when in sightings())
    found = read(start=first - 3 * DAY)
    assert found[:3] == [None] * 3
    assert None not in found[3:]
    assert is_true(start=first - 3 * DAY)


@pytest.mark.parametrize("interval", ["day", "month"])
def test_what_the_erasure_of_the_first_user_makes_unknown_has_no_number(leave, interval):
    leave((1, NOW - 150 * DAY), *((2, NOW - days * DAY) for days in range(1, 70)))
    digest()
    publish(interval)
    assert 0 in read(interval, start=None)
    erase_user(pk_of(1))
    assert is_true(interval, start=NOW - 120 * DAY)
    assert 0 not in read(interval, start=NOW - 120 * DAY)


def test_range_that_is_over_is_read_whole(history):
    end = at(2017, 11, 10)
    assert len(read(end=end)) == 50
    assert is_true(end=end)


def test_zone_that_is_no_name_is_computed(history):
    periods = timeline_of(START, None, "day", NOW.tzinfo)
    assert not known_counts(periods, ["active"])


def test_number_unknown_to_a_figure_is_computed(history):
    Figure.objects.filter(first_day=(NOW - 10 * DAY).date()).update(value=None)
    assert len(read()) == 50
    assert is_true()


def test_reading_writes_nothing(history):
    with CaptureQueriesContext(connection) as queries:
        list(asked())
    verbs = {query["sql"].split()[0].strip("(") for query in queries}
    assert verbs <= {"SELECT", "WITH"}, verbs


def marked(leave):
    """Late souvenirs are digested, and the figures that they change are not published again."""
    get_store().add_many([Sighting(pk_of(99), NOW - 30 * DAY)])
    digest()


def undigested(leave):
    """The site's own code has left an older souvenir, and nothing has been digested since."""
    leave((99, NOW - 30 * DAY))


def restored(leave):
    """Digests and figures are from a backup, souvenirs are not."""
    backup = [list(model.objects.all()) for model in (Digest, Figure, FigureLock)]
    get_store().add_many([Sighting(pk_of(99), NOW - 30 * DAY)])
    digest()
    publish()
    for model, rows in zip((Digest, Figure, FigureLock), backup, strict=True):
        model.objects.all().delete()
        model.objects.bulk_create(rows)


def moved(leave):
    """A new version of the time zone database moves the days of UTC."""
    publish(zone="Asia/Tokyo")
    Figure.objects.filter(time_zone="Asia/Tokyo").update(time_zone="UTC")
    lock = FigureLock.objects.get()
    lock.laid_out_for = lock.laid_out_for.replace("Asia/Tokyo", "UTC")
    lock.save()


def final_or_not(table, series, metrics, days, until):
    rows = table.of(series, metrics).values_list("metric", "first_day", "value")
    return {(metric, day): value for metric, day, value in rows}


def pretending(**fields):
    """Ignore something that the store says about digests."""
    digested = OrmStore.digested
    return patch.object(OrmStore, "digested", lambda store: digested(store)._replace(**fields))


#: What makes figures untrue, and how to ignore the condition that keeps them from being read.
CONDITIONS = {
    marked: lambda: patch.object(FigureTable, "final", final_or_not),
    undigested: lambda: pretending(until=None),
    restored: lambda: pretending(agree=True),
    moved: lambda: patch.object(FigureTable, "is_laid_out_for", lambda *arguments: True),
}


@pytest.mark.parametrize("change", CONDITIONS)
def test_condition_is_needed(history, leave, change):
    assert is_true()
    assert len(read()) == 60
    change(leave)
    assert is_true()
    with CONDITIONS[change]():
        assert not is_true()


def test_undigested_souvenir_leaves_what_ended_before(history, leave):
    leave((99, NOW - 30 * DAY))
    assert len(read()) == 30
    leave((99, at(2017, 10, 1)))
    assert len(read()) == 10
    digest()
    assert len(read()) == 10


def test_offset_of_half_an_hour_is_computed_once_anything_is_pruned(history):
    zone = "Asia/Kolkata"
    publish(zone=zone)
    assert len(read(zone=zone)) == 60
    list(Pruner(NOW - 40 * DAY).run())
    assert not read(zone=zone)
    assert is_true(zone=zone)
    with pretending(has_pruned=False):
        assert not is_true(zone=zone)


def test_whole_hours_are_read_after_pruning(history):
    list(Pruner(NOW - 40 * DAY).run())
    assert len(read()) == 60
    assert is_true()


@pytest.mark.parametrize(("after", "expected"), [(3599, 58), (3600, 59)])
def test_figure_of_a_clock_that_is_ahead_is_computed(history, set_now, after, expected):
    """Of the day before, which ended less than an hour ago."""
    set_now(at(2017, 11, 22))
    publish()
    set_now(at(2017, 11, 20) + timedelta(seconds=after))
    start = at(2017, 9, 22)
    assert len(read(start=start)) == expected
    assert is_true(start=start)


def test_what_is_digested_while_figures_are_read_is_in_them(history, leave):
    leave((99, NOW - 30 * DAY))
    final = FigureTable.final

    def digest_first(*arguments):
        digest()
        return final(*arguments)

    with patch.object(FigureTable, "final", digest_first):
        found = list(asked())
    assert found == computed()


def test_figures_read_before_what_is_undigested_miss_somebody(history, leave):
    """The control of the test above."""
    leave((99, NOW - 30 * DAY))
    before = {
        (metric, day): value
        for metric, day, value in Figure.objects.values_list("metric", "first_day", "value")
    }
    digest()
    with patch.object(FigureTable, "final", lambda *arguments: before):
        assert not is_true()


def test_layout_is_read_after_the_figures(history):
    """Whoever publishes with other offsets replaces figures in between."""
    final = FigureTable.final

    def move_first(*arguments):
        Figure.objects.update(value=WRONG)
        FigureLock.objects.update(
            laid_out_for=FigureLock.objects.get().laid_out_for.replace(str(offsets_of("UTC")), "1")
        )
        return final(*arguments)

    with patch.object(FigureTable, "final", move_first):
        assert not read()

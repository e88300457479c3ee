"""Digests of local days: of the site's time zone, and of no use to a wrong answer."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from souvenirs.calendar.grid import (
    DAY_LEVEL,
    HOUR_LEVEL,
    LOCAL_LEVEL,
    LOCAL_LEVELS,
    GridCell,
    cell_of,
    second_of,
)
from souvenirs.calendar.instants import outward
from souvenirs.calendar.localdays import local_level
from souvenirs.control import CorruptDigest, PrunedSpan, erase_user, export_user
from souvenirs.digests import Digester, Pruner, Verifier, status
from souvenirs.digests.folding import rebuild
from souvenirs.digests.layout import lay_out
from souvenirs.digests.refreshing import parts_of, refresh
from souvenirs.models import Digest, Souvenir
from souvenirs.sets import UserSet
from souvenirs.stores import get_store, usable
from tests.conftest import at, pk_of
from tests.digesting import MINUTE, digest, flip_a_bit, naive, put, run

pytestmark = pytest.mark.django_db(transaction=True)

NEW_YORK = ZoneInfo("America/New_York")
DAYS = timedelta(days=1)
HOUR = timedelta(hours=1)

#: With their first day, and a length of buckets in which their days are whole.
PLACES = [
    ("America/New_York", (2025, 10, 29), 3_600),  # clocks go back on 2 November
    ("America/New_York", (2025, 3, 6), 900),  # and forward on the 9th
    ("Asia/Kolkata", (2025, 1, 29), 1_800),
    ("Asia/Kathmandu", (2025, 2, 26), 900),
    ("Australia/Lord_Howe", (2025, 4, 3), 1_800),  # by half an hour
    ("Europe/London", (2025, 10, 20), 3_600),
    ("Pacific/Apia", (2011, 12, 27), 3_600),  # the 30th was skipped
]


@pytest.fixture
def new_york(settings):
    settings.TIME_ZONE = "America/New_York"


@pytest.fixture
def kolkata(settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    settings.SOUVENIRS_BUCKET_SECONDS = 1_800


def midnight(*date, zone=NEW_YORK):
    return datetime(*date, tzinfo=zone).astimezone(UTC)


#: A local day in the middle of a month, and one that crosses its end.
DAY = midnight(2025, 2, 10), midnight(2025, 2, 11)
LAST = midnight(2025, 1, 31), midnight(2025, 2, 1)


def local_rows(**conditions):
    rows = Digest.objects.filter(level__gt=LOCAL_LEVEL, **conditions)
    return rows.order_by("start")


def row_of(start, end):
    return local_rows().get(
        start=second_of(start), level=local_level(second_of(end) - second_of(start))
    )


def counts(*ranges):
    return get_store().count_each(ranges).counts


def assert_right(rows, ranges):
    expected = [naive(rows, *each) for each in ranges]
    assert [set(users) for users in get_store().users_each(ranges)] == expected
    assert counts(*ranges) == list(map(len, expected))


def assert_verified():
    assert [each.differences for each in Verifier().run() if each.differences] == []


# Which there are


def local_ranges(zone, first, days=7):
    """Local days, runs of them, and moments that are no midnight."""
    start = datetime(*first)
    bounds = [(start + n * DAYS).replace(tzinfo=zone).astimezone(UTC) for n in range(days + 1)]
    runs = [(bounds[one], bounds[other]) for one in range(days) for other in range(one + 1, days)]
    odd = [(begin + 90 * MINUTE, end - 11 * MINUTE) for begin, end in runs]
    return runs + [(begin, end) for begin, end in odd if begin < end]


def history(first, seed, count=250, days=7):
    chance = random.Random(seed)
    start = at(*first)
    minutes = range(-24 * 60, (days + 1) * 24 * 60)
    return [
        (chance.randrange(1, 15), start + chance.choice(minutes) * MINUTE) for _ in range(count)
    ]


@pytest.mark.parametrize(("name", "first", "bucket"), PLACES)
def test_counts_are_those_of_the_souvenirs(leave, settings, name, first, bucket):
    settings.TIME_ZONE, settings.SOUVENIRS_BUCKET_SECONDS = name, bucket
    zone = ZoneInfo(name)
    ranges = local_ranges(zone, first)
    rows = history(first, 1)
    leave(*rows)
    assert_right(rows, ranges)
    digest()
    assert local_rows(is_stale=False).count() > 5
    assert_right(rows, ranges)
    late = history(first, 2, 40)
    leave(*late)
    assert_right(rows + late, ranges)
    list(Digester().fold())
    assert local_rows(is_stale=True).exists()
    assert_right(rows + late, ranges)
    digest()
    assert_verified()
    assert_right(rows + late, ranges)
    list(Pruner(at(*first) + 4 * DAYS).run())
    whole = [each for each in ranges if not any(second_of(edge) % bucket for edge in each)]
    assert_right(rows + late, whole)


def test_local_day_is_read_instead_of_its_buckets(leave, new_york):
    leave(*((user, DAY[0] + user * HOUR) for user in range(1, 20)))
    digest()
    put(row_of(*DAY), 1, 2, 3)
    assert counts(DAY) == [3]
    assert counts((DAY[0], DAY[1] + HOUR)) == [3]


def test_local_day_at_the_end_of_a_month_is_kept_in_two_parts(leave, new_york):
    leave(*((hour + 1, LAST[0] + hour * HOUR) for hour in range(24)))
    digest()
    within = local_rows(start__gte=second_of(LAST[0]), start__lt=second_of(LAST[1]))
    assert [(row.cell.start, row.cell.end) for row in within] == [
        (second_of(LAST[0]), second_of(at(2025, 2, 1))),
        (second_of(at(2025, 2, 1)), second_of(LAST[1])),
    ]
    Digest.objects.filter(level=HOUR_LEVEL).delete()
    assert counts(LAST) == [24]


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Africa/Abidjan"])
def test_where_days_are_those_of_utc_nothing_is_kept(leave, settings, zone):
    settings.TIME_ZONE = zone
    leave(*history((2025, 1, 1), 3))
    digest()
    assert not local_rows().exists()


def test_without_use_tz_days_are_those_of_time_zone(leave, settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    rows = [(1, DAY[0]), (2, DAY[1] - MINUTE), (3, DAY[1])]
    leave(*((user, outward(when)) for user, when in rows))
    digest()
    assert row_of(*DAY).count == 2
    assert counts(DAY) == [2]


def test_day_that_is_not_over_is_not_kept_yet(leave, new_york, set_now, monkeypatch):
    monkeypatch.setattr("souvenirs.digests.layout.time", lambda: second_of(DAY[1]) - 1)
    leave((1, DAY[0]), (2, DAY[0] - HOUR))
    digest()
    assert [row.cell.end for row in local_rows()] == [second_of(DAY[0])]
    monkeypatch.setattr("souvenirs.digests.layout.time", lambda: second_of(DAY[1]))
    digest()
    assert row_of(*DAY).count == 1


def test_local_day_without_users_is_kept_as_an_empty_set(leave, new_york):
    """Else each run would look for its buckets again."""
    leave((1, DAY[0] + 20 * HOUR))
    digest()
    assert [row.count for row in local_rows()] == [1, 0]
    before = list(Digest.objects.order_by("pk").values())
    digest()
    assert list(Digest.objects.order_by("pk").values()) == before
    leave((2, DAY[1]))
    digest()
    assert [row.count for row in local_rows()] == [1, 1]
    assert counts((DAY[1], DAY[1] + DAYS)) == [1]


def test_another_kind_has_local_days_too(leave, new_york):
    leave((1, DAY[0]))
    store = get_store("registered")
    bucket, day = (cell_of(level, second_of(DAY[0])) for level in (HOUR_LEVEL, DAY_LEVEL))
    with store.digests.locked(day):
        [row] = store.digests.buckets([bucket]).values()
        row.put(UserSet.from_ids([1, 2]))
        store.digests.create([row])
        store.digests.mark_stale([day])
    digest()
    assert local_rows(kind="registered", is_stale=False, count=2).exists()
    assert store.count_each([DAY]).counts == [2]
    assert_verified()


# When they are stale


@pytest.fixture
def digested(leave, new_york):
    leave((1, DAY[0]), (2, DAY[1] - MINUTE), (1, LAST[0]), (3, LAST[1] - MINUTE), (4, DAY[1]))
    digest()
    assert not local_rows(is_stale=True).exists()


def test_new_souvenir_marks_its_local_day_only(leave, digested):
    leave((5, DAY[1] - HOUR))
    list(Digester().fold())
    assert [row.cell.end for row in local_rows(is_stale=True)] == [second_of(DAY[1])]
    assert counts(DAY) == [3]
    digest()
    assert row_of(*DAY).count == 3


def test_souvenir_that_changes_no_digest_marks_nothing(leave, digested):
    leave((2, DAY[1] - MINUTE))
    list(Digester().fold())
    assert not local_rows(is_stale=True).exists()


def test_local_days_of_another_time_zone_are_marked_too(leave, digested, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    leave((5, DAY[1] - HOUR))
    list(Digester().fold())
    assert [row.cell.end for row in local_rows(is_stale=True)] == [second_of(DAY[1])]
    assert counts(DAY) == [3]


def test_rebuilding_marks_the_local_days_of_the_day(digested):
    Souvenir.objects.filter(when=DAY[0]).delete()
    rebuild(cell_of(DAY_LEVEL, second_of(DAY[0])))
    stale = [row.cell.start for row in local_rows(is_stale=True)]
    assert stale == [second_of(DAY[0] - DAYS), second_of(DAY[0])]
    assert counts(DAY) == [1]


def test_erased_user_is_not_in_a_local_day(digested):
    erase_user(pk_of(1))
    assert row_of(*DAY).count == 1
    assert counts(DAY, LAST) == [1, 1]
    assert_verified()
    digest()
    assert_verified()


def test_pruning_changes_no_local_day(digested):
    before = list(local_rows().values())
    list(Pruner(DAY[1] + DAYS).run())
    assert list(local_rows().values()) == before
    assert counts(DAY, LAST) == [2, 2]
    flip_a_bit(row_of(*DAY))
    assert counts(DAY, LAST) == [2, 2]


def test_exported_with_its_name(digested):
    levels = [each["level"] for each in export_user(pk_of(4))["digests"]]
    assert sorted(levels) == ["bucket", "day", "local day", "month"]


# When they are damaged


def test_corrupt_local_day_is_read_from_its_buckets_and_rebuilt(digested, caplog):
    flip_a_bit(row_of(*DAY))
    assert counts((DAY[0], DAY[1] + HOUR)) == [3]
    assert "Until digest_souvenirs --rebuild, it is not used." in caplog.text
    [found] = [each for each in Verifier().run() if each.differences]
    assert found.cell == row_of(*DAY).cell
    run("digest_souvenirs", "--rebuild")
    assert_verified()


def test_corrupt_bucket_leaves_its_local_day_stale(leave, digested):
    leave((5, DAY[1] - HOUR))
    list(Digester().fold())
    bucket = Digest.objects.get(level=HOUR_LEVEL, start=second_of(DAY[0]))
    flip_a_bit(bucket)
    digester = Digester()
    list(digester.run())
    assert row_of(*DAY).is_stale
    assert str(row_of(*DAY).cell) in digester.failed


def test_bucket_that_is_gone_leaves_its_local_day_stale(digested):
    local_rows().update(is_stale=True, checksum=0)
    Digest.objects.filter(level=HOUR_LEVEL, start=second_of(DAY[0])).delete()
    cell = row_of(*DAY).cell
    assert refresh([cell], get_store().digests) == [cell]
    with pytest.raises(CorruptDigest):
        list(parts_of(cell, get_store().digests))


def test_local_day_of_a_length_that_does_not_exist_is_deleted(digested):
    local_rows(start=second_of(DAY[0])).update(level=row_of(*DAY).level + 1)
    assert counts(DAY) == [2]
    digest()
    assert row_of(*DAY).count == 2
    assert all(row.level in LOCAL_LEVELS for row in local_rows())


def test_local_day_deleted_while_it_is_read_is_no_fault(digested, monkeypatch, caplog):
    """As by a process that has another time zone."""
    catalog = usable.catalog

    def then_deleted(*arguments):
        found = catalog(*arguments)
        local_rows().delete()
        return found

    monkeypatch.setattr(usable, "catalog", then_deleted)
    assert [len(users) for users in get_store().users_each([DAY, LAST])] == [2, 2]
    assert not caplog.text


# When a setting changes


def test_new_time_zone_replaces_the_local_days(digested, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    assert counts(DAY, LAST) == [2, 2]
    digest()
    tokyo = ZoneInfo("Asia/Tokyo")
    starts = {midnight(2025, 2, day, zone=tokyo) for day in (10, 11)}
    assert {second_of(start) for start in starts} <= {row.start for row in local_rows()}
    assert second_of(DAY[0]) not in {row.start for row in local_rows()}
    assert counts(DAY, LAST) == [2, 2]
    settings.TIME_ZONE = "UTC"
    digest()
    assert not local_rows().exists()
    assert counts(DAY, LAST) == [2, 2]


def test_only_the_local_days_asked_for_are_laid_out(digested, settings):
    settings.TIME_ZONE = "UTC"
    lay_out(get_store().digests, None, DAY[0])
    assert [row.start for row in local_rows()] == [second_of(DAY[0]), second_of(DAY[1])]
    settings.TIME_ZONE = "America/New_York"
    lay_out(get_store().digests, at(2025, 2, 1), None)
    assert second_of(LAST[0]) not in {row.start for row in local_rows()}


def test_overlapping_local_days_of_two_zones_are_refreshed_together(leave, digested):
    tokyo = GridCell(local_level(DAY_LEVEL), second_of(DAY[0]) + 10 * HOUR_LEVEL)
    digests = get_store().digests
    digests.create([digests.new(tokyo)])
    local_rows().update(is_stale=True, checksum=0)
    list(Digester().refresh())
    assert_verified()
    assert counts(DAY, (DAY[1] - 14 * HOUR, DAY[1] + 10 * HOUR)) == [2, 2]


KOLKATA = ZoneInfo("Asia/Kolkata")
THERE = midnight(2025, 2, 10, zone=KOLKATA), midnight(2025, 2, 11, zone=KOLKATA)


def test_longer_buckets_than_the_setting_are_not_split(leave, kolkata, settings):
    """As they are from before the setting was changed."""
    settings.SOUVENIRS_BUCKET_SECONDS = 3_600
    rows = [(1, THERE[0] - MINUTE), (2, THERE[0]), (3, THERE[1] - MINUTE), (4, THERE[1])]
    leave(*rows)
    digest()
    settings.SOUVENIRS_BUCKET_SECONDS = 1_800
    assert_right(rows, [THERE])
    late = [(5, THERE[1] - MINUTE), (6, THERE[1] + 9 * DAYS), (7, THERE[1] - HOUR)]
    leave(*late)
    assert_right(rows + late, [THERE])
    digest()
    starts = [row.cell.start for row in local_rows()]
    assert second_of(THERE[0]) not in starts
    assert second_of(THERE[0] + 9 * DAYS) in starts
    assert_right(rows + late, [THERE, (THERE[0], THERE[1] + 9 * DAYS)])
    list(Pruner(THERE[1] + DAYS).run())
    with pytest.raises(PrunedSpan):
        counts(THERE)


def test_local_day_that_has_come_to_split_a_bucket_is_deleted(leave, kolkata, settings):
    """As by a process that has the old setting."""
    rows = [(1, THERE[0] - MINUTE), (2, THERE[0])]
    leave(*rows)
    digest()
    assert row_of(*THERE).count == 1
    settings.SOUVENIRS_BUCKET_SECONDS = 3_600
    late = [(3, THERE[0] - MINUTE), (4, THERE[0]), (5, THERE[1] - MINUTE)]
    leave(*late)
    list(Digester().fold())
    assert local_rows(start=second_of(THERE[0]), is_stale=True).exists()
    settings.SOUVENIRS_BUCKET_SECONDS = 1_800
    assert_right(rows + late, [THERE])
    list(Digester().refresh())
    assert not local_rows(start=second_of(THERE[0])).exists()
    assert_right(rows + late, [THERE])


def test_longer_bucket_that_is_gone_is_noticed_where_it_would_be_split(leave, kolkata, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 3_600
    rows = [(1, THERE[0] - MINUTE), (2, THERE[0]), (3, THERE[0] + 4 * HOUR)]
    leave(*rows)
    digest()
    settings.SOUVENIRS_BUCKET_SECONDS = 1_800
    Digest.objects.filter(level=HOUR_LEVEL).order_by("start").first().delete()
    assert_right(rows, [THERE])


def test_ranges_on_buckets_take_no_souvenirs_at_their_ends(leave, kolkata):
    """Whatever is in them: it is in the digests."""
    leave((1, THERE[0]), (2, THERE[0] + MINUTE), (3, THERE[1]))
    digest()
    Souvenir.objects.filter(seal=None).update(user_id=pk_of(9))
    assert get_store().users_each([THERE]) == [{pk_of(1), pk_of(2)}]


# How they are shown


def test_status_has_their_number_and_size(digested):
    [level] = [level for level in status().levels if level.level == LOCAL_LEVEL]
    assert (level.name, level.rows, level.stale, level.members) == ("local day", 7, 0, 5)
    assert level.size == sum(len(row.body) for row in local_rows())
    assert "\nlocal day " in run("digest_souvenirs", "--status")


def test_command_says_how_many_were_rebuilt_and_verified(leave, new_york):
    leave((1, DAY[0]), (2, DAY[1] - MINUTE))
    plan = run("digest_souvenirs", "--dry-run")
    assert "rebuild 2 daily, 3 local daily and 1 monthly digest." in plan
    assert "rebuilt 2 daily, 3 local daily and 1 monthly digest." in run("digest_souvenirs")
    assert run("digest_souvenirs", "--verify").startswith("Verified 2 daily, 3 local daily and 1 ")

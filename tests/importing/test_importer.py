from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models

from souvenirs.control import souvenez
from souvenirs.importing.importer import Importer, Stopped
from souvenirs.importing.lines import BadLine, Record, Unreadable
from souvenirs.models import Souvenir
from tests.conftest import INSTANT, at, build_user, fewer_where_brief, pk_of

pytestmark = pytest.mark.django_db

NINE = at(2016, 1, 4, 9)
HOUR = timedelta(hours=1)
MODULE = "souvenirs.importing.importer"
USERS = "souvenirs.importing.users"


@pytest.fixture(autouse=True)
def users(db):
    get_user_model().objects.bulk_create(build_user(number) for number in range(1, 41))


def record(number, when=NINE):
    return Record(str(pk_of(number)), when)


def numbered(entries):
    return enumerate(entries, 1)


def run(*entries, lookup="pk", **options):
    """Import entries and return the summary."""
    with closing(Importer(**{"window": 3600, **options})) as importer:
        for _ in importer.run("file, line", numbered(entries), lookup):
            pass
        return importer.summary


def rows():
    return sorted(Souvenir.objects.values_list("user_id", "when"), key=str)


def expected(*sightings):
    return sorted(((pk_of(number), when) for number, when in sightings), key=str)


def outcome(summary):
    return summary.read, summary.added, summary.repeated, dict(summary.skipped)


def random_records(seed, count=400, users=8, hours=30):
    chance = random.Random(seed)
    return [
        record(chance.randint(1, users), NINE + timedelta(seconds=chance.randint(0, hours * 3600)))
        for _ in range(count)
    ]


def by_brute_force(records, seconds):
    """Return the users and windows that get a souvenir."""
    return {(user, when.timestamp() // seconds) for user, when in records}


# One souvenir per user and window


@pytest.mark.parametrize(
    ("second", "added"),
    [(NINE, 1), (NINE + HOUR - INSTANT, 1), (NINE + HOUR, 2), (NINE - INSTANT, 2)],
)
def test_a_user_leaves_one_souvenir_in_a_window(second, added):
    assert run(record(1), record(1, second)).added == added


def test_every_user_leaves_one():
    run(record(1), record(2), record(1))
    assert rows() == expected((1, NINE), (2, NINE))


@pytest.mark.parametrize("seconds", fewer_where_brief([0, 900, 3600, 5400, 86_400], kept=[0, 3600]))
def test_an_import_in_order_leaves_what_live_recording_leaves(seconds, settings):
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a cache that hangs
    records = sorted(random_records(seed=0), key=lambda each: each.when)
    run(*records, window=seconds)
    imported = rows()
    Souvenir.objects.all().delete()
    for user, when in records:
        souvenez(user, when, ratelimit=seconds, check_duplicate=True)
    assert rows() == imported


def test_the_earliest_sighting_of_a_batch_is_kept():
    run(record(1, NINE + 2 * INSTANT), record(1), record(1, NINE + INSTANT))
    assert rows() == expected((1, NINE))


def test_existing_souvenirs_are_not_changed(leave):
    leave((1, NINE + HOUR / 2))
    summary = run(record(1), record(1, NINE + HOUR), record(2))
    assert outcome(summary) == (3, 2, 1, {})
    assert rows() == expected((1, NINE + HOUR / 2), (1, NINE + HOUR), (2, NINE))


@pytest.mark.parametrize(
    ("when", "added"),
    [(NINE - INSTANT, 1), (NINE, 0), (NINE + HOUR - INSTANT, 0), (NINE + HOUR, 1)],
)
def test_a_souvenir_fills_its_window_and_no_other(leave, when, added):
    leave((1, when))
    assert run(record(1, NINE + HOUR / 2)).added == added


def test_a_window_of_length_0_keeps_every_distinct_time(leave):
    leave((1, NINE))
    moments = [NINE, NINE + INSTANT, NINE + INSTANT, NINE + 2 * INSTANT]
    summary = run(*(record(1, when) for when in moments), window=0)
    assert outcome(summary) == (4, 2, 2, {})
    assert rows() == expected(*((1, NINE + n * INSTANT) for n in range(3)))


@pytest.mark.parametrize("seconds", fewer_where_brief([1, 900, 3600, 86_400], kept=[900]))
@pytest.mark.parametrize("batch", fewer_where_brief([1, 7, 100, 5_000], kept=[7, 5_000]))
def test_the_order_and_the_batches_make_no_difference(monkeypatch, seconds, batch):
    monkeypatch.setattr(f"{MODULE}.BATCH", batch)
    records = random_records(seed=batch + seconds)
    summary = run(*records, window=seconds)
    windows = by_brute_force(records, seconds)
    assert outcome(summary) == (400, len(windows), 400 - len(windows), {})
    left = [(str(user), when.timestamp() // seconds) for user, when in rows()]
    assert Counter(left) == Counter(windows)


@pytest.mark.parametrize("window", [0, 0.1, 0.3, 1e-9, 900.5, 3600, 10**9, 10**12, 8.6e13])
def test_a_second_run_adds_nothing(window):
    records = [
        *random_records(seed=1, count=100),
        *(record(1, NINE + timedelta(microseconds=n * 99_999)) for n in range(200)),
        record(1, at(1960, 1, 1)),
        record(1, at(1000, 1, 1)),
    ]
    first, second = run(*records, window=window), run(*records, window=window)
    assert first.added > 0
    assert (second.added, second.repeated) == (0, len(records))


def test_a_second_run_adds_nothing_without_time_zones(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    records = random_records(seed=2)
    assert run(*records).added == len(by_brute_force(records, 3600))
    assert run(*records).added == 0


def test_a_window_longer_than_the_calendar_works_without_time_zones(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    records = [record(1), record(1, at(1000, 1, 2)), record(1, at(1969, 1, 1))]
    assert [run(*records, window=8.6e13).added for _ in range(2)] == [2, 0]


@pytest.mark.parametrize("remembered", [0, 1, 10, 100])
def test_forgotten_users_and_windows_are_looked_up_again(monkeypatch, remembered):
    monkeypatch.setattr(f"{MODULE}.BATCH", 10)
    monkeypatch.setattr(f"{MODULE}.REMEMBERED", remembered)
    monkeypatch.setattr(f"{USERS}.REMEMBERED", remembered)
    records = random_records(seed=3)
    unknown = [Record("nobody", NINE)] * 20
    summary = run(*chain.from_iterable(zip(records, unknown, strict=False)), *records)
    assert outcome(summary) == (
        440,
        len(by_brute_force(records, 3600)),
        420 - len(by_brute_force(records, 3600)),
        {"unknown user": 20},
    )


def test_an_interrupted_run_is_continued_by_the_next(monkeypatch):
    monkeypatch.setattr(f"{MODULE}.BATCH", 50)
    records = random_records(seed=4)
    stopping = Importer(3600).run("file, line", numbered(records))
    next(stopping), next(stopping)
    stopping.close()
    assert 0 < Souvenir.objects.count() < len(by_brute_force(records, 3600))
    run(*records)
    continued = rows()
    Souvenir.objects.all().delete()
    run(*records)
    assert rows() == continued


def test_repeated_lines_of_an_hour_are_looked_up_once(django_assert_num_queries):
    importer = Importer(3600)
    next(importer.run("file, line", numbered([record(1)])))
    with django_assert_num_queries(0):
        next(importer.run("file, line", numbered([record(1), record(1, NINE + HOUR / 2)])))


# Whose and when


def test_a_line_without_a_user_is_skipped():
    assert outcome(run(Record(None, NINE), record(1))) == (2, 1, 0, {"no user": 1})


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "999999",
        "-1",
        "9" * 19,
        "9" * 30,
        "-" + "9" * 30,
        "9" * 5000,
        "00000000-0000-0000-0000-00000000ffff",
        "a\0b",
        "\ud800",
        "\U0001f30d" * 200,
        "' OR 1=1 --",
        "%s",
    ],
)
def test_an_unknown_user_is_skipped(name):
    summary = run(Record(name, NINE), record(1))
    assert outcome(summary) == (2, 1, 0, {"unknown user": 1})


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "\U0001f30d", "x" * 10_000])
def test_a_name_that_the_field_cannot_hold_is_skipped(name):
    lookup = get_user_model().USERNAME_FIELD
    assert outcome(run(Record(name, NINE), lookup=lookup)) == (1, 0, 0, {"unknown user": 1})


def test_users_may_be_identified_by_another_field(make_user):
    lookup = get_user_model().USERNAME_FIELD
    ann = make_user(100, **({} if lookup == "code" else {lookup: "ann"}))
    summary = run(Record(ann.get_username(), NINE), record(1), lookup=lookup)
    assert summary.added == 1 + (lookup == "code")
    assert (ann.pk, NINE) in rows()


def test_names_are_told_apart_by_case_on_every_database(make_user):
    lookup = get_user_model().USERNAME_FIELD
    make_user(100, **({"pk": "ann"} if lookup == "code" else {lookup: "ann"}))
    names = ["ann", "ANN", "Ann"]
    summary = run(*(Record(name, NINE) for name in names), lookup=lookup)
    assert outcome(summary) == (3, 1, 0, {"unknown user": 2})


def test_a_name_of_several_users_is_skipped(make_user):
    """There is no telling which of them it was."""
    for number in (101, 102, 103):
        make_user(number, password="same")
    make_user(104, password="other")
    same, other = Record("same", NINE), Record("other", NINE)
    summary = run(same, other, same, lookup="password")
    assert outcome(summary) == (3, 1, 0, {"several users with this name": 2})
    assert list(summary.examples["several users with this name"].values()) == [
        "file, line 1: several users with this name 'same'."
    ]
    assert rows() == expected((104, NINE))


def test_a_key_may_be_written_in_several_ways():
    integers = isinstance(get_user_model()._meta.pk, models.IntegerField)
    ways = ["7", "007", "+7", "7.0", "7.00"] if integers else [str(pk_of(7))] * 5
    summary = run(*(Record(name, NINE + n * HOUR) for n, name in enumerate(ways)))
    assert outcome(summary) == (5, 5, 0, {})


def test_a_name_as_written_comes_before_what_it_may_stand_for(make_user):
    for number, password in enumerate(["a%40b", "a@b", "c@d", "-", "e f", "e f"], 101):
        make_user(number, password=password)
    names = ["a%40b", '"a%40b"', "a@b", "c%40d", "c@d", "-", '""', "NULL", "e+f", "%65"]
    summary = run(
        *(Record(name, NINE + n * HOUR) for n, name in enumerate(names)), lookup="password"
    )
    assert rows() == expected(
        (101, NINE),
        (101, NINE + HOUR),
        (102, NINE + 2 * HOUR),
        (103, NINE + 3 * HOUR),
        (103, NINE + 4 * HOUR),
        (104, NINE + 5 * HOUR),
    )
    assert summary.skipped == {
        "no user": 2,
        "several users with this name": 1,
        "unknown user": 1,
    }


@pytest.mark.parametrize(
    ("when", "added"),
    [
        (NINE - INSTANT, 0),
        (NINE, 1),
        (NINE + HOUR - INSTANT, 1),
        (NINE + HOUR, 0),
    ],
)
def test_after_and_before_are_half_open(when, added):
    summary = run(record(1, when), after=NINE, before=NINE + HOUR)
    skipped = {} if added else {"outside --after and --before": 1}
    assert outcome(summary) == (1, added, 0, skipped)


def test_after_and_before_can_be_used_alone():
    assert run(record(1), record(1, NINE + HOUR), after=NINE + HOUR).added == 1
    assert run(record(2), record(2, NINE + HOUR), before=NINE + HOUR).added == 1


@pytest.mark.parametrize(("ahead", "added"), [(30, 1), (3600, 0), (10**10, 0)])
def test_sightings_in_the_future_are_skipped(ahead, added):
    summary = run(record(1, datetime.now(UTC) + timedelta(seconds=ahead)))
    assert outcome(summary) == (1, added, 0, {} if added else {"in the future": 1})


# Bad lines


def test_bad_lines_are_counted_and_reported():
    summary = run(BadLine("no time"), record(1), BadLine("not CSV"))
    assert outcome(summary) == (3, 1, 0, {"bad line": 2})
    assert summary.examples == {
        "bad line": {1: "file, line 1: no time.", 3: "file, line 3: not CSV."}
    }


def test_only_the_first_bad_lines_are_reported():
    summary = run(*[BadLine("no time")] * 11)
    assert (summary.skipped["bad line"], len(summary.examples["bad line"])) == (11, 10)


def test_the_first_different_unknown_names_are_reported():
    names = ["nobody", "nobody", "-", "x" * 101, *map(str, range(900, 920))]
    summary = run(*(Record(name, NINE) for name in names))
    shown = list(summary.examples["unknown user"].values())
    assert shown[:2] == [
        "file, line 1: unknown user 'nobody'.",
        f"file, line 4: unknown user '{'x' * 100}'.",
    ]
    assert len(shown) == 10
    assert summary.skipped == {"unknown user": 23, "no user": 1}


@pytest.mark.parametrize("batch", [1, 2, 3, 5_000])
def test_a_strict_import_stops_at_the_first_bad_line(monkeypatch, batch):
    """The lines before it are imported, those after it are not."""
    monkeypatch.setattr(f"{MODULE}.BATCH", batch)
    entries = [record(1), record(2), BadLine("no time"), record(3), BadLine("no time")]
    with pytest.raises(Stopped, match=r"^file, line 3: no time\.$"):
        run(*entries, strict=True)
    assert rows() == expected((1, NINE), (2, NINE))


@pytest.mark.parametrize("batch", [1, 2, 3, 5_000])
def test_an_import_stops_at_an_unreadable_line(monkeypatch, batch):
    monkeypatch.setattr(f"{MODULE}.BATCH", batch)
    with pytest.raises(Stopped, match=r"^file, line 4: torn\.$"):
        run(record(1), BadLine("no time"), record(2), Unreadable("torn"))
    assert rows() == expected((1, NINE), (2, NINE))


# Dry runs


@pytest.mark.parametrize("batch", fewer_where_brief([1, 10, 5_000], kept=[10]))
@pytest.mark.parametrize("window", fewer_where_brief([0, 3600], kept=[3600]))
def test_a_dry_run_reports_what_a_real_run_does(monkeypatch, leave, batch, window):
    """Also for windows that occur in several batches or already have a souvenir."""
    monkeypatch.setattr(f"{MODULE}.BATCH", batch)
    monkeypatch.setattr(f"{MODULE}.REMEMBERED", 5)
    monkeypatch.setattr(f"{USERS}.REMEMBERED", 5)
    leave(*((number, NINE + HOUR / 2) for number in range(1, 5)))
    records = [*random_records(seed=5), Record(None, NINE), Record("nobody", NINE), BadLine("")]
    dry = run(*records, window=window, dry_run=True)
    assert dry == run(*records, window=window)


def test_a_dry_run_writes_nothing(leave):
    leave((1, NINE))
    run(record(1, NINE + HOUR), record(2), dry_run=True)
    assert rows() == expected((1, NINE))


def test_a_dry_run_remembers_earlier_files(monkeypatch):
    monkeypatch.setattr(f"{MODULE}.REMEMBERED", 0)
    monkeypatch.setattr(f"{USERS}.REMEMBERED", 0)
    files = [record(1), record(2)], [record(1), record(3)], [record(2), record(3)]
    with closing(Importer(3600, dry_run=True)) as importer:
        added = [next(importer.run("file, line", numbered(entries))).added for entries in files]
    assert added == [2, 1, 0]


# Many lines


def memory_of(lines):
    """Return the peak memory of an import of lines that each have a window of their own.

    Every other one has a new unknown user.
    """
    entries = (
        Record(f"nobody {n}", NINE) if n % 2 else record(n % 40 + 1, NINE + n * HOUR / 9)
        for n in range(lines)
    )
    tracemalloc.start()
    with closing(Importer(3600, dry_run=True)) as importer:
        for _ in importer.run("file, line", numbered(entries)):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.thorough
@pytest.mark.above_the_store
def test_memory_does_not_grow_with_the_number_of_lines(monkeypatch):
    monkeypatch.setattr(f"{MODULE}.BATCH", 200)
    monkeypatch.setattr(f"{MODULE}.REMEMBERED", 500)
    monkeypatch.setattr(f"{USERS}.REMEMBERED", 500)
    memory_of(2_000)
    few, many = memory_of(5_000), memory_of(30_000)
    assert many < few + 1_000_000


def test_memory_does_not_grow_under_debug(settings, monkeypatch):
    """Django keeps the last queries then, and ours are long."""
    settings.DEBUG = True
    monkeypatch.setattr(f"{MODULE}.BATCH", 10)
    run(*random_records(seed=6, count=100))
    assert len(connection.queries_log) == 0

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL
from souvenirs.control import CorruptDigest, active_users, count_active_users, erase_user
from souvenirs.digests import digester as digesting
from souvenirs.digests.status import status
from souvenirs.models import Digest, Souvenir
from tests.conftest import at, pk_of
from tests.digesting import (
    MINUTE,
    bucket_of,
    day_of,
    digest,
    flip_a_bit,
    month_of,
    naive,
    ranges,
    run,
    sightings,
)

pytestmark = pytest.mark.django_db(transaction=True)

NINE = at(2025, 3, 31, 9)
NEXT_DAY = at(2025, 4, 1, 9)


@pytest.fixture
def two_days(leave):
    leave((1, NINE), (2, NINE), (1, NEXT_DAY))


def refusal(*arguments, command="digest_souvenirs"):
    out = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command(command, *arguments, stdout=out, stderr=StringIO())
    assert "\n" not in str(refused.value)
    return str(refused.value), out.getvalue()


def undigested():
    return Souvenir.objects.filter(digested=False).count()


@pytest.mark.usefixtures("two_days")
def test_everything_is_digested():
    assert (
        run("digest_souvenirs") == "Digested 3 souvenirs, rebuilt 2 daily and 2 monthly digests.\n"
    )
    assert undigested() == 0


@pytest.mark.usefixtures("two_days")
def test_second_run_has_nothing_to_do():
    run("digest_souvenirs")
    assert (
        run("digest_souvenirs") == "Digested 0 souvenirs, rebuilt 0 daily and 0 monthly digests.\n"
    )


def test_empty_site_has_nothing_to_do():
    assert (
        run("digest_souvenirs") == "Digested 0 souvenirs, rebuilt 0 daily and 0 monthly digests.\n"
    )


@pytest.mark.parametrize("seconds", [3600, 1800, 900])
def test_digesting_changes_no_count(leave, settings, seconds):
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    rows = sightings()
    leave(*rows)
    run("digest_souvenirs")
    for start, end in ranges(grain=420):
        assert active_users(start, end).pks == naive(rows, start, end)


def test_current_day_stays_stale(leave):
    leave((1, timezone.now()))
    assert (
        run("digest_souvenirs") == "Digested 1 souvenir, rebuilt 0 daily and 0 monthly digests.\n"
    )
    assert day_of(timezone.now()).is_stale


@pytest.mark.usefixtures("two_days")
def test_dry_run_reports_what_would_be_done():
    assert run("digest_souvenirs", "--dry-run") == (
        "Would digest 3 souvenirs, rebuild 2 daily and 2 monthly digests.\n"
    )


@pytest.mark.usefixtures("two_days")
def test_dry_run_changes_nothing():
    run("digest_souvenirs", "--dry-run")
    assert (undigested(), Digest.objects.count()) == (3, 0)


@pytest.mark.usefixtures("two_days")
def test_dry_run_reports_digests_that_only_need_rebuilding():
    list(digesting.Digester().fold())
    assert run("digest_souvenirs", "--dry-run") == (
        "Would digest 0 souvenirs, rebuild 2 daily and 2 monthly digests.\n"
    )


def test_dry_run_omits_the_current_day(leave):
    leave((1, timezone.now()))
    assert run("digest_souvenirs", "--dry-run") == (
        "Would digest 1 souvenir, rebuild 0 daily and 0 monthly digests.\n"
    )


@pytest.mark.usefixtures("two_days")
@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--since=2025-03-31 09:00"], 0),
        (["--since=2025-03-31 09:01"], 2),
        (["--until=2025-04-01 09:00"], 1),
        (["--until=2025-04-01 09:01"], 0),
        (["--since=2025-04-01", "--until=2025-04-01"], 3),
        (["--since=2025-03-31 11:00", "--tz=Europe/Paris"], 0),
        (["--since=2025-03-31 11:01", "--tz=Europe/Paris"], 2),
    ],
)
def test_range_chooses_days_by_their_souvenirs(arguments, left):
    run("digest_souvenirs", *arguments)
    assert undigested() == left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--since=2025-02-30"],
            "--since '2025-02-30' is not a date: use a format such as 2016-01-31.",
        ),
        (["--tz=Mars/Phobos"], "Unknown time zone 'Mars/Phobos': use a name like"),
        (
            ["--since=2025-02-01", "--until=2025-01-01"],
            "--since 2025-02-01 00:00:00+00:00 is later",
        ),
        (["--max-seconds=0"], "must be a number greater than 0, not '0'"),
        (["--max-seconds=-1"], "must be a number greater than 0, not '-1'"),
        (["--max-seconds=inf"], "must be a number greater than 0, not 'inf'"),
        (["--max-seconds=nan"], "must be a number greater than 0, not 'nan'"),
        (["--max-seconds=soon"], "must be a number greater than 0, not 'soon'"),
        (["--verify", "--rebuild"], "not allowed with"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    assert message in refusal(*arguments)[0]


@pytest.mark.usefixtures("two_days")
def test_max_seconds_stops_before_the_next_step():
    assert run("digest_souvenirs", "--max-seconds=0.000001") == (
        "Stopped after --max-seconds; the next run continues.\n"
        "Digested 2 souvenirs, rebuilt 0 daily and 0 monthly digests.\n"
    )
    assert undigested() == 1


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the transactions advance: folding by 10 seconds, the others by 0.1."""

    class Clock:
        now = 1_000.0

        def taking(self, seconds, function):
            def slow(*args):
                self.now += seconds
                return function(*args)

            return slow

    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(digesting, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(digesting, "fold", clock.taking(10, digesting.fold))
    monkeypatch.setattr(digesting, "refresh", clock.taking(0.1, digesting.refresh))
    return clock


@pytest.mark.usefixtures("two_days", "clock")
@pytest.mark.parametrize(("seconds", "left"), [(19, 1), (20, 1), (21, 0)])
def test_no_step_begins_that_would_end_after_max_seconds(seconds, left):
    assert "Stopped" in run("digest_souvenirs", f"--max-seconds={seconds}")
    assert undigested() == left


def test_digests_rebuilt_together_take_the_time_of_their_transaction(leave, clock):
    leave((1, NINE), *((1, NEXT_DAY + timedelta(days=days)) for days in range(3)))
    list(digesting.Digester().fold())
    began = clock.now
    # The first day of April, then two days at once, which come without a delay.
    run("digest_souvenirs", "--since=2025-04-01", "--max-seconds=0.25")
    assert clock.now - began == pytest.approx(0.2)


@pytest.mark.usefixtures("two_days")
def test_run_within_max_seconds_does_not_mention_them():
    assert "Stopped" not in run("digest_souvenirs", "--max-seconds=600")


@pytest.mark.usefixtures("two_days")
def test_inside_a_transaction_it_refuses_to_digest():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        run("digest_souvenirs")


@pytest.mark.usefixtures("two_days")
def test_interruption_keeps_complete_steps_only(monkeypatch):
    mark = digesting.fold.__globals__["mark_digested"]
    days = []

    def interrupted(ids, alias):
        days.append(mark(ids, alias))
        if len(days) == 2:
            raise KeyboardInterrupt
        return days[-1]

    monkeypatch.setitem(digesting.fold.__globals__, "mark_digested", interrupted)
    assert refusal() == (
        "Interrupted. Run the command again to continue.",
        "Digested 2 souvenirs, rebuilt 0 daily and 0 monthly digests.\n",
    )
    assert undigested() == 1
    assert active_users(NEXT_DAY, NEXT_DAY + MINUTE).pks == {pk_of(1)}
    assert not Digest.objects.filter(level=3600, start__gte=NEXT_DAY.timestamp()).exists()


@pytest.mark.thorough
@pytest.mark.above_the_store
def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path):
    """A real process, interrupted while it digests many days."""
    database = tmp_path / "db.sqlite3"
    (tmp_path / "own_settings.py").write_text(
        "from tests.settings import *\nfrom tests import servers\n"
        f"DATABASES['default'] = servers.database('sqlite') | {{'NAME': {str(database)!r}}}\n"
        "AUTH_USER_MODEL = 'auth.User'\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "own_settings", "PYTHONPATH": path}
    django = [sys.executable, "-m", "django"]
    subprocess.run([*django, "migrate", "-v0", "--run-syncdb"], env=environment, check=True)
    fill = (
        "import django; django.setup()\n"
        "from datetime import *; from souvenirs.models import Souvenir\n"
        "start = datetime(2000, 1, 1, tzinfo=UTC)\n"
        "Souvenir.objects.bulk_create(Souvenir(user_id=1, when=start + timedelta(days=n))"
        " for n in range(30_000))"
    )
    subprocess.run([sys.executable, "-c", fill], env=environment, check=True)
    with subprocess.Popen(
        [*django, "digest_souvenirs"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite in the background of a script ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_for_digests(database)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (
        130,
        "CommandError: Interrupted. Run the command again to continue.\n",
    )
    assert out.startswith("Digested ")


def wait_for_digests(database):
    import sqlite3

    for _ in range(600):
        time.sleep(0.05)
        connection = sqlite3.connect(database)
        try:
            if connection.execute("SELECT COUNT(*) FROM souvenirs_digest").fetchone()[0] > 5:
                return
        finally:
            connection.close()
    raise AssertionError("nothing was digested")


# What fails


def prune_all():
    run("prune_souvenirs", "--older-than=0")


@pytest.mark.usefixtures("two_days")
def test_corrupt_digest_with_souvenirs_is_rebuilt(leave):
    digest()
    flip_a_bit(bucket_of(NINE))
    leave((3, NINE))
    run("digest_souvenirs")
    assert active_users(NINE, NINE + MINUTE).pks == {pk_of(1), pk_of(2), pk_of(3)}
    assert bucket_of(NINE).count == 3


@pytest.mark.usefixtures("two_days")
def test_corrupt_pruned_digest_is_reported_last(leave):
    digest()
    prune_all()
    flip_a_bit(bucket_of(NINE))
    leave((3, NINE), (3, NEXT_DAY))
    message, out = refusal()
    assert "is corrupt: its checksum does not match" in message
    assert message.endswith("Its souvenirs have been deleted: restore it from a backup.")
    assert out == "Digested 1 souvenir, rebuilt 1 daily and 1 monthly digest.\n"
    assert active_users(NEXT_DAY, NEXT_DAY + 60 * MINUTE).pks == {pk_of(1), pk_of(3)}


@pytest.mark.usefixtures("two_days")
def test_corrupt_pruned_digests_are_counted(leave):
    digest()
    prune_all()
    for when in (NINE, NEXT_DAY):
        flip_a_bit(bucket_of(when))
        leave((3, when))
    assert refusal()[0].endswith("restore it from a backup (1 more like this).")


@pytest.mark.usefixtures("two_days")
def test_counts_never_omit_a_corrupt_pruned_digest(leave):
    digest()
    prune_all()
    flip_a_bit(bucket_of(NINE))
    leave((3, NINE + 60 * MINUTE))
    refusal()
    with pytest.raises(CorruptDigest):
        count_active_users(NINE, NINE + 120 * MINUTE)


@pytest.mark.usefixtures("two_days")
def test_day_that_cannot_be_rebuilt_is_reported_last(leave):
    digest()
    flip_a_bit(bucket_of(NINE))
    leave((3, NINE + 60 * MINUTE), (3, NEXT_DAY))
    message, out = refusal()
    assert message == (
        "The digest of 2025-03-31 00:00 to 2025-04-01 00:00 UTC could not be rebuilt, because one "
        "of its parts is corrupt (1 more like this): run manage.py digest_souvenirs --rebuild."
    )
    assert out == "Digested 2 souvenirs, rebuilt 1 daily and 1 monthly digest.\n"


# Rebuilding


@pytest.mark.usefixtures("two_days")
def test_rebuild_repairs_corrupt_digests():
    digest()
    for each in Digest.objects.all():
        flip_a_bit(each)
    assert run("digest_souvenirs", "--rebuild") == (
        "Digested 0 souvenirs, rebuilt 2 daily and 2 monthly digests.\n"
    )
    assert [bucket_of(NINE).count, day_of(NINE).count, month_of(NINE).count] == [2, 2, 2]


@pytest.mark.usefixtures("two_days")
@pytest.mark.parametrize("level", [3600, DAY_LEVEL, MONTH_LEVEL])
def test_rebuild_restores_a_missing_level(level):
    digest()
    Digest.objects.filter(level=level).delete()
    run("digest_souvenirs", "--rebuild")
    assert [bucket_of(NINE).count, day_of(NINE).count, month_of(NINE).count] == [2, 2, 2]
    assert not Digest.objects.filter(is_stale=True, level__gte=DAY_LEVEL).exists()
    assert undigested() == 0


@pytest.mark.usefixtures("two_days")
def test_rebuild_restores_all_digests():
    digest()
    Digest.objects.all().delete()
    run("digest_souvenirs", "--rebuild")
    assert [bucket_of(NINE).count, day_of(NINE).count, month_of(NINE).count] == [2, 2, 2]


def test_rebuild_fills_the_gap_between_buckets_of_several_lengths(leave, settings):
    leave((1, NINE), (2, NINE + 75 * MINUTE), (3, NINE + 120 * MINUTE))
    digest()
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((4, NINE), (5, NINE + 75 * MINUTE))
    digest()
    Digest.objects.filter(level=3600, start=(NINE + 60 * MINUTE).timestamp()).delete()
    run("digest_souvenirs", "--rebuild")
    assert active_users(NINE, NINE + 120 * MINUTE).pks == {pk_of(n) for n in (1, 2, 4, 5)}


@pytest.mark.usefixtures("two_days")
def test_rebuild_keeps_pruned_users(leave):
    digest()
    prune_all()
    leave((3, NINE))
    run("digest_souvenirs", "--rebuild")
    assert active_users(NINE, NINE + 60 * MINUTE).pks == {pk_of(1), pk_of(2), pk_of(3)}


@pytest.mark.usefixtures("two_days")
def test_rebuild_repairs_digests_beside_a_lost_one(leave):
    leave((5, NINE + 60 * MINUTE))
    digest()
    Digest.objects.filter(pk=bucket_of(NINE).pk).update(is_pruned=True)
    for each in Digest.objects.all():
        flip_a_bit(each)
    assert refusal("--rebuild")[0].endswith("restore it from a backup.")
    assert bucket_of(NINE + 60 * MINUTE).count == 1
    assert not day_of(NEXT_DAY).is_stale


@pytest.mark.parametrize("option", ["--until=2025-04-02", "--since=2025-04-02"])
def test_range_that_ends_within_a_month_takes_its_days(leave, option):
    leave((1, NEXT_DAY), (2, NEXT_DAY + 24 * 60 * MINUTE))
    run("digest_souvenirs", option)
    assert Souvenir.objects.filter(digested=False).count() == 1
    assert count_active_users() == 2


@pytest.mark.usefixtures("two_days")
def test_rebuild_of_a_range_leaves_the_rest():
    digest()
    before = day_of(NINE).version
    run("digest_souvenirs", "--rebuild", "--since=2025-04-01")
    assert day_of(NINE).version == before
    assert day_of(NEXT_DAY).version > before


# Status


def test_status_of_an_empty_site():
    assert run("digest_souvenirs", "--status") == (
        "Nothing has been digested.\n"
        "No souvenirs are waiting to be digested.\n"
        "Nothing has been pruned.\n"
    )


@pytest.mark.usefixtures("two_days")
def test_status_before_the_first_run():
    assert run("digest_souvenirs", "--status").splitlines() == [
        "Nothing has been digested.",
        "Waiting to be digested: 3 souvenirs, the oldest from 2025-03-31 09:00 UTC.",
        "Nothing has been pruned.",
    ]


def test_status_without_time_zones_is_in_utc(leave, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    leave((1, datetime(2025, 3, 31, 22)))
    assert "the oldest from 2025-04-01 02:00 UTC." in run("digest_souvenirs", "--status")


@pytest.mark.usefixtures("two_days")
def test_status_of_a_partly_digested_site(leave):
    digest()
    leave((7, NEXT_DAY))
    list(digesting.Digester().fold())
    leave((9, NEXT_DAY + MINUTE))
    lines = run("digest_souvenirs", "--status").splitlines()
    assert lines[:2] == [
        "Digested up to 2025-04-01 10:00 UTC.",
        "Waiting to be digested: 1 souvenir, the oldest from 2025-04-01 09:01 UTC.",
    ]
    assert [line.split()[:-2] for line in lines[6:]] == [
        ["bucket", "of", "3600", "s", "2", "0", "4"],
        ["day", "2", "1", "3"],
        ["month", "2", "1", "3"],
    ]


@pytest.mark.usefixtures("two_days")
def test_status_of_a_pruned_site():
    digest()
    Digest.objects.filter(pk=bucket_of(NINE).pk).update(is_pruned=True)
    assert "Pruned up to 2025-03-31 10:00 UTC." in run("digest_souvenirs", "--status")


@pytest.mark.usefixtures("two_days")
def test_status_measures_the_size_of_digests():
    digest()
    bodies = Digest.objects.values_list("level", "body")
    assert {level.name: level.size for level in status().levels} == {
        name: sum(len(body) for level, body in bodies if level == length)
        for name, length in (("bucket of 3600 s", 3600), ("day", DAY_LEVEL), ("month", MONTH_LEVEL))
    }


@pytest.mark.usefixtures("two_days")
def test_progress_is_for_terminals(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("souvenirs.management._terminal.Progress.INTERVAL", 0)
    for arguments, unit in ([], "souvenirs"), (["--rebuild"], "steps"), (["--verify"], "digests"):
        err = Terminal()
        call_command("digest_souvenirs", *arguments, stdout=StringIO(), stderr=err)
        assert f" {unit}" in err.getvalue()
        assert "left" in err.getvalue()


@pytest.mark.parametrize("seconds", [7200, 60, 0, True, 3600.0, "3600"])
def test_invalid_bucket_lengths_are_refused(leave, settings, seconds):
    leave((1, at(2025, 3, 31, 9)))
    digest()
    leave((2, at(2025, 3, 31, 9)))
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    with pytest.raises(CommandError, match="should be 3600, 1800 or 900, not"):
        run("digest_souvenirs")
    assert count_active_users() == 2


@pytest.mark.parametrize("seconds", [3600, 900])
@pytest.mark.parametrize("later", [[], [(2, datetime(2024, 10, 27, 3, 30))]])
def test_hour_that_the_clock_shows_twice_without_time_zones(leave, settings, seconds, later):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    leave((1, datetime(2024, 10, 27, 2, 40)), *later)
    assert run("digest_souvenirs").startswith(f"Digested {1 + len(later)} souvenir")
    assert "found 0 differences" in run("digest_souvenirs", "--verify")
    assert run("prune_souvenirs", "--older-than=0").startswith(f"Deleted {1 + len(later)} souvenir")
    two, three = datetime(2024, 10, 27, 2), datetime(2024, 10, 27, 3)
    assert active_users(two, three).pks == {pk_of(1)}


@pytest.mark.parametrize("seconds", [3600, 900])
def test_range_from_a_time_that_the_clock_shows_twice(leave, settings, seconds):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    leave((1, datetime(2024, 10, 27, 2, 5)), (2, datetime(2024, 10, 27, 2, 40)))
    for _ in range(2):
        for minute, expected in ((0, 2), (5, 2), (6, 1), (30, 1), (41, 0)):
            start = datetime(2024, 10, 27, 2, minute)
            assert count_active_users(start) == 2 - count_active_users(end=start) == expected
        digest()


def test_the_last_month_there_is(leave):
    leave((1, NINE), (2, at(9999, 12, 15, 9)), (3, at(9999, 12, 31, 23, 59)))
    assert (
        run("digest_souvenirs") == "Digested 3 souvenirs, rebuilt 1 daily and 1 monthly digest.\n"
    )
    assert "found 0 differences" in run("digest_souvenirs", "--verify")
    assert run("digest_souvenirs", "--rebuild")
    erase_user(pk_of(2))
    assert active_users(at(9999, 12, 1), at(9999, 12, 31, 23, 59, 59)).pks == {pk_of(3)}

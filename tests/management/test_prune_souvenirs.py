from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from souvenirs.control import PrunedSpan, active_users, count_active_users
from souvenirs.digests import comparison, pruning
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import NotInDigest, Pruner
from souvenirs.models import Digest, Souvenir
from souvenirs.sets.usersets import CorruptDigest
from souvenirs.stores import get_store, sizes
from tests.conftest import INSTANT, at, fewer_where_brief, pk_of, vendor_is
from tests.digesting import (
    MINUTE,
    bucket_of,
    day_of,
    digest,
    flip_a_bit,
    naive,
    put,
    ranges,
    run,
    sightings,
)

pytestmark = pytest.mark.django_db(transaction=True)

NINE = at(2025, 3, 31, 9)
TEN = NINE + 60 * MINUTE


@pytest.fixture
def morning(leave):
    """Users 1 and 2 at nine, user 3 at ten; all digested."""
    leave((1, NINE), (2, NINE + MINUTE), (3, TEN))
    digest()


def prune(before=None, **keywords):
    """Prune, and return how many souvenirs that deleted; all of them without ``before``."""
    return sum(step.souvenirs for step in Pruner(before or timezone.now()).run(**keywords))


@pytest.mark.parametrize("seconds", fewer_where_brief([3600, 1800, 900], kept=[900]))
def test_counts_stay_exact_at_the_grain_of_buckets(leave, settings, seconds):
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    rows = sightings()
    leave(*rows)
    digest()
    assert prune() == len(rows)
    assert not Souvenir.objects.exists()
    for start, end in ranges(seconds):
        assert active_users(start, end).pks == naive(rows, start, end)
        assert count_active_users(start, end) == len(naive(rows, start, end))


def test_counts_of_unpruned_spans_stay_exact_at_every_instant(leave):
    rows = sightings()
    leave(*rows)
    digest()
    middle = at(2025, 4, 1)
    prune(middle)
    for start, end in ranges(grain=420):
        first, last = max(start, middle), max(end, middle)
        assert active_users(first, last).pks == naive(rows, first, last)


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("edge", [MINUTE, INSTANT, 59 * MINUTE])
def test_finer_boundary_is_refused(edge):
    prune()
    with pytest.raises(PrunedSpan) as refused:
        active_users(NINE + edge, TEN)
    assert str(refused.value) == (
        "The souvenirs of 2025-03-31 09:00 to 2025-03-31 10:00 UTC have been deleted, and only "
        "their digest is left: give a start and an end that lie on a multiple of 3600 seconds in "
        "UTC."
    )


@pytest.mark.usefixtures("morning")
def test_finer_boundary_in_an_hour_without_users_is_answered():
    prune()
    assert count_active_users(NINE - MINUTE, TEN) == 2


@pytest.mark.usefixtures("morning")
def test_late_souvenir_of_a_pruned_hour_is_counted(leave):
    prune()
    leave((4, NINE))
    for _ in range(2):
        assert count_active_users(NINE, TEN) == 3
        with pytest.raises(PrunedSpan):
            count_active_users(NINE, NINE + MINUTE)
        digest()


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize(
    ("before", "left"),
    [(TEN - INSTANT, 3), (TEN, 1), (TEN + 59 * MINUTE, 1), (TEN + 60 * MINUTE, 0)],
)
def test_only_hours_that_are_over_are_pruned(before, left):
    prune(before)
    assert Souvenir.objects.count() == left


@pytest.mark.parametrize("at_once", [0, comparison.AT_ONCE])
def test_large_months_are_pruned_day_by_day(leave, monkeypatch, at_once):
    monkeypatch.setattr(comparison, "AT_ONCE", at_once)
    rows = [(number, NINE + timedelta(days=number)) for number in range(1, 9)]
    leave(*rows)
    digest()
    leave((1, rows[4][1] + MINUTE))
    assert prune() == 7
    assert count_active_users(NINE, rows[-1][1] + 60 * MINUTE) == 8


def test_pruned_digest_without_souvenirs_is_not_read_again(leave):
    """On a large site, those of a month would fill the memory; one that is read is checked."""
    leave((1, NINE))
    digest()
    prune()
    leave((2, TEN))
    digest()
    flip_a_bit(bucket_of(NINE))
    assert comparison.compare(day_of(NINE).cell) == comparison.NO_DIFFERENCE


@pytest.mark.usefixtures("morning")
def test_hour_that_is_not_fully_digested_is_kept(leave):
    leave((4, NINE + 59 * MINUTE))
    pruner = Pruner(at(2025, 5, 1))
    assert [step.souvenirs for step in pruner.run()] == [1]
    assert (pruner.left, Souvenir.objects.count()) == (3, 3)
    assert not bucket_of(NINE).is_pruned
    assert count_active_users(NINE, NINE + MINUTE) == 1


def test_bucket_that_is_digested_waits_for_its_hour(leave, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((1, NINE))
    digest()
    leave((2, NINE + 20 * MINUTE))
    assert prune() == 0


@pytest.mark.thorough
def test_more_hours_than_one_statement_has_room_for(leave):
    """Each hour that is kept is skipped, however many there are."""
    leave(*((1, NINE + hour * timedelta(hours=1)) for hour in range(1100)))
    leave((2, at(2026, 1, 1)))
    list(Pruner(at(2026, 2, 1)).run())
    assert Souvenir.objects.count() == 1101


@pytest.mark.usefixtures("morning")
def test_digested_souvenir_that_is_missing_from_its_digest_stops_pruning():
    put(bucket_of(NINE), 1)
    with pytest.raises(NotInDigest, match="09:00 to 2025-03-31 10:00 UTC lack users"):
        prune()
    assert Souvenir.objects.count() == 3


def test_user_missing_from_one_of_an_hours_buckets_stops_pruning(leave, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((1, NINE), (1, NINE + 20 * MINUTE))
    digest()
    put(bucket_of(NINE, level=900))
    with pytest.raises(NotInDigest):
        prune()


@pytest.mark.usefixtures("morning")
def test_digest_that_is_gone_stops_pruning():
    Digest.objects.all().delete()
    with pytest.raises(NotInDigest):
        prune()
    assert Souvenir.objects.count() == 3


@pytest.mark.usefixtures("morning")
def test_corrupt_digest_stops_pruning():
    flip_a_bit(bucket_of(NINE))
    with pytest.raises(CorruptDigest):
        prune()
    assert Souvenir.objects.count() == 3


@pytest.mark.usefixtures("morning")
def test_dry_run_finds_missing_users():
    put(bucket_of(NINE), 1)
    with pytest.raises(NotInDigest):
        prune(dry_run=True)


@pytest.mark.parametrize("killed_at", [0, 1, 2, 3])
def test_killed_in_the_middle_it_goes_on_where_it_was(leave, monkeypatch, killed_at):
    """Deleted souvenirs are in marked digests, and the next run deletes the rest."""
    rows = [(number, NINE + number * MINUTE) for number in range(1, 9)]
    leave(*rows)
    digest()
    monkeypatch.setattr(pruning, "ROWS", 2)
    steps = Pruner(at(2025, 5, 1)).run()
    for _ in range(killed_at):
        next(steps)
    steps.close()
    assert Souvenir.objects.count() == 8 - 2 * killed_at
    assert count_active_users(NINE, TEN) == 8
    if killed_at:
        with pytest.raises(PrunedSpan):
            count_active_users(NINE, NINE + 2 * MINUTE)
    assert prune() == 8 - 2 * killed_at
    assert count_active_users(NINE, TEN) == 8


@pytest.mark.usefixtures("morning")
def test_killed_between_mark_and_deletion_counts_stay_right(monkeypatch):
    def killed(ids, alias):
        raise KeyboardInterrupt

    monkeypatch.setattr(pruning, "delete_souvenirs", killed)
    with pytest.raises(KeyboardInterrupt):
        prune()
    assert bucket_of(NINE).is_pruned
    assert count_active_users(NINE, TEN) == 2
    monkeypatch.undo()
    assert prune() == 3


@pytest.mark.usefixtures("morning")
def test_day_and_month_are_not_marked():
    prune()
    assert not day_of(NINE).is_pruned


# The command


def refusal(*arguments):
    out = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("prune_souvenirs", *arguments, stdout=out, stderr=StringIO())
    assert "\n" not in str(refused.value)
    return str(refused.value), out.getvalue()


@pytest.fixture
def young_and_old(leave):
    """A souvenir ten days old and one half a day old, in hours that are over."""
    now = timezone.now()
    leave((1, now - timedelta(days=10)), (2, now - timedelta(days=0.5)))
    list(Digester().run())


@pytest.mark.usefixtures("young_and_old")
@pytest.mark.parametrize(("days", "left"), [("0", 0), ("0.25", 0), ("1", 1), ("9", 1), ("11", 2)])
def test_older_than_chooses_by_age(days, left):
    run("prune_souvenirs", f"--older-than={days}")
    assert Souvenir.objects.count() == left


@pytest.mark.usefixtures("young_and_old")
@pytest.mark.parametrize(("days", "left"), [(1, 1), (0, 0), (0.25, 0)])
def test_setting_chooses_by_age(settings, days, left):
    settings.SOUVENIRS_KEEP_DAYS = days
    run("prune_souvenirs")
    assert Souvenir.objects.count() == left


@pytest.mark.usefixtures("young_and_old")
def test_option_comes_before_the_setting(settings):
    settings.SOUVENIRS_KEEP_DAYS = 0
    run("prune_souvenirs", "--older-than=1")
    assert Souvenir.objects.count() == 1


def test_without_an_age_the_option_and_the_setting_are_named():
    assert refusal()[0] == "Use --older-than DAYS, or set SOUVENIRS_KEEP_DAYS."


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "1e9", "a week", ""])
def test_invalid_age_is_refused(days):
    assert refusal(f"--older-than={days}")[0] == (
        f"--older-than must be a number of days, 0 or more, not {days!r}."
    )


@pytest.mark.parametrize("days", [-1, "30"])
def test_invalid_setting_is_refused(settings, days):
    settings.SOUVENIRS_KEEP_DAYS = days
    assert refusal()[0] == (
        f"SOUVENIRS_KEEP_DAYS should be a number of days or None, not {days!r}."
    )


@pytest.mark.usefixtures("morning")
def test_dry_run_deletes_nothing():
    assert run("prune_souvenirs", "--older-than=0", "--dry-run").startswith(
        "Would delete 3 souvenirs"
    )
    assert Souvenir.objects.count() == 3
    assert not Digest.objects.filter(is_pruned=True).exists()


@pytest.mark.usefixtures("morning")
def test_command_reports_what_it_deleted():
    assert run("prune_souvenirs", "--older-than=0").startswith("Deleted 3 souvenirs, about ")


def test_no_size_is_reported_if_nothing_is_deleted():
    assert run("prune_souvenirs", "--older-than=0") == "Deleted 0 souvenirs.\n"


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_command_reports_what_it_kept(leave, dry_run):
    leave((4, NINE))
    assert run("prune_souvenirs", "--older-than=0", *dry_run).splitlines()[1] == (
        "Kept 3 souvenirs from hours that are not fully digested: "
        "run manage.py digest_souvenirs, then prune again."
    )


@pytest.mark.usefixtures("morning")
def test_command_reports_what_stopped_it():
    put(bucket_of(TEN))
    message, out = refusal("--older-than=0")
    assert message == (
        "The digests of 2025-03-31 10:00 to 2025-03-31 11:00 UTC lack users of souvenirs that are "
        "marked as digested. Run manage.py digest_souvenirs --rebuild, then prune again."
    )
    assert out.startswith("Deleted 2 souvenirs")
    run("digest_souvenirs", "--rebuild")
    run("prune_souvenirs", "--older-than=0")
    assert count_active_users(NINE, TEN + 60 * MINUTE) == 3


@pytest.mark.usefixtures("morning")
def test_interrupted_run_reports_what_it_deleted(monkeypatch):
    delete = pruning.delete_souvenirs
    done = []

    def interrupted(ids, alias):
        if done:
            raise KeyboardInterrupt
        done.append(ids)
        return delete(ids, alias)

    monkeypatch.setattr(pruning, "delete_souvenirs", interrupted)
    message, out = refusal("--older-than=0")
    assert message == "Interrupted. Run the command again to continue."
    assert out.startswith("Deleted 2 souvenirs")


def test_size_of_a_souvenir_is_measured(leave):
    leave(*((1 + n % 50, NINE + n * MINUTE) for n in range(20_000)))
    if vendor_is("mysql"):
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE TABLE souvenirs_souvenir")
            cursor.fetchall()
    assert 60 < get_store().souvenir_size() < 600


def test_size_of_a_souvenir_is_unknown_without_souvenirs():
    assert get_store().souvenir_size() is None


@pytest.mark.usefixtures("morning")
def test_size_is_omitted_if_the_engine_does_not_report_it(monkeypatch):
    statement = "SELECT size FROM no_such_table WHERE name = %s"
    monkeypatch.setitem(sizes.SIZES, connection.vendor, statement)
    assert run("prune_souvenirs", "--older-than=0") == "Deleted 3 souvenirs.\n"


def test_users_of_a_pruned_hour_are_still_named(leave):
    leave((1, NINE))
    digest()
    prune()
    assert active_users(NINE, TEN).pks == {pk_of(1)}

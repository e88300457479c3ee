from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL
from souvenirs.control import active_users, erase_user
from souvenirs.digests import comparison
from souvenirs.models import Digest, Souvenir
from tests.conftest import at, fewer_where_brief, pk_of
from tests.digesting import (
    MINUTE,
    bucket_of,
    day_of,
    digest,
    flip_a_bit,
    month_of,
    put,
    run,
    sightings,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.through_the_store]

NINE = at(2025, 3, 31, 9)
HOUR = "2025-03-31 09:00 to 2025-03-31 10:00 UTC"
DAY_IN_WORDS = "2025-03-31 00:00 to 2025-04-01 00:00 UTC"
MONTH_IN_WORDS = "2025-03-01 00:00 to 2025-04-01 00:00 UTC"
OF_LEVEL = {3600: bucket_of, DAY_LEVEL: day_of, MONTH_LEVEL: month_of}
LEVELS = sorted(OF_LEVEL)


@pytest.fixture
def digested(leave):
    leave((1, NINE), (2, NINE))
    digest()


def differences(*arguments):
    """The sentences of a run that finds differences."""
    out = StringIO()
    with pytest.raises(
        CommandError, match=r"differ: run manage\.py digest_souvenirs --rebuild\.$"
    ) as found:
        call_command("digest_souvenirs", "--verify", *arguments, stdout=out, stderr=StringIO())
    assert found.value.returncode == 1
    *sentences, summary = out.getvalue().splitlines()
    assert f"found {len(sentences)} difference" in summary
    return sentences


@pytest.mark.parametrize("at_once", [0, comparison.AT_ONCE])
@pytest.mark.parametrize("seconds", fewer_where_brief([3600, 1800, 900], kept=[900]))
def test_sound_digests_have_no_difference(leave, settings, monkeypatch, seconds, at_once):
    monkeypatch.setattr(comparison, "AT_ONCE", at_once)
    settings.SOUVENIRS_BUCKET_SECONDS = seconds
    leave(*sightings())
    digest()
    assert run("digest_souvenirs", "--verify") == (
        "Verified 4 daily and 2 monthly digests, found 0 differences.\n"
    )


def test_empty_site_has_no_difference():
    assert run("digest_souvenirs", "--verify") == (
        "Verified 0 daily and 0 monthly digests, found 0 differences.\n"
    )


def test_buckets_of_several_lengths_have_no_difference(leave, settings):
    for seconds in (3600, 900, 1800):
        settings.SOUVENIRS_BUCKET_SECONDS = seconds
        leave(*sightings(seed=seconds))
        digest()
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


@pytest.mark.usefixtures("digested")
def test_souvenir_that_is_not_digested_is_no_difference(leave):
    leave((3, NINE), (1, NINE + MINUTE))
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


def test_day_that_is_not_over_is_looked_at(leave):
    leave((1, timezone.now()))
    digest()
    Souvenir.objects.update(user_id=pk_of(2))
    assert len(differences()) == 2


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize("level", LEVELS)
def test_flipped_bit_is_found(level):
    flip_a_bit(OF_LEVEL[level](NINE))
    [sentence] = differences()
    assert sentence.startswith(f"The 'active' digest of level {level} from 2025-03-")
    assert sentence.endswith("is corrupt: its checksum does not match its bytes and its place.")


@pytest.mark.usefixtures("digested")
def test_user_missing_from_a_bucket_is_found():
    put(bucket_of(NINE), 1)
    assert differences() == [
        f"{HOUR}: users with a souvenir who are not in the digest: 1.",
        f"{DAY_IN_WORDS}: the digest differs from its parts.",
    ]


def test_user_missing_from_one_of_an_hours_buckets_is_found(leave, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((1, NINE), (1, NINE + 20 * MINUTE))
    digest()
    put(bucket_of(NINE, level=900))
    assert differences() == [f"{HOUR}: users with a souvenir who are not in the digest: 1."]


@pytest.mark.usefixtures("digested")
def test_extra_user_in_a_bucket_is_found(leave):
    leave((3, NINE + 60 * MINUTE))
    digest()
    put(bucket_of(NINE), 1, 2, 3)
    assert differences() == [f"{HOUR}: users in the digest without a souvenir: 1."]


def test_extra_user_in_one_of_an_hours_buckets_is_found(leave, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((1, NINE), (2, NINE + 20 * MINUTE))
    digest()
    put(bucket_of(NINE, level=900), 1, 2)
    assert differences() == [f"{HOUR}: users in the digest without a souvenir: 1."]


@pytest.mark.usefixtures("digested")
def test_extra_user_in_a_pruned_bucket_is_none(leave):
    run("prune_souvenirs", "--older-than=0")
    leave((3, NINE))
    digest()
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize(
    ("level", "words"), [(DAY_LEVEL, DAY_IN_WORDS), (MONTH_LEVEL, MONTH_IN_WORDS)]
)
@pytest.mark.parametrize("users", [(1,), (1, 2, 3)])
def test_day_or_month_with_other_users_is_found(leave, level, words, users):
    leave((3, at(2025, 4, 2)))
    digest()
    put(OF_LEVEL[level](NINE), *users)
    assert f"{words}: the digest differs from its parts." in differences()


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize("level", [DAY_LEVEL, MONTH_LEVEL])
def test_stale_day_or_month_is_no_difference(level):
    put(OF_LEVEL[level](NINE), 1)
    Digest.objects.filter(level__gte=DAY_LEVEL).update(is_stale=True)
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize("column", ["count", "checksum"])
@pytest.mark.parametrize("level", LEVELS)
def test_changed_count_is_found(level, column):
    Digest.objects.filter(level=level).update(**{column: 7})
    [sentence] = differences()
    assert sentence.endswith("UTC: the stored count differs from the digest.")


@pytest.mark.usefixtures("digested")
def test_bucket_that_is_gone_is_found():
    bucket_of(NINE).delete()
    assert differences()[:2] == [
        f"The digest of {HOUR} is gone.",
        f"{HOUR}: users with a souvenir who are not in the digest: 2.",
    ]


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize(
    ("level", "words"), [(DAY_LEVEL, DAY_IN_WORDS), (MONTH_LEVEL, MONTH_IN_WORDS)]
)
def test_day_or_month_that_is_gone_is_found(level, words):
    Digest.objects.filter(level=level).delete()
    assert f"{words}: the digest is missing." in differences()


@pytest.mark.usefixtures("digested")
def test_all_digests_that_are_gone_are_found():
    Digest.objects.all().delete()
    assert len(differences()) == 2


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize("level", LEVELS)
def test_verifying_changes_nothing(level):
    Digest.objects.filter(level=level).delete()
    before = list(Digest.objects.order_by("pk").values())
    differences()
    assert list(Digest.objects.order_by("pk").values()) == before


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--since=2025-04-01"], 0),
        (["--since=2025-03-31 23:59"], 1),
        (["--until=2025-03-01"], 0),
        (["--until=2025-03-31"], 0),
        (["--until=2025-03-31 00:01"], 1),
    ],
)
def test_range_chooses_days(arguments, found):
    flip_a_bit(bucket_of(NINE))
    if found:
        assert len(differences(*arguments)) == found
    else:
        assert "found 0 differences" in run("digest_souvenirs", "--verify", *arguments)


def test_time_that_is_up_looks_at_nothing_new(leave):
    leave((1, NINE), (1, at(2025, 4, 1, 9)))
    digest()
    assert run("digest_souvenirs", "--verify", "--max-seconds=0.000001") == (
        "Stopped after --max-seconds; the next run continues.\n"
        "Verified 1 daily and 0 monthly digests, found 0 differences.\n"
    )


@pytest.mark.usefixtures("digested")
def test_rebuild_leaves_no_difference():
    put(bucket_of(NINE), 1)
    day_of(NINE).delete()
    run("digest_souvenirs", "--rebuild")
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


@pytest.mark.usefixtures("digested")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("changed", [1552, 7200, 99_999_999])
def test_level_that_does_not_exist_is_found_and_rebuilt(level, changed):
    Digest.objects.filter(level=level).update(level=changed)
    assert differences()
    run("digest_souvenirs", "--rebuild")
    assert "found 0 differences" in run("digest_souvenirs", "--verify")
    assert active_users(NINE, NINE + 60 * MINUTE).pks == {pk_of(1), pk_of(2)}
    assert erase_user(pk_of(1)).digests == 3


@pytest.mark.usefixtures("digested")
def test_level_that_does_not_exist_is_lost_where_souvenirs_are_pruned():
    run("prune_souvenirs", "--older-than=0")
    Digest.objects.filter(level=3600).update(level=7200)
    with pytest.raises(CommandError, match=r"is gone\. Its souvenirs have been deleted"):
        run("digest_souvenirs", "--rebuild")
    assert Digest.objects.filter(level=7200).exists()

"""Digests of another kind beside those of active users."""

from datetime import timedelta
from itertools import product

import pytest
from django.contrib.auth import get_user_model

from souvenirs.calendar.grid import DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, cell_of, second_of
from souvenirs.control import CorruptDigest, PrunedSpan, erase_user, export_user
from souvenirs.digests import Digester, Pruner, Verifier, status
from souvenirs.models import Digest, UserNumber
from souvenirs.sets import UserSet
from souvenirs.stores import get_store, give_numbers, numbers_of
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import MINUTE, digest, flip_a_bit, naive, ranges, run, sightings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.through_the_store]

KIND = "registered"
NINE = at(2025, 3, 31, 9)
HOUR = timedelta(hours=1)
MONTH = (at(2025, 3, 1), at(2025, 4, 1))
OWN_NUMBER = get_user_model()._meta.pk.get_internal_type().endswith("AutoField")


def register(*rows, kind=KIND):
    """Put users ``(number, when)`` into the buckets of another kind, as its digester would."""
    digests = get_store(kind).digests
    keys = [pk_of(number) for number, _ in rows]
    give_numbers(keys, digests.alias)
    numbers = numbers_of(keys, digests.alias)
    buckets = {}
    for number, when in rows:
        bucket = cell_of(HOUR_LEVEL, second_of(when))
        buckets.setdefault(bucket, set()).add(numbers[pk_of(number)])
    for bucket, members in buckets.items():
        day = cell_of(DAY_LEVEL, bucket.start)
        with digests.locked(day):
            [row] = digests.buckets([bucket]).values()
            row.put(row.users() | UserSet.from_ids(members))
            digests.create([row])
            digests.mark_stale([day])


def stored(level, kind=KIND):
    return Digest.objects.get(kind=kind, level=level)


@pytest.fixture
def registered(leave):
    """Users 1 and 2 active at nine and digested; users 2 and 3 registered at nine."""
    leave((1, NINE), (2, NINE))
    register((2, NINE), (3, NINE))
    digest()


def answers(kind=None):
    store = get_store() if kind is None else get_store(kind)
    asked = [*ranges(grain=3600), (None, None)]
    found = [set(users) for users in store.users_each(asked)]
    assert store.count_each(asked).counts == [len(users) for users in found]
    return found


def everything():
    store = get_store()
    return answers(), store.first(), store.pruned(None, None)


@pytest.mark.parametrize("is_digested", [False, True])
def test_another_kind_changes_no_answer(leave, is_digested):
    leave(*sightings())
    if is_digested:
        digest()
    before = everything()
    register(*sightings(seed=9), (50, at(2020, 1, 1)))
    assert everything() == before
    list(Digester().refresh())
    assert everything() == before


def test_another_kind_alone_leaves_counting_to_the_engine(leave, django_assert_num_queries):
    leave((1, NINE))
    register((2, NINE))
    with django_assert_num_queries(3):
        assert get_store().count_each([(None, None)]).counts == [1]


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_another_kind_is_read_by_its_kind(leave, is_refreshed):
    rows = sightings(seed=9)
    leave(*sightings())
    register(*rows)
    if is_refreshed:
        digest()
        assert not Digest.objects.filter(level__gte=DAY_LEVEL, is_stale=True).exists()
    asked = [*ranges(grain=3600), (None, None)]
    expected = [naive(rows, start or at(1970, 1, 1), end or at(2030, 1, 1)) for start, end in asked]
    assert answers(KIND) == expected
    first = min(when for _, when in rows)
    assert get_store(KIND).first() == first.replace(minute=0)


def test_whole_month_of_another_kind_is_counted_without_its_users(
    registered, django_assert_num_queries
):
    with django_assert_num_queries(1) as made:
        assert get_store(KIND).count_each([MONTH]).counts == [2]
    assert "body" not in made[0]["sql"]


def test_group_of_another_kind(registered):
    assert get_store(KIND).count_each([(None, None)], {pk_of(1), pk_of(2)}).counts == [1]


def test_kind_without_digests_has_no_users(registered):
    assert answers("activated") == [set()] * 41
    assert get_store("activated").first() is None
    assert not get_store("activated").has_digests()


def test_another_kind_is_no_digest_of_souvenirs(leave):
    leave((1, NINE))
    register((2, NINE))
    assert not get_store().has_digests()
    assert get_store().oldest_undigested() == NINE


def test_digest_of_another_kind_is_not_split(registered):
    store = get_store(KIND)
    with pytest.raises(PrunedSpan, match=r"The 'registered' digest of .* multiple of 3600 seconds"):
        store.users_each([(NINE, NINE + MINUTE)])
    assert store.count_each([(NINE + HOUR, NINE + HOUR + MINUTE)]).counts == [0]


@pytest.mark.parametrize(("start", "expected"), [(NINE, 2), (NINE + INSTANT, 0)])
def test_digest_of_another_kind_is_rounded_to_its_start(registered, start, expected):
    [users] = get_store(KIND).users_each([(start, NINE + 2 * MINUTE)], rounded=True)
    assert len(users) == expected


def test_corrupt_bucket_of_another_kind_becomes_no_number(registered):
    flip_a_bit(stored(HOUR_LEVEL))
    with pytest.raises(CorruptDigest):
        get_store(KIND).users_each([(NINE, NINE + HOUR)])
    assert answers()


def test_corrupt_day_of_another_kind_is_replaced_by_its_buckets(registered):
    flip_a_bit(stored(DAY_LEVEL))
    [users] = get_store(KIND).users_each([(at(2025, 3, 31), at(2025, 4, 1))])
    assert set(users) == {pk_of(2), pk_of(3)}


def test_other_kinds_are_refreshed():
    register((2, NINE), (3, NINE + HOUR))
    assert [cell.level for cell in Digester().due()] == [DAY_LEVEL, MONTH_LEVEL]
    digest()
    assert [stored(level).count for level in (DAY_LEVEL, MONTH_LEVEL)] == [2, 2]
    assert not Digest.objects.filter(level__gte=DAY_LEVEL, is_stale=True).exists()
    assert Digester().due() == []


def test_corrupt_bucket_keeps_the_other_kinds_day_stale(leave):
    leave((1, NINE))
    register((2, NINE))
    flip_a_bit(stored(HOUR_LEVEL))
    digester = Digester()
    list(digester.run())
    assert digester.failed == [
        "2025-03-31 00:00 to 2025-04-01 00:00 UTC (registered)",
        "2025-03-01 00:00 to 2025-04-01 00:00 UTC (registered)",
    ]
    assert not stored(MONTH_LEVEL, "active").is_stale


@pytest.fixture
def damaged(registered):
    """What finds differences in the digests of the other kind."""

    def differences():
        return [text for verified in Verifier().run() for text in verified.differences]

    assert differences() == []
    return differences


@pytest.mark.parametrize("level", [HOUR_LEVEL, DAY_LEVEL, MONTH_LEVEL])
def test_other_kinds_are_verified(damaged, level):
    flip_a_bit(stored(level))
    [sentence] = damaged()
    assert sentence.startswith(f"The 'registered' digest of level {level} from 2025-03-")


def test_difference_names_the_kind(damaged):
    Digest.objects.filter(kind=KIND, level=DAY_LEVEL).update(count=7)
    Digest.objects.filter(kind=KIND, level=MONTH_LEVEL).delete()
    with_kind = "2025-03-01 00:00 to 2025-04-01 00:00 UTC (registered)"
    assert damaged() == [f"{with_kind}: the digest is missing."]
    get_store(KIND).digests.create(
        [Digest(kind=KIND, level=MONTH_LEVEL, start=second_of(MONTH[0]))]
    )
    assert damaged() == [
        "2025-03-31 00:00 to 2025-04-01 00:00 UTC (registered): the stored count differs from the "
        "digest."
    ]


def test_users_of_another_kind_need_no_souvenirs(leave):
    register((2, NINE))
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


def test_rebuilding_from_souvenirs_leaves_other_kinds_alone(registered):
    run("digest_souvenirs", "--rebuild")
    assert answers(KIND)[-1] == {pk_of(2), pk_of(3)}
    assert answers()[-1] == {pk_of(1), pk_of(2)}


def test_pruning_leaves_other_kinds_alone(registered):
    list(Pruner(at(2025, 4, 2)).run())
    assert stored(HOUR_LEVEL, "active").is_pruned
    assert not stored(HOUR_LEVEL).is_pruned
    assert get_store(KIND).pruned(None, None) is None


def test_user_is_erased_from_all_kinds(registered):
    assert erase_user(pk_of(2)).digests == 6
    assert (answers()[-1], answers(KIND)[-1]) == ({pk_of(1)}, {pk_of(3)})
    assert export_user(pk_of(2))["digests"] == []
    levels = (HOUR_LEVEL, DAY_LEVEL, MONTH_LEVEL)
    assert [stored(*each).count for each in product(levels, ("active", KIND))] == [1] * 6
    assert Verifier().cells
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


def test_user_of_another_kind_alone_is_erased(registered):
    assert erase_user(pk_of(3)).digests == 3
    assert answers(KIND)[-1] == {pk_of(2)}
    assert UserNumber.objects.count() == (0 if OWN_NUMBER else 2)


def test_corrupt_digest_of_another_kind_keeps_the_number(registered):
    flip_a_bit(stored(MONTH_LEVEL))
    with pytest.raises(CorruptDigest, match="'registered' digest"):
        erase_user(pk_of(2))
    assert UserNumber.objects.count() == (0 if OWN_NUMBER else 3)


def test_export_says_the_kind_of_other_digests(registered):
    day = {"start": "2025-03-31T00:00:00+00:00", "end": "2025-04-01T00:00:00+00:00"}
    days = [each for each in export_user(pk_of(2))["digests"] if each["level"] == "day"]
    assert days == [{"level": "day", **day}, {"level": "day", **day, "kind": "registered"}]


def test_status_is_of_all_kinds(registered):
    register((3, at(2025, 4, 2)), kind="activated")
    found = status()
    assert found.digested_until == NINE + HOUR
    assert [(level.name, level.rows, level.members) for level in found.levels] == [
        ("bucket of 3600 s", 1, 2),
        ("day", 1, 2),
        ("month", 1, 2),
        ("bucket of 3600 s (activated)", 1, 1),
        ("day (activated)", 1, 0),
        ("month (activated)", 1, 0),
        ("bucket of 3600 s (registered)", 1, 2),
        ("day (registered)", 1, 2),
        ("month (registered)", 1, 2),
    ]

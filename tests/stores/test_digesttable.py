"""The table of digests, its versions and its retries."""

import pytest
from django.db import OperationalError

from souvenirs.calendar.grid import (
    DAY_LEVEL,
    LOCAL_LEVEL,
    MONTH_LEVEL,
    cell_of,
    moment_of,
    second_of,
)
from souvenirs.digests import Digester
from souvenirs.digests.folding import Folded, fold
from souvenirs.models import Digest, UserNumber
from souvenirs.sets.usersets import UserSet
from souvenirs.stores import get_store, give_numbers, transactions
from tests.conftest import at, pk_of

pytestmark = pytest.mark.django_db(transaction=True)

MONTH_OF_2025 = cell_of(MONTH_LEVEL, second_of(at(2025, 2, 3)))


def failing(times):
    """A function that a locked database refuses the first few times."""
    calls = []

    def work():
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError("database is locked")
        return "done"

    return work


def test_what_passes_by_itself_is_tried_again():
    assert transactions.retried(failing(2)) == "done"


def test_the_last_failure_is_raised(monkeypatch):
    monkeypatch.setattr(transactions, "TRIES", 3)
    with pytest.raises(OperationalError, match="locked"):
        transactions.retried(failing(3))


def changed_meanwhile(level):
    """A digest as somebody read it, before somebody else wrote it."""
    digest = Digest.objects.create(level=level, start=0)
    get_store().digests.write(Digest.objects.get(pk=digest.pk), UserSet.from_ids([1]))
    return digest


def test_a_digest_changed_in_spite_of_its_lock_is_not_overwritten():
    digest = changed_meanwhile(MONTH_LEVEL)
    with pytest.raises(transactions.Contended):
        get_store().digests.write(digest, UserSet.from_ids([2]))
    assert list(Digest.objects.get().users()) == [1]


def test_days_changed_in_spite_of_their_lock_are_not_overwritten():
    digest = changed_meanwhile(DAY_LEVEL)
    with pytest.raises(transactions.Contended, match="1 of 1 digests"):
        get_store().digests.write_many([(digest, UserSet.from_ids([2]))])
    assert list(Digest.objects.get().users()) == [1]


def test_nothing_to_fold_is_no_change():
    assert fold(MONTH_OF_2025) == Folded(0, moment_of(MONTH_OF_2025.end), [])
    assert not Digest.objects.filter(level__lt=MONTH_LEVEL).exists()


def test_a_number_is_given_once():
    key = -1 if type(pk_of(1)) is int else pk_of(1)
    for _ in range(2):
        give_numbers([key], "default")
    assert UserNumber.objects.get().user_id == key


def test_month_is_not_sealed_on_a_souvenir_that_has_just_been_deleted(leave):
    leave((1, at(2025, 2, 3)))
    list(Digester().run())
    digests = get_store().digests
    before = digests.inventory(MONTH_OF_2025)
    with (
        pytest.raises(transactions.Contended, match="just been deleted"),
        digests.locked(MONTH_OF_2025),
    ):
        digests.seal(MONTH_OF_2025, sealed=10**6)
    assert digests.inventory(MONTH_OF_2025) == before
    assert digests.apart() == {}


def test_totals_have_one_row_for_local_days_of_any_length():
    write = Digest.objects.create
    for start, (length, count) in enumerate({23: 3, 24: 5, 25: 7}.items()):
        level = LOCAL_LEVEL + 3 * 3600 * length
        digest = write(level=level, start=start * DAY_LEVEL, count=count, is_stale=length == 25)
        get_store().digests.write(digest, UserSet.from_ids(range(count)))
    write(level=DAY_LEVEL, start=0)
    day, local = get_store().digests.totals()
    assert (day["level"], day["rows"]) == (DAY_LEVEL, 1)
    sizes = Digest.objects.filter(level__gt=LOCAL_LEVEL).values_list("body", flat=True)
    expected = {
        "kind": Digest.ACTIVE,
        "level": LOCAL_LEVEL,
        "rows": 3,
        "stale": 1,
        "members": 15,
        "size": sum(map(len, sizes)),
        "last": 2 * DAY_LEVEL,
        "last_pruned": None,
    }
    assert local == expected

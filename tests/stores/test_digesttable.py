"""The table of digests, its versions and its retries."""

import pytest
from django.db import OperationalError

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL, cell_of, moment_of, second_of
from souvenirs.digests import Digester
from souvenirs.digests.folding import Folded, fold
from souvenirs.models import Digest, UserNumber
from souvenirs.sets.usersets import UserSet
from souvenirs.stores import digesttable, get_store, give_numbers
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
    assert digesttable.retried(failing(2)) == "done"


def test_the_last_failure_is_raised(monkeypatch):
    monkeypatch.setattr(digesttable, "TRIES", 3)
    with pytest.raises(OperationalError, match="locked"):
        digesttable.retried(failing(3))


def changed_meanwhile(level):
    """A digest as somebody read it, before somebody else wrote it."""
    digest = Digest.objects.create(level=level, start=0)
    get_store().digests.write(Digest.objects.get(pk=digest.pk), UserSet.from_ids([1]))
    return digest


def test_a_digest_changed_in_spite_of_its_lock_is_not_overwritten():
    digest = changed_meanwhile(MONTH_LEVEL)
    with pytest.raises(digesttable.Contended):
        get_store().digests.write(digest, UserSet.from_ids([2]))
    assert list(Digest.objects.get().users()) == [1]


def test_days_changed_in_spite_of_their_lock_are_not_overwritten():
    digest = changed_meanwhile(DAY_LEVEL)
    with pytest.raises(digesttable.Contended, match="1 of 1 digests"):
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
        pytest.raises(digesttable.Contended, match="just been deleted"),
        digests.locked(MONTH_OF_2025),
    ):
        digests.seal(MONTH_OF_2025, sealed=10**6)
    assert digests.inventory(MONTH_OF_2025) == before
    assert digests.apart() == {}

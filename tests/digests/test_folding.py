"""Users whose keys are not their numbers, and the steps in which souvenirs are folded."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from souvenirs.control import active_users, count_active_users
from souvenirs.digests import digester as digesting
from souvenirs.digests import folding
from souvenirs.digests.digester import STEP, Digester, Pace
from souvenirs.models import Digest, Souvenir, UserNumber
from souvenirs.stores import transactions
from tests.conftest import at, pk_of
from tests.digesting import digest, flip_a_bit

pytestmark = pytest.mark.django_db(transaction=True)

NINE = at(2025, 3, 3, 9)
HOUR = timedelta(hours=1)


def numbered(number):
    """A primary key that digests store under a number of its own."""
    return -number if type(pk_of(1)) is int else pk_of(number)


def leave_numbered(*sightings):
    Souvenir.objects.bulk_create(
        [Souvenir(user_id=numbered(number), when=when) for number, when in sightings]
    )


def test_all_users_of_a_step_are_numbered_by_one_statement():
    """However many users and buckets there are, and whether they have numbers or not."""
    leave_numbered((1, NINE))
    with CaptureQueriesContext(
        connection,
    ) as of_one:
        digest()
    Digest.objects.all().delete()
    Souvenir.objects.all().delete()
    leave_numbered(*[(number, NINE + number % 9 * HOUR) for number in range(1, 60)])
    with CaptureQueriesContext(connection) as of_many:
        digest()
    assert UserNumber.objects.count() == 59
    inserts = [each for each in of_many if UserNumber._meta.db_table in each["sql"]]
    assert len(inserts) == len(
        [each for each in of_one if UserNumber._meta.db_table in each["sql"]]
    )
    assert set(active_users()) == {numbered(number) for number in range(1, 60)}


def test_user_who_comes_without_a_number_while_folding_waits(monkeypatch):
    leave_numbered((1, NINE), (2, NINE + HOUR))
    give = folding.number_undigested

    def give_then_leave(*arguments):
        give(*arguments)
        leave_numbered((3, NINE))

    monkeypatch.setattr(folding, "number_undigested", give_then_leave)
    list(Digester().fold())
    assert Souvenir.objects.get(digested=False).user_id == numbered(3)
    assert count_active_users() == 3
    monkeypatch.undo()
    digest()
    assert not Souvenir.objects.filter(digested=False).exists()
    assert count_active_users() == 3


def test_steps_are_as_large_as_their_pace_allows(monkeypatch):
    monkeypatch.setattr(digesting, "FIRST_ROWS", 10)
    leave_numbered(*[(number, NINE + number * HOUR) for number in range(1, 60)])
    first, *rest = [batch.souvenirs for batch in Digester().fold()]
    assert first == 10
    assert rest
    assert sum(rest) == 49


def test_a_moment_with_more_souvenirs_than_a_step(monkeypatch):
    monkeypatch.setattr(folding, "ROWS", 4)
    leave_numbered(*[(number, NINE) for number in range(1, 12)])
    assert [batch.souvenirs for batch in Digester().fold()] == [4, 4, 3]
    assert count_active_users() == 11


def test_corrupt_digest_is_rebuilt_for_users_who_lost_their_numbers():
    leave_numbered((1, NINE), (2, NINE))
    digest()
    UserNumber.objects.filter(user_id=numbered(1)).delete()
    flip_a_bit(Digest.objects.get(level=3600))
    leave_numbered((3, NINE))
    digest()
    assert set(active_users()) == {numbered(1), numbered(2), numbered(3)}


def test_number_that_a_transaction_cannot_see_is_not_left_out(monkeypatch):
    leave_numbered((1, NINE))
    digest()
    UserNumber.objects.all().delete()
    monkeypatch.setattr(folding, "give_numbers", lambda keys, alias: None)
    monkeypatch.setattr(transactions, "TRIES", 1)
    with pytest.raises(transactions.Contended, match="cannot see"):
        list(Digester().rebuild())


@pytest.mark.parametrize(
    ("done", "seconds", "size"),
    [
        (10, STEP, 10),
        (10, STEP / 2, 20),
        (10, STEP / 9, 20),
        (10, STEP * 2, 5),
        (10, STEP * 99, 2),
        (9, STEP / 9, 10),
        (9, STEP * 3, 3),
    ],
)
def test_pace(done, seconds, size):
    pace = Pace(2, 25)
    pace.size = 10
    pace.adapt(done, seconds)
    assert pace.size == size


def test_pace_has_a_limit():
    pace = Pace(20, 25)
    pace.adapt(20, STEP / 9)
    assert pace.size == 25

import pytest
from django.contrib.auth import get_user_model
from django.db import NotSupportedError, connection
from django.db.models import CharField, IntegerField

from souvenirs.models import Souvenir
from souvenirs.sets.conditions import IsOneOf
from souvenirs.sets.usersets import UserSet
from souvenirs.sql.parameters import Rank, values_table
from tests.conftest import INSTANT, at, pk_of

pytestmark = pytest.mark.django_db

USER = Souvenir._meta.get_field("user")
WHEN = Souvenir._meta.get_field("when")


def read(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def test_table_numbers_its_rows_from_0():
    table, params = values_table(connection, [USER], [(pk_of(n),) for n in (7, 8, 9)])
    assert sorted(int(n) for (n,) in read(f"SELECT n FROM {table}", params)) == [0, 1, 2]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Others take no NUL, or as it is.")
def test_table_keeps_nul_and_tells_it_from_its_escape():
    texts = ["a\0b\0\0c", "\0", "\\u0000", "\\\0", "\ue000", "ab", None]
    table, params = values_table(
        connection, [CharField(), IntegerField()], [(text, 7) for text in texts]
    )
    assert read(f"SELECT c0, c1 FROM {table} ORDER BY n", params) == [(text, 7) for text in texts]


def test_table_of_no_rows():
    table, params = values_table(connection, [USER, WHEN], [])
    assert not read(f"SELECT n, c0, c1 FROM {table}", params)


def test_table_compares_with_the_column_as_stored(leave):
    leave((1, at(2016, 1, 1, 12, 30, 15, 999_999)))
    moments = [at(2016, 1, 1, 12, 30, 15, 999_999), at(2016, 1, 1, 12, 30, 16)]
    table, params = values_table(connection, [USER, WHEN], [(pk_of(1), when) for when in moments])
    quote = connection.ops.quote_name
    join = f"s.user_id = v.c0 AND s.{quote('when')} = v.c1"
    rows = read(f"SELECT n FROM {table} JOIN souvenirs_souvenir s ON {join}", params)
    assert [int(n) for (n,) in rows] == [0]


def test_other_engines_are_refused_by_name():
    class Oracle:
        vendor = "oracle"

    class Field:
        def db_type(self, connection):
            return "integer"

        def get_db_prep_value(self, value, connection):
            return value

    with pytest.raises(NotSupportedError, match="not on oracle"):
        values_table(Oracle(), [Field()], [(1,)])


def test_is_one_of_takes_more_values_than_engines_take_parameters(make_user):
    users = [make_user(), make_user()]
    keys = [pk_of(n) for n in range(2, 300_000)]
    found = get_user_model().objects.filter(IsOneOf("pk", USER, keys))
    assert [user.pk for user in found] == [users[1].pk]


def test_is_one_of_nothing_is_nobody(make_user):
    make_user()
    assert not get_user_model().objects.filter(IsOneOf("pk", USER, [])).exists()


@pytest.mark.skipif(
    not isinstance(get_user_model()._meta.pk, IntegerField), reason="keys are no numbers"
)
@pytest.mark.parametrize("ids", [{1, 2, 5}, {5}, {1, 3, 4, 6, 99}, {0, 2}, {1, 5, 2**31 - 1}])
def test_is_one_of_numbers_whether_they_are_many_or_few(make_user, ids):
    """The flags of a dense set end with its greatest number; there are users beyond it."""
    for _ in range(7):
        make_user()
    users = get_user_model().objects.filter(pk__gte=0)
    condition = IsOneOf("pk", USER, UserSet.from_ids(ids))
    keys = {user.pk for user in users}
    assert {user.pk for user in users.filter(condition)} == keys & ids
    assert {user.pk for user in users.exclude(condition)} == keys - ids


@pytest.mark.parametrize(
    ("when", "rank"),
    [
        (at(2016, 1, 1) - INSTANT, 0),
        (at(2016, 1, 1), 1),
        (at(2016, 2, 1) - INSTANT, 1),
        (at(2016, 2, 1), 2),
        (at(2016, 3, 1), 3),
        (at(2016, 4, 1), 3),
    ],
)
def test_rank_counts_the_values_up_to_the_column(leave, when, rank):
    leave((1, when))
    values = [at(2016, 1, 1), at(2016, 2, 1), at(2016, 3, 1)]
    assert Souvenir.objects.values_list(Rank("when", WHEN, values), flat=True).get() == rank


def test_rank_among_as_many_values_as_it_takes(leave):
    start = at(2016, 1, 1)
    values = [start + n * INSTANT for n in range(Rank.LIMIT)]
    leave((1, values[2_789]))
    assert Souvenir.objects.values_list(Rank("when", WHEN, values), flat=True).get() == 2_790

import random
from datetime import date, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from souvenirs.control import ActiveUsers, active_users, count_active_users
from souvenirs.digests.digester import Digester
from souvenirs.models import Digest, Souvenir, Usage
from souvenirs.sets.usersets import UserSet
from tests.conftest import INSTANT, at, pk_of

pytestmark = pytest.mark.django_db

NOON = at(2016, 2, 14, 12)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (NOON, None, 1),
        (NOON + INSTANT, None, 0),
        (None, NOON, 0),
        (None, NOON + INSTANT, 1),
        (NOON, NOON + INSTANT, 1),
        (NOON, NOON, 0),
        (NOON - INSTANT, NOON, 0),
        (None, None, 1),
    ],
)
def test_range_is_half_open(leave, start, end, expected):
    leave((1, NOON))
    assert count_active_users(start, end) == expected
    assert len(active_users(start, end)) == expected


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (2, 4), (3, 9), (5, 9), (1, 1)])
def test_page_is_a_slice_in_the_order_of_keys(leave, start, stop):
    leave(*[(number, NOON) for number in (3, 5, 1, 2, 4)])
    expected = [pk_of(number) for number in range(1, 6)][start:stop]
    assert active_users().page(start, stop) == expected


def test_user_counts_once_however_often_seen(leave):
    leave((1, NOON), (1, NOON), (1, NOON + INSTANT), (2, NOON))
    assert count_active_users() == 2


def test_user_seen_twice_in_part_of_an_hour_counts_once(leave):
    leave((1, at(2025, 1, 1, 8)), (2, at(2025, 1, 1, 9, 10)), (2, at(2025, 1, 1, 9, 20)))
    list(Digester().run())
    assert count_active_users(at(2025, 1, 1, 9, 5), at(2025, 1, 1, 9, 55)) == 1


def test_deleted_user_still_counts(make_user, leave):
    user = make_user()
    leave((1, NOON))
    user.delete()
    assert count_active_users() == 1
    assert pk_of(1) in active_users()


def test_count_equals_brute_force_at_every_instant(leave):
    chance = random.Random(11)
    rows = [(chance.randint(1, 9), NOON + chance.randint(0, 40) * INSTANT) for _ in range(60)]
    leave(*rows)
    edges = [NOON + n * INSTANT for n in range(-1, 43)]
    for _ in range(60):
        start, end = sorted(chance.sample(edges, 2))
        expected = {pk_of(user) for user, when in rows if start <= when < end}
        assert active_users(start, end) == expected
        assert count_active_users(start, end) == len(expected)


def test_queryset_of_souvenirs_restricts_the_count(make_user, leave):
    make_user()
    make_user()
    leave((1, NOON), (2, NOON), (2, NOON - 2 * INSTANT))
    chosen = Souvenir.objects.filter(user_id=pk_of(2))
    assert count_active_users(qs=chosen) == 1
    assert count_active_users(NOON, NOON + INSTANT, qs=chosen) == 1
    assert count_active_users(NOON + INSTANT, qs=chosen) == 0
    assert count_active_users(end=NOON - 2 * INSTANT, qs=chosen) == 0


@pytest.mark.parametrize(
    "queryset",
    [
        lambda: Souvenir.objects.order_by("-when"),
        lambda: Souvenir.objects.order_by("user__last_login"),
        lambda: Souvenir.objects.values("when"),
        lambda: Souvenir.objects.distinct(),
        lambda: Souvenir.objects.filter(user__last_login=None),
        lambda: Souvenir.objects.select_related("user"),
    ],
)
def test_any_queryset_counts_distinct_users(make_user, leave, queryset):
    make_user()
    make_user()
    leave((1, NOON), (1, NOON + INSTANT), (2, NOON))
    assert count_active_users(NOON, qs=queryset()) == 2


def test_sliced_queryset_is_refused():
    with pytest.raises(ValueError, match="qs is sliced"):
        count_active_users(qs=Souvenir.objects.all()[:5])


@pytest.mark.parametrize(
    ("qs", "error", "message"),
    [
        (lambda: get_user_model()._default_manager.all(), ValueError, "qs is a queryset of .*: "),
        (lambda: Digest.objects.all(), ValueError, "Digest: pass one of souvenirs.Souvenir"),
        (lambda: Souvenir.objects, TypeError, "qs must be a queryset of souvenirs, not <"),
        (lambda: [1, 2], TypeError, r"qs must be a queryset of souvenirs, not \[1, 2\]"),
    ],
)
@pytest.mark.parametrize("by", [None, {"one": [1]}])
def test_what_is_no_queryset_of_souvenirs_is_refused(qs, error, message, by):
    with pytest.raises(error, match=message):
        count_active_users(qs=qs(), by=by)


def test_queryset_of_a_proxy_model_is_accepted(leave):
    leave((1, NOON))
    assert count_active_users(qs=Usage.objects.all()) == 1


@pytest.mark.parametrize("function", [count_active_users, active_users])
def test_exclusive_without_segments_is_refused(function, django_assert_num_queries):
    with (
        django_assert_num_queries(0),
        pytest.raises(ValueError, match="exclusive requires by, which names the segments"),
    ):
        function(exclusive=True)


@pytest.mark.parametrize("function", [count_active_users, active_users])
@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (datetime(2016, 1, 1), None, ValueError, "start is a naive datetime, 2016-01-01 00:00:00"),
        (None, datetime(2016, 1, 1), ValueError, "end is a naive datetime"),
        (date(2016, 1, 1), None, TypeError, "start must be a datetime, not datetime.date"),
        (None, "2016", TypeError, "end must be a datetime, not '2016'"),
    ],
)
def test_bad_range_is_refused(function, start, end, error, message):
    with pytest.raises(error, match=message):
        function(start, end)


def test_start_later_than_the_end(leave):
    leave((1, NOON - INSTANT), (1, NOON))
    later, end = NOON + INSTANT, NOON - INSTANT
    assert count_active_users(later, end) == 0
    assert count_active_users(later, end, Souvenir.objects.all()) == 0
    assert dict(count_active_users(later, end, by={"one": [pk_of(1)]})) == {"one": 0}
    with pytest.raises(ValueError, match=r"start 2016-02-14 12:00:00.* is later than end 2016"):
        active_users(later, end)


def test_naive_range_without_time_zone_support(settings, leave):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    leave((1, datetime(2016, 2, 14, 12)))
    assert count_active_users(datetime(2016, 2, 14, 12), datetime(2016, 2, 15)) == 1
    assert count_active_users(at(2016, 2, 14, 11), at(2016, 2, 14, 11) + INSTANT) == 1
    assert count_active_users(datetime(2016, 2, 14, 12, 0, 1)) == 0


def test_count_takes_three_queries(leave, django_assert_num_queries):
    leave((1, NOON))
    with django_assert_num_queries(3):
        count_active_users(NOON, NOON + timedelta(days=30))


def test_set_knows_users_and_keys(make_user, leave):
    one, other = make_user(), make_user()
    leave((1, NOON))
    found = active_users()
    assert one in found
    assert one.pk in found
    assert other not in found
    assert AnonymousUser() not in found


def test_set_algebra(leave):
    leave((1, NOON), (2, NOON), (2, NOON + INSTANT), (3, NOON + INSTANT))
    before, after = active_users(end=NOON + INSTANT), active_users(start=NOON + INSTANT)
    assert before & after == {pk_of(2)}
    assert before | after == {pk_of(1), pk_of(2), pk_of(3)}
    assert before - after == {pk_of(1)}
    assert before ^ after == {pk_of(1), pk_of(3)}
    assert before & after <= before
    assert isinstance(before - after, ActiveUsers)


def test_set_has_its_keys(leave):
    leave((1, NOON), (2, NOON))
    found = active_users()
    assert found.pks == frozenset(found) == {pk_of(1), pk_of(2)}
    assert repr(found) == "<ActiveUsers: 2>"


def test_set_algebra_with_users(make_user, leave):
    ann, bob = make_user(), make_user()
    leave((1, NOON), (2, NOON))
    everyone = active_users()
    assert everyone - [bob] == {ann.pk}
    assert everyone & get_user_model().objects.filter(pk=ann.pk) == {ann.pk}
    assert list((everyone & [ann]).users()) == [ann]
    assert everyone | [bob] == everyone


@pytest.mark.parametrize("kind", [list, set, frozenset, iter])
def test_operators_take_users_in_any_iterable(make_user, leave, kind):
    ann, bob = make_user(), make_user()
    leave((1, NOON), (2, NOON))
    assert active_users() - kind([bob]) == {ann.pk}
    assert active_users() & kind([bob]) == {bob.pk}
    assert ActiveUsers(kind([ann, bob])) == {ann.pk, bob.pk}


def test_key_may_be_written_as_text(leave):
    leave((1, NOON), (2, NOON))
    key = str(pk_of(1))
    assert count_active_users(users=[key]) == 1
    assert active_users(users=[key]) == active_users() & [key] == {pk_of(1)}


@pytest.mark.parametrize("stray", [None, True, 1.0, b"1", AnonymousUser(), Souvenir(pk=1)])
def test_what_is_no_user_is_refused_in_a_group(leave, stray):
    leave((1, NOON))
    for verb in (active_users, count_active_users):
        with pytest.raises(ValueError, match="give a saved user or its primary key"):
            verb(users=[pk_of(1), stray])
    with pytest.raises(ValueError, match="give a saved user or its primary key"):
        active_users() & [stray]


def test_operators_refuse_a_queryset_of_something_else(leave):
    leave((1, NOON))
    with pytest.raises(ValueError, match=r"users is a queryset of souvenirs\.Souvenir"):
        active_users() & Souvenir.objects.all()


def test_equal_sets_have_equal_hashes():
    assert {ActiveUsers([1, 2]), ActiveUsers([2, 1])} == {ActiveUsers([1, 2])}


def test_empty_set():
    assert not active_users()
    assert not active_users().users().exists()


def test_users_of_a_set_are_built_lazily(make_user, leave, django_assert_num_queries):
    user = make_user()
    make_user()
    leave((1, NOON))
    found = active_users()
    with django_assert_num_queries(0):
        users = found.users()
    with django_assert_num_queries(1):
        assert list(users) == [user]


def test_users_of_a_set_can_be_filtered_ordered_and_sliced(make_user, leave):
    for _ in range(5):
        make_user()
    leave(*((n, NOON) for n in (1, 2, 3, 4, 99)))
    users = active_users().users()
    assert users.count() == 4
    chosen = users.exclude(pk=pk_of(2)).order_by("-pk")[:2]
    assert [user.pk for user in chosen] == [pk_of(4), pk_of(3)]


def test_souvenirs_in_the_fold_of_a_clock_are_told_apart(leave):
    """01:30 occurs twice in Paris on 30 October 2016; the database keeps UTC."""
    leave((1, at(2016, 10, 30, 0, 30)), (2, at(2016, 10, 30, 1, 30)))
    assert active_users(at(2016, 10, 30, 0), at(2016, 10, 30, 1)) == {pk_of(1)}


@pytest.mark.parametrize("spell", [lambda key: key, str])
def test_group_of_primary_keys_however_they_are_spelt(leave, spell):
    leave((1, NOON), (2, NOON), (3, NOON))
    assert count_active_users(users=[spell(pk_of(1)), spell(pk_of(3)), spell(pk_of(4))]) == 2


def test_group_of_users_or_of_a_queryset(make_user, leave):
    ann, _ = make_user(), make_user()
    leave((1, NOON), (2, NOON))
    user_model = get_user_model()
    assert active_users(users=[ann]).pks == {ann.pk}
    assert active_users(users=user_model.objects.filter(pk=ann.pk)).pks == {ann.pk}
    assert active_users(users=active_users(users=[ann])).pks == {ann.pk}


def test_empty_group(leave):
    leave((1, NOON))
    assert count_active_users(users=[]) == len(active_users(users=[])) == 0


def test_group_in_a_queryset_of_souvenirs(leave):
    leave((1, NOON), (2, NOON))
    assert count_active_users(qs=Souvenir.objects.all(), users=[pk_of(2)]) == 1


@pytest.mark.parametrize("group", ["1", b"1", 7])
def test_invalid_group_is_refused(group):
    with pytest.raises(TypeError, match="users must be a queryset"):
        count_active_users(users=group)


def test_group_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"users is a queryset of souvenirs\.Souvenir"):
        count_active_users(users=Souvenir.objects.all())


@pytest.mark.parametrize("member", [None, AnonymousUser()])
def test_group_with_an_invalid_member_is_refused(member):
    with pytest.raises(ValueError, match="user"):
        count_active_users(users=[member])


def test_group_as_a_user_set(leave):
    if type(pk_of(1)) is not int:
        pytest.skip("a UserSet is of whole numbers")
    leave((1, NOON), (2, NOON))
    assert count_active_users(users=UserSet.from_ids([2, 3])) == 1


def test_operators_refuse_what_is_no_set():
    with pytest.raises(TypeError, match="unsupported operand"):
        active_users() & 5

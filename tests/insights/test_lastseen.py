import pickle
import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, UserManager
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from souvenirs.calendar.grid import HOUR_LEVEL, moment_of
from souvenirs.calendar.instants import stored
from souvenirs.control import CorruptDigest, PrunedSpan, active_users, erase_user
from souvenirs.counting import WasSeen
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import (
    ActivityQuerySet,
    active_days,
    active_series,
    first_seen,
    first_seen_many,
    inactive,
    last_seen,
    last_seen_many,
    never_seen,
    recently_seen,
)
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import get_store
from souvenirs.stores.numbers import numbers_of
from tests.conftest import INSTANT, at, build_user, fewer_where_brief, pk_of
from tests.digesting import MINUTE, START, bucket_of, digest, flip_a_bit, sightings

pytestmark = pytest.mark.django_db(transaction=True)

NINE = at(2025, 3, 31, 9)
TEN = NINE + 60 * MINUTE
HOURS = 60 * MINUTE
DAY = timedelta(days=1)
NOW = START + 4 * DAY
USERS = range(1, 23)  # of whom the last two are never seen


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def users(db):
    get_user_model()._default_manager.bulk_create([build_user(number) for number in USERS])


def prune(before=NOW):
    return sum(step.souvenirs for step in Pruner(before).run())


def length(seconds, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = seconds


MIDDLE = START + 2 * DAY


def split(rows, share=0.5):
    cut = int(len(rows) * share)
    return rows[:cut], rows[cut:]


def raw(rows, leave, settings):
    leave(*rows)


def digested(rows, leave, settings):
    leave(*rows)
    digest()


def half_digested(rows, leave, settings):
    some, others = split(rows)
    digested(some, leave, settings)
    leave(*others)


def pruned(rows, leave, settings):
    digested(rows, leave, settings)
    prune()


def half_pruned(rows, leave, settings):
    digested(rows, leave, settings)
    prune(MIDDLE)


def pruned_with_late_ones(rows, leave, settings):
    some, others = split(rows, 0.8)
    pruned(some, leave, settings)
    leave(*others)


def pruned_with_late_ones_digested(rows, leave, settings):
    pruned_with_late_ones(rows, leave, settings)
    digest()


def pruned_in_finer_buckets(rows, leave, settings):
    length(900, settings)
    half_pruned(rows, leave, settings)


def pruned_in_buckets_of_each_length(rows, leave, settings):
    for part, seconds in enumerate((3600, 1800, 900)):
        length(seconds, settings)
        digested(rows[part::4], leave, settings)
        prune(NOW - part * DAY)
    leave(*rows[3::4])


WORLDS = [
    raw,
    digested,
    half_digested,
    pruned,
    half_pruned,
    pruned_with_late_ones,
    pruned_with_late_ones_digested,
    pruned_in_finer_buckets,
    pruned_in_buckets_of_each_length,
]
#: What there is to read is all in this one: souvenirs, digests, and pruned ones of both.
MIXED = [pruned_with_late_ones_digested]


@pytest.fixture(
    params=fewer_where_brief(WORLDS, kept=MIXED),
    ids=lambda world: world.__name__,
)
def moments(request, users, leave, settings):
    """Create souvenirs, and return the known moments of each user."""
    rows = sorted(set(sightings(count=200)))
    random.Random(3).shuffle(rows)
    request.param(rows, leave, settings)
    known = {pk_of(number): set() for number in USERS}
    for key, when in Souvenir.objects.values_list("user", "when"):
        known[key].add(when)
    numbers = numbers_of(known, "default")
    for bucket in Digest.objects.filter(level__lte=HOUR_LEVEL, is_pruned=True):
        inside = bucket.users()
        for key in [key for key, number in numbers.items() if number in inside]:
            known[key].add(moment_of(bucket.start))
    return known


def check_ends(moments):
    keys = list(moments)
    assert last_seen_many(keys) == {key: max(moments[key], default=None) for key in keys}
    assert first_seen_many(keys) == {key: min(moments[key], default=None) for key in keys}
    for key in keys[::5]:
        assert last_seen(key) == max(moments[key], default=None)
        assert first_seen(key) == min(moments[key], default=None)


def check_lists(moments):
    """Exactly at the cutoff a user is recent, and an instant later no more."""
    lasts = {key: max(known, default=None) for key, known in moments.items()}
    edges = (-INSTANT, timedelta(), INSTANT)
    cutoffs = {last + edge for last in lasts.values() if last for edge in edges}
    for cutoff in random.Random(4).sample(sorted(cutoffs), 30):
        within = NOW - cutoff
        recent = {key for key, last in lasts.items() if last and last >= cutoff}
        gone = {key for key, last in lasts.items() if last and last < cutoff}
        assert keys_in(recently_seen(within)) == recent
        assert keys_in(inactive(within)) == gone
    assert keys_in(never_seen()) == {pk_of(21), pk_of(22)}


def keys_in(queryset):
    keys = list(queryset.values_list("pk", flat=True))
    assert len(keys) == len(set(keys)) == queryset.count()
    return set(keys)


def check_days(moments):
    for zone in ("UTC", "Asia/Tokyo"):
        for key in list(moments)[::4]:
            local = {when.astimezone(ZoneInfo(zone)).date() for when in moments[key]}
            assert active_days(key, tz=zone) == sorted(local)


def check_that_every_user_is_in_exactly_one_list(moments):
    for within in (INSTANT, 30 * HOURS, 50 * HOURS, 1000 * DAY):
        lists = [recently_seen(within), inactive(within), never_seen()]
        keys = [key for queryset in lists for key in keys_in(queryset)]
        assert sorted(keys) == sorted(moments)


def test_answers_are_those_of_all_that_is_known(moments):
    """One test for all of them: to digest and prune these takes longer than to ask."""
    check_ends(moments)
    check_lists(moments)
    check_days(moments)
    check_that_every_user_is_in_exactly_one_list(moments)


@pytest.fixture
def morning(users, leave):
    """Users 1 and 2 at nine, user 3 at ten."""
    leave((1, NINE + 5 * MINUTE), (2, NINE + 40 * MINUTE), (3, TEN))


@pytest.mark.usefixtures("morning")
def test_moment_is_that_of_the_souvenir_and_else_the_start_of_its_bucket(leave):
    leave((1, NINE + 3 * HOURS), (2, NINE - 3 * HOURS))
    assert (last_seen(pk_of(1)), first_seen(pk_of(1))) == (NINE + 3 * HOURS, NINE + 5 * MINUTE)
    digest()
    prune(TEN)
    assert (last_seen(pk_of(1)), first_seen(pk_of(1))) == (NINE + 3 * HOURS, NINE)
    assert (last_seen(pk_of(2)), first_seen(pk_of(2))) == (NINE, NINE - 3 * HOURS)


@pytest.mark.usefixtures("morning")
def test_late_souvenir_in_a_pruned_bucket_is_later_than_its_start(leave):
    digest()
    prune()
    leave((1, NINE + 20 * MINUTE), (4, NINE + 20 * MINUTE))
    assert (last_seen(pk_of(1)), first_seen(pk_of(1))) == (NINE + 20 * MINUTE, NINE)
    assert last_seen(pk_of(4)) == first_seen(pk_of(4)) == NINE + 20 * MINUTE


@pytest.mark.usefixtures("morning")
def test_souvenir_next_to_pruned_ones_keeps_its_moment(leave):
    """The last day with a user is not always one of pruned buckets, nor is the first."""
    digest()
    prune(TEN)
    leave((3, NINE + 3 * DAY), (2, NINE - 3 * DAY))
    assert (last_seen(pk_of(3)), first_seen(pk_of(3))) == (NINE + 3 * DAY, TEN)
    assert (last_seen(pk_of(2)), first_seen(pk_of(2))) == (NINE, NINE - 3 * DAY)


def test_each_user_has_their_own_ends(users, leave):
    """Souvenirs of one user on either side do not affect those of another."""
    first, second, third, fourth = (NINE + number * DAY for number in range(-3, 1))
    leave((1, second), (1, third), (2, second), (2, third))
    digest()
    leave((1, first), (2, fourth))
    prune()
    leave((1, third + HOURS), (2, second - HOURS))
    one, two = keys(1, 2)
    assert last_seen_many([one, two]) == {one: third + HOURS, two: fourth}
    assert first_seen_many([one, two]) == {one: first, two: second - HOURS}
    leave((3, first), (4, fourth), (5, first), (5, fourth))
    digest()
    prune()
    leave((3, first - HOURS), (4, fourth + HOURS), (5, third), (6, first - DAY), (6, fourth + DAY))
    assert set(last_seen_many(keys(5, 6)).values()) == {fourth, fourth + DAY}
    assert set(first_seen_many(keys(5, 6)).values()) == {first, first - DAY}


@pytest.mark.usefixtures("morning")
def test_user_may_be_given_as_such():
    user = get_user_model().objects.get(pk=pk_of(3))
    assert last_seen(user) == first_seen(user) == TEN
    assert active_days(user) == [date(2025, 3, 31)]


@pytest.mark.usefixtures("morning")
def test_many_may_be_given_in_any_way():
    one, four = (get_user_model().objects.get(pk=pk_of(number)) for number in (1, 4))
    expected = {one.pk: NINE + 5 * MINUTE, four.pk: None}
    users = get_user_model().objects.filter(pk__in=[one.pk, four.pk])
    for given in (
        users,
        users.order_by("-pk")[:2],
        [one, four],
        (u.pk for u in users),
        {one, four},
    ):
        assert last_seen_many(given) == expected
    assert last_seen_many(active_users(TEN)) == {pk_of(3): TEN}
    assert last_seen_many([]) == first_seen_many(users.none()) == {}


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("is_pruned", [False, True])
def test_unknown_user_was_never_seen(is_pruned):
    if is_pruned:
        digest()
        prune()
    for key in (pk_of(22), pk_of(4711)):
        assert last_seen(key) is None
        assert first_seen(key) is None
        assert active_days(key) == []


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("is_pruned", [False, True])
def test_deleted_user_has_a_history_and_is_in_no_list(is_pruned):
    if is_pruned:
        digest()
        prune()
    get_user_model().objects.get(pk=pk_of(3)).delete()
    assert last_seen(pk_of(3)) == TEN
    assert keys_in(recently_seen(10 * DAY)) == {pk_of(1), pk_of(2)}
    assert pk_of(3) not in keys_in(never_seen())


@pytest.mark.usefixtures("morning")
def test_erased_user_has_none():
    digest()
    prune()
    erase_user(pk_of(3))
    assert last_seen(pk_of(3)) is None
    assert pk_of(3) in keys_in(never_seen())


@pytest.mark.usefixtures("morning")
def test_corrupt_digest_of_what_is_pruned_tells_nothing():
    digest()
    prune()
    flip_a_bit(bucket_of(NINE))
    for ask in (lambda: last_seen(pk_of(1)), lambda: list(recently_seen(10 * DAY))):
        with pytest.raises(CorruptDigest):
            ask()


@pytest.mark.usefixtures("morning")
def test_moments_are_naive_without_time_zone_support(settings):
    settings.TIME_ZONE = "Europe/Paris"
    settings.USE_TZ = False
    shown = stored(Souvenir.objects.get(user=pk_of(3)).when)
    expected = shown.astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None)
    assert last_seen(pk_of(3)) == expected
    assert active_days(pk_of(3)) == [expected.date()]
    digest()
    assert last_seen(pk_of(3)) == first_seen(pk_of(3)) == expected
    within = NOW - shown
    assert keys_in(recently_seen(within)) == {pk_of(3)}
    assert keys_in(recently_seen(within - INSTANT)) == set()
    prune()
    assert last_seen(pk_of(3)) == expected
    assert keys_in(inactive(within)) == {pk_of(1), pk_of(2)}


# Lists


@pytest.fixture(params=[False, True], ids=["raw", "pruned"])
def crowd(request, users, leave):
    """Users 1 to 10 an hour ago, users 11 to 20 ten days ago."""
    leave(*((number, NOW - 90 * MINUTE) for number in range(1, 11)))
    leave(*((number, NOW - 10 * DAY) for number in range(11, 21)))
    if request.param:
        digest()
        prune()


def keys(*numbers):
    return [pk_of(number) for number in numbers]


@pytest.mark.usefixtures("crowd")
def test_list_is_paged_filtered_ordered_and_counted():
    some = inactive(DAY).order_by("-pk")
    assert (some.count(), some.exists()) == (10, True)
    assert [user.pk for user in some[:3]] == keys(20, 19, 18)
    assert [user.pk for user in some[8:]] == keys(12, 11)
    assert [user.pk for user in some.filter(pk__gt=pk_of(15))[:2]] == keys(20, 19)
    assert some.exclude(pk__lte=pk_of(19)).get().pk == pk_of(20)
    assert len(list(some.iterator(chunk_size=2))) == 10


@pytest.mark.usefixtures("crowd")
def test_lists_are_combined():
    recent, gone, never = recently_seen(DAY), inactive(DAY), never_seen()
    assert keys_in(recent | gone | never) == set(keys(*USERS))
    assert keys_in(recent & gone) == set()
    assert keys_in(recently_seen(20 * DAY) & gone) == set(keys(*range(11, 21)))
    assert recent.order_by().union(never.order_by(), all=True).count() == 12
    within = get_user_model().objects.filter(Q(pk__in=gone) | Q(pk__in=never))
    assert keys_in(within) == set(keys(*range(11, 23)))


@pytest.mark.usefixtures("crowd")
def test_list_in_a_subquery():
    if any(field.name == "groups" for field in get_user_model()._meta.get_fields()):
        group = Group.objects.create(name="sleepers")
        group.user_set.add(pk_of(11), pk_of(12))
        assert Group.objects.filter(user__in=inactive(DAY)).distinct().get() == group
        assert inactive(DAY).filter(groups=group).count() == 2
    assert Souvenir.objects.filter(user__in=never_seen()).count() == 0


@pytest.mark.parametrize("is_pruned", [False, True])
def test_condition_is_half_open(users, leave, is_pruned):
    leave((1, NINE), (2, TEN))
    if is_pruned:
        digest()
        prune()
    for start, end, expected in (
        (NINE, TEN, {pk_of(1)}),
        (NINE + INSTANT, TEN, set()),
        (NINE, TEN + INSTANT, set(keys(1, 2))),
        (None, TEN, {pk_of(1)}),
        (TEN, None, {pk_of(2)}),
    ):
        assert keys_in(get_user_model().objects.filter(WasSeen(start, end))) == expected


@pytest.mark.usefixtures("crowd")
def test_list_is_pickled_like_any_queryset():
    query = pickle.loads(pickle.dumps(inactive(DAY).query))
    again = get_user_model().objects.all()
    again.query = query
    assert keys_in(again) == set(keys(*range(11, 21)))


@pytest.mark.usefixtures("crowd")
def test_list_changes_and_deletes_its_users():
    assert never_seen().update(password="!") == 2
    assert never_seen().delete()[0] == 2
    assert get_user_model().objects.count() == 20


@pytest.mark.usefixtures("crowd")
def test_list_is_that_of_when_it_is_read(leave):
    some = never_seen()
    leave((21, NOW - HOURS))
    assert keys_in(some) == set(keys(22))


def test_pruning_between_creating_and_reading_a_list_loses_no_user(users, leave):
    leave((1, NOW - 3 * HOURS), (2, NOW - 3 * DAY))
    recent, gone = recently_seen(DAY), inactive(DAY)
    digest()
    prune()
    assert (keys_in(recent), keys_in(gone)) == (set(keys(1)), set(keys(2)))


@pytest.mark.usefixtures("crowd")
def test_queryset_to_start_from_is_narrowed():
    some = get_user_model().objects.filter(pk__in=keys(1, 2, 11, 21))
    assert keys_in(recently_seen(DAY, some)) == set(keys(1, 2))
    assert keys_in(inactive(DAY, queryset=some)) == set(keys(11))
    assert keys_in(never_seen(some)) == set(keys(21))


@pytest.mark.usefixtures("crowd")
def test_querysets_of_a_manager_have_the_lists():
    manager = get_user_model().objects
    if isinstance(manager, UserManager):
        manager = ActivityQuerySet(get_user_model())
    assert keys_in(manager.recently_seen(DAY)) == set(keys(*range(1, 11)))
    assert keys_in(manager.filter(pk__lt=pk_of(13)).inactive(DAY)) == set(keys(11, 12))
    assert keys_in(manager.inactive()) == set()
    assert keys_in(manager.never_seen().filter(pk=pk_of(22))) == {pk_of(22)}


def test_ninety_days_are_the_length_of_inactivity(users, leave):
    leave((1, NOW - 90 * DAY), (2, NOW - 90 * DAY - INSTANT))
    assert keys_in(inactive()) == {pk_of(2)}


def test_just_registered_user_is_not_inactive(make_user):
    make_user(joined=NOW - HOURS)
    make_user(joined=NOW - 1000 * DAY)
    assert keys_in(inactive()) == set()
    assert keys_in(never_seen()) == set(keys(1, 2))


# Queries


def queries_of(ask):
    with CaptureQueriesContext(connection) as queries:
        ask()
    return len(queries)


@pytest.mark.parametrize("ask", [last_seen, first_seen])
def test_many_months_take_as_many_queries_as_one(users, leave, ask):
    leave((1, NOW - 9 * DAY))
    leave(*((2, NOW - 9 * number * DAY) for number in range(1, 30)))
    digest()
    prune()
    assert queries_of(lambda: ask(pk_of(2))) == queries_of(lambda: ask(pk_of(1)))


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("ask", [last_seen_many, first_seen_many])
def test_many_take_as_many_queries_as_one(ask):
    assert queries_of(lambda: ask(keys(*range(11, 23)))) == queries_of(lambda: ask(keys(11, 21)))


def test_without_pruning_it_takes_two_queries(users, leave):
    leave(*((number, NOW - number * DAY) for number in USERS))
    digest()
    assert queries_of(lambda: last_seen_many(keys(*USERS))) == 2
    assert queries_of(lambda: list(recently_seen(DAY)[:5])) == 2
    assert queries_of(lambda: list(inactive(DAY)[:5])) == 3


def test_whoever_came_after_all_pruned_ones_is_not_searched_for(users, leave):
    leave((1, NOW - 10 * DAY), (1, NOW - HOURS), (2, NOW - HOURS))
    digest()
    prune(NOW - DAY)
    assert queries_of(lambda: last_seen_many(keys(1, 2))) == 2


@pytest.mark.thorough
def test_history_of_years_takes_a_fixed_number_of_queries(users, leave):
    leave((1, NOW - 3 * DAY))
    digest()
    prune()
    few = queries_of(lambda: active_days(pk_of(1)))
    leave(*((1, NOW - days * DAY) for days in range(1, 900, 7)))
    digest()
    prune()
    assert queries_of(lambda: active_days(pk_of(1))) == few
    assert len(active_days(pk_of(1))) == 130


@pytest.mark.usefixtures("morning")
def test_more_users_than_fit_into_one_statement(monkeypatch):
    monkeypatch.setattr("souvenirs.stores.queries.PROBES", 2)
    found = last_seen_many(keys(1, 2, 3, 4, 5))
    assert [moment for moment in found.values() if moment is None] == [None, None]
    assert found[pk_of(3)] == TEN


# Days


def test_days_have_the_range_of_an_insight(users, leave):
    leave(*((1, NINE + number * DAY) for number in range(-9, 3)))
    days = active_days(pk_of(1), NINE, NINE + 2 * DAY)
    assert days == [date(2025, 3, 31), date(2025, 4, 1)]
    assert active_days(pk_of(1), NINE, NINE + DAY + INSTANT) == days
    assert active_days(pk_of(1), NINE + DAY, NINE + DAY) == []


@pytest.mark.parametrize(
    ("when", "day"),
    [
        (at(2025, 3, 30, 18, 30) - INSTANT, date(2025, 3, 30)),
        (at(2025, 3, 30, 18, 30), date(2025, 3, 31)),
    ],
)
def test_days_begin_at_midnight_of_the_zone(users, leave, when, day):
    leave((1, when))
    for _ in range(2):
        assert active_days(pk_of(1), tz="Asia/Kolkata") == [day]
        digest()


def test_midnight_inside_a_pruned_bucket_is_refused_to_whom_it_concerns(users, leave):
    leave((1, at(2025, 3, 30, 18, 40)), (2, at(2025, 3, 30, 18)), (2, at(2025, 3, 31, 3)))
    leave((3, at(2025, 3, 30, 17)), (3, at(2025, 3, 31, 19)))
    digest()
    prune()
    for number in (1, 2):
        with pytest.raises(PrunedSpan, match="18:00 to 2025-03-30 19:00 UTC"):
            active_days(pk_of(number), tz="Asia/Kolkata")
    assert active_days(pk_of(1), tz="UTC") == [date(2025, 3, 30)]


def test_midnight_at_the_start_of_the_range_is_refused_as_well(users, leave):
    leave((1, at(2025, 3, 30, 18, 40)))
    digest()
    prune()
    midnight = at(2025, 3, 30, 18, 30)
    with pytest.raises(PrunedSpan):
        active_days(pk_of(1), midnight, midnight + 3 * DAY, tz="Asia/Kolkata")


def test_midnight_inside_a_pruned_bucket_of_others_is_no_matter(users, leave):
    leave((1, at(2025, 3, 30, 18, 40)), (2, at(2025, 3, 30, 17)), (2, at(2025, 3, 30, 19)))
    digest()
    prune()
    days = [date(2025, 3, 30), date(2025, 3, 31)]
    assert active_days(pk_of(2), tz="Asia/Kolkata") == days
    # Nor is it to any other range of a group.
    midnight = at(2025, 3, 30, 18, 30)
    assert active_users(None, midnight, users=keys(2, 3)).pks == {pk_of(2)}
    series = active_series(START, START + 3 * DAY, tz="Asia/Kolkata", users=keys(2))
    assert sum(series.values) == 2
    with pytest.raises(PrunedSpan):
        active_users(None, midnight, users=keys(1, 2))


# Bad input


@pytest.mark.parametrize("ask", [last_seen, first_seen, active_days])
@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        (None, "user is None: give a saved user or its primary key."),
        (AnonymousUser(), "user is anonymous: give a saved user or its primary key."),
    ],
)
def test_what_is_no_user_is_refused(ask, user, sentence):
    with pytest.raises(ValueError, match=r"^user is") as refused:
        ask(user)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("users", [None, 1, "ann"])
def test_invalid_group_is_refused(users):
    with pytest.raises(
        TypeError, match="users must be a queryset or an iterable of users or primary keys, not"
    ):
        last_seen_many(users)


def test_queryset_of_another_model_is_refused(db):
    own = f"of auth.Group: pass one of {get_user_model()._meta.label}."
    with pytest.raises(ValueError, match=f"^users is a queryset {own}$"):
        last_seen_many(Group.objects.all())
    for ask in (never_seen, lambda groups: inactive(queryset=groups)):
        with pytest.raises(ValueError, match=f"^queryset is a queryset {own}$"):
            ask(Group.objects.all())
    with pytest.raises(TypeError, match=r"^queryset must be a queryset of users, not \[1\]\.$"):
        never_seen([1])


@pytest.mark.parametrize(
    ("length", "error", "sentence"),
    [
        (90, TypeError, "must be a timedelta, not 90."),
        (None, TypeError, "must be a timedelta, not None."),
        (timedelta(), ValueError, "must be positive, not datetime.timedelta(0)."),
        (-DAY, ValueError, "must be positive, not datetime.timedelta(days=-1)."),
        (timedelta.max, ValueError, f"reaches back before the year 1: {timedelta.max!r}."),
    ],
)
def test_length_that_is_none_is_refused(length, error, sentence):
    for ask, name in ((recently_seen, "within"), (inactive, "for_")):
        with pytest.raises(error) as refused:
            ask(length)
        assert str(refused.value) == f"{name} {sentence}"


# The verbs of the store


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (NINE, TEN + HOURS)),
        (NINE, TEN, (NINE, TEN)),
        (NINE + INSTANT, None, (TEN, TEN + HOURS)),
        (None, NINE, None),
        (None, NINE + INSTANT, (NINE, TEN)),
        (TEN + INSTANT, None, None),
    ],
)
def test_pruned_buckets_are_found_by_their_start(start, end, expected):
    store = get_store()
    assert store.pruned(start, end) is None
    digest()
    assert store.pruned(start, end) is None
    prune()
    assert store.pruned(start, end) == expected


@pytest.mark.usefixtures("morning")
def test_rounded_reading_takes_the_start_for_the_moment():
    digest()
    prune()
    ranges = [(NINE - HOURS, NINE), (NINE, NINE + INSTANT), (NINE + INSTANT, TEN), (TEN, None)]
    found = get_store().users_each(ranges, rounded=True)
    everyone = set(keys(1, 2))
    assert [set(users) for users in found] == [set(), everyone, set(), {pk_of(3)}]

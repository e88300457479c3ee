"""Pages of users in the order in which they were last seen, against sorting all users."""

import random
from datetime import timedelta
from itertools import product

import pytest
from django.contrib.auth import get_user_model

from souvenirs.control import ActiveUsers, active_users
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import last_seen_many, seenorder
from souvenirs.insights.seenorder import page_by_last_seen
from souvenirs.models import Souvenir
from tests.conftest import (
    INSTANT,
    at,
    fewer_where_brief,
    pk_of,
    rows_of_a_module,
    write_souvenirs,
)

pytestmark = pytest.mark.django_db

NOW = at(2017, 6, 18, 10, 30)
USERS = range(1, 41)

#: How much is digested, and how much of that is pruned.
STATES = {
    "raw": (None, None),
    "half digested": (at(2017, 2, 1), None),
    "digested": (NOW, None),
    "half pruned": (NOW, at(2017, 2, 10, 6)),
    "pruned": (NOW, NOW),
}


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def sightings():
    """Forty users of half a year, half of them gone after a while; some at the same moments."""
    chance = random.Random(11)
    days = [at(2016, 12, 20) + timedelta(days=chance.randrange(180)) for _ in range(25)]
    hours = [*days, at(2017, 2, 10, 5), at(2017, 2, 10, 6), at(2017, 5, 1, 7)]
    for number in USERS:
        for hour in chance.choices(sorted(hours)[: 5 + number % 25], k=6):
            yield number, hour + timedelta(minutes=chance.choice([0, 0, 17, 46]))
    yield from ((number, NOW - timedelta(minutes=5)) for number in (41, 42))


@pytest.fixture(scope="module", params=fewer_where_brief(STATES, kept=["half pruned"]))
def state(request, django_db_setup, django_db_blocker):
    """The souvenirs of all users, in one of the states, or the lack of any."""
    with rows_of_a_module(django_db_blocker):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("django.utils.timezone.now", lambda: NOW)
            if request.param != "nobody":
                write_souvenirs(*sightings())
                until, pruned = STATES[request.param]
                if until:
                    list(Digester(until=until).run())
                if pruned:
                    list(Pruner(pruned).run())
        yield


#: For what the state does not matter to. As rows of the module remain until all its tests are over,
#: each test asks for a state.
only_raw = pytest.mark.parametrize("state", ["raw"], indirect=True)


@pytest.fixture
def as_of_many_users(monkeypatch):
    """Turn what is done with many users on or off: on such a small site all would be looked up."""
    as_it_is = {name: getattr(seenorder, name) for name in ("FEW_USERS", "SHORT_RANGE")}
    of_many = {"FEW_USERS": 3, "SHORT_RANGE": timedelta(days=100)}

    def turn(is_on):
        for name, value in (of_many if is_on else as_it_is).items():
            monkeypatch.setattr(seenorder, name, value)

    return turn


def in_order(seen, is_descending=False):
    """Sorted by when they were last seen and by key; those never seen come first."""
    earliest = at(1, 1, 1)
    return sorted(
        seen.items(), key=lambda each: (each[1] or earliest, each[0]), reverse=is_descending
    )


def expected(keys, is_descending=False):
    return in_order(last_seen_many(keys), is_descending)


EVERY_PAGE = [(0, 5), (3, 4), (4, 9), (10, 30), (38, 45), (41, 42), (0, 100), (100, 150), (5, 5)]


@pytest.mark.usefixtures("state")
def test_every_page_of_everybody(as_of_many_users):
    seen = last_seen_many(active_users())
    assert len(seen) == 42
    for are_many, is_descending in product((False, True), repeat=2):
        as_of_many_users(are_many)
        every = in_order(seen, is_descending)
        for first, last in EVERY_PAGE:
            found = page_by_last_seen(first, last, is_descending=is_descending)
            assert found == every[first:last], (are_many, first, last)


BOUNDS = [
    {"since": at(2017, 2, 10, 6)},
    {"since": at(2017, 5, 1, 7, 17)},
    {"before": at(2017, 2, 10, 6)},
    {"before": at(2017, 5, 1, 7, 17)},
    {"since": at(2017, 2, 10), "before": at(2017, 4, 1, 12)},
    {"since": NOW + INSTANT},
    {"before": at(2016, 12, 1)},
]


@pytest.mark.usefixtures("state")
def test_only_those_last_seen_in_a_range(as_of_many_users):
    seen = last_seen_many(active_users())
    for are_many, bounds in product((False, True), BOUNDS):
        as_of_many_users(are_many)
        since, before = bounds.get("since", at(1, 1, 1)), bounds.get("before", at(9999, 1, 1))
        within = {key: moment for key, moment in seen.items() if since <= moment < before}
        for is_descending in (False, True):
            every = in_order(within, is_descending)
            for first, last in [(0, 100), (3, 9)]:
                found = page_by_last_seen(first, last, is_descending=is_descending, **bounds)
                assert found == every[first:last], (are_many, bounds, first, last)


@pytest.mark.usefixtures("state")
def test_ends_are_half_open():
    """A user last seen at exactly the bound was not seen before it."""
    for offset in (-INSTANT, timedelta(), INSTANT):
        moment = last_seen_many([pk_of(41)])[pk_of(41)] + offset
        later = {key for key, _ in page_by_last_seen(0, 100, since=moment)}
        earlier = {key for key, _ in page_by_last_seen(0, 100, before=moment)}
        assert (pk_of(41) in later) is (offset <= timedelta())
        assert (pk_of(41) in earlier) is (offset > timedelta())
        assert later | earlier == active_users().pks
        assert not later & earlier


@pytest.mark.usefixtures("state")
def test_only_some_users():
    some = ActiveUsers(pk_of(number) for number in (2, 3, 5, 8, 13, 21, 34, 41, 55, 89))
    moments = last_seen_many(some)
    seen = {key: moment for key, moment in moments.items() if moment}
    assert len(moments) - len(seen) == 2
    for is_descending in (False, True):
        options = {"among": some, "is_descending": is_descending}
        assert page_by_last_seen(0, 100, **options) == in_order(seen, is_descending)
        with_never = page_by_last_seen(0, 100, has_never=True, **options)
        assert with_never == in_order(moments, is_descending)
        assert with_never[7:9] == page_by_last_seen(7, 9, has_never=True, **options)


@pytest.mark.usefixtures("state")
def test_more_ranges_than_one_reading_takes(monkeypatch):
    monkeypatch.setattr(seenorder, "MAX_RANGES", 1)
    assert page_by_last_seen(2, 30) == expected(active_users())[2:30]


@pytest.mark.parametrize("state", ["nobody"], indirect=True)
def test_no_users(state):
    assert page_by_last_seen(0, 10) == []
    keys = [pk_of(1), pk_of(2)]
    found = page_by_last_seen(0, 10, among=ActiveUsers(keys), has_never=True)
    assert found == [(key, None) for key in keys]


@only_raw
def test_users_without_a_moment_are_no_more_than_they_are(state):
    """As after an erasure, between one reading and the next."""
    page_by_last_seen(0, 10)
    Souvenir.objects.filter(user_id=pk_of(41)).delete()
    assert [key for key, _ in page_by_last_seen(0, 1, is_descending=True)] == [pk_of(42)]


@only_raw
def test_souvenir_of_the_future_is_the_last_one(state, leave):
    leave((7, NOW + timedelta(days=400)))
    assert page_by_last_seen(0, 1, is_descending=True) == [(pk_of(7), NOW + timedelta(days=400))]
    assert page_by_last_seen(41, 50)[0][0] == pk_of(7)


@only_raw
def test_deleted_users_are_in_it(state, make_user):
    make_user(41)
    get_user_model()._default_manager.filter(pk=pk_of(41)).delete()
    assert page_by_last_seen(40, 42) == expected([pk_of(41), pk_of(42)])


@pytest.mark.usefixtures("state")
def test_moments_without_time_zone_support(settings):
    every = expected(active_users())
    settings.USE_TZ = False
    found = page_by_last_seen(0, 100)
    assert found == [(key, moment.replace(tzinfo=None)) for key, moment in every]


@pytest.mark.usefixtures("state")
def test_queries_do_not_grow_with_the_range(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(seenorder, "FEW_USERS", 1)
    for is_descending in (False, True):
        with django_assert_max_num_queries(18 if isinstance(pk_of(1), int) else 25):
            page_by_last_seen(0, 5, is_descending=is_descending)

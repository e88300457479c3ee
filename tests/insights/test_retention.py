from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from souvenirs.insights import day_n_retention, retention
from tests.conftest import INSTANT, at, build_user, pk_of
from tests.digesting import digest
from tests.oracle import (
    DAY,
    END,
    NOW,
    START,
    UNITS,
    ZONES,
    Oracle,
    gives_its_users,
    keys,
    sightings,
)

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

LABEL = get_user_model()._meta.label
knows_when_users_joined = pytest.mark.skipif(
    LABEL == "users.BareUser", reason="the user model has no registration date"
)

SEPTEMBER, OCTOBER, NOVEMBER = (at(2017, month, 5) for month in (9, 10, 11))


@pytest.fixture(autouse=True)
def _now(set_now, settings):
    set_now(NOW)
    if LABEL == "users.UUIDUser":
        settings.SOUVENIRS_DATE_JOINED_FIELD = "signed_up"


@pytest.fixture
def join(db):
    """Create users by number with these dates of registration."""

    def create(moments):
        get_user_model().objects.bulk_create(
            build_user(number, joined=moment) for number, moment in moments.items()
        )

    return create


def cells(found):
    return [cohort.cells for cohort in found.cohorts]


def sizes(found):
    return [cohort.size for cohort in found.cohorts]


def numbers(rows):
    return [tuple(None if users is None else len(users) for users in row) for row in rows]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
@pytest.mark.parametrize("mode", ["in", "in_or_later"])
def test_equals_brute_force(leave, zone, interval, mode):
    rows = sightings()
    leave(*rows)
    found = retention(START, END, interval=interval, mode=mode, tz=zone)
    oracle = Oracle(rows, interval=interval, zone=zone)
    cohorts = oracle.first_seen()
    expected = list(oracle.cells(cohorts, mode))
    assert sizes(found) == list(map(len, cohorts))
    assert cells(found) == numbers(expected)
    for n, row in enumerate(expected):
        assert found.users(n).pks == keys(cohorts[n])
        for offset, users in enumerate(row):
            assert users is None or found.users(n, offset).pks == keys(users)
    assert gives_its_users(found)


@pytest.mark.parametrize("now", [NOW, NOW + 50 * DAY])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_state_of_each_cell_equals_brute_force(leave, set_now, zone, interval, now):
    """The last period is running, or over and cut off."""
    set_now(now)
    rows = sightings()
    leave(*rows)
    oracle = Oracle(rows, interval=interval, zone=zone, now=now)
    states = list(map(oracle.incomplete, oracle.periods))
    expected = [state for n in range(len(states)) for state in states[n:]]
    found = retention(START, END, interval=interval, tz=zone)
    assert [row["cell_incomplete"] for row in found.rows()] == expected
    assert expected[-1] == ("running" if now == NOW else "cut")


@knows_when_users_joined
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_cohorts_of_registered_users_equal_brute_force(leave, join, zone, interval):
    rows = sightings()
    leave(*rows[:5])
    # Of the users who are then without a number, some are seen, and some are not.
    digest()
    leave(*rows[5:])
    moments = dict(sightings(seed=2, count=40, users=30))
    join(moments)
    found = retention(START, END, interval=interval, cohort="joined", tz=zone)
    oracle = Oracle(rows, interval=interval, zone=zone)
    cohorts = oracle.joined({n: moment for n, moment in moments.items() if moment < END})
    assert sizes(found) == list(map(len, cohorts))
    assert cells(found) == numbers(oracle.cells(cohorts, knows_size=True))
    assert gives_its_users(found)


@pytest.fixture
def three_months(leave):
    """Users 1 to 4 of September, of whom one comes back in October, two in November; 5 is new."""
    leave(*((user, SEPTEMBER) for user in (1, 2, 3, 4)), (1, OCTOBER), (5, OCTOBER))
    leave((1, NOVEMBER), (2, NOVEMBER))


def test_by_hand(three_months, set_now):
    set_now(at(2017, 12, 1))
    found = retention(SEPTEMBER, at(2017, 12, 1))
    assert sizes(found) == [4, 1, 0]
    assert cells(found) == [(4, 1, 2), (1, 0), (0,)]
    assert [found.share(0, n) for n in range(3)] == [1, 0.25, 0.5]
    assert found.mean() == (1, 1 / 5, 0.5)


def test_in_it_or_later_by_hand(three_months, set_now):
    set_now(at(2017, 12, 1))
    found = retention(SEPTEMBER, at(2017, 12, 1), mode="in_or_later")
    assert cells(found) == [(4, 2, 2), (1, 0), (0,)]
    assert found.users(0, 1).pks == keys([1, 2])


def test_share_of_the_period_before(three_months, set_now):
    set_now(at(2017, 12, 1))
    found = retention(SEPTEMBER, at(2017, 12, 1), reference="previous")
    assert [found.share("2017-09", n) for n in range(3)] == [1, 0.25, 2]
    assert found.mean() == (1, 1 / 5, 2)


def test_share_of_an_empty_period_before_is_none(leave, set_now):
    set_now(at(2017, 12, 1))
    leave((1, SEPTEMBER), (1, NOVEMBER))
    found = retention(SEPTEMBER, at(2017, 12, 1), reference="previous")
    assert [found.share(0, n) for n in range(3)] == [1, 0, None]
    assert found.mean() == (1, 0, None)


def test_mean_leaves_out_empty_cohorts_and_keeps_shares_of_zero(leave, set_now):
    set_now(at(2017, 12, 1))
    leave((1, SEPTEMBER), (1, OCTOBER), (2, NOVEMBER), (3, SEPTEMBER), (4, at(2017, 8, 5)))
    found = retention(at(2017, 8, 1), at(2017, 12, 1))
    assert sizes(found) == [1, 2, 0, 1]
    assert found.mean() == (1, 1 / 3, 0, 0)


def test_cells_of_a_period_that_is_not_over_are_none(three_months):
    found = retention(SEPTEMBER)
    assert sizes(found) == [4, 1, 0]
    assert cells(found) == [(4, 1, None), (1, None), (None,)]
    assert found.mean() == (1, 1 / 4, None)


@pytest.mark.parametrize(("now", "cell"), [(at(2017, 11, 1), 1), (at(2017, 11, 1) - INSTANT, None)])
def test_period_is_over_at_its_end(three_months, set_now, now, cell):
    set_now(now)
    assert cells(retention(SEPTEMBER, at(2017, 11, 1)))[0] == (4, cell)


@pytest.mark.parametrize("mode", ["in", "in_or_later"])
def test_cells_of_a_period_that_is_cut_off_are_in_no_mean(leave, mode):
    leave((1, SEPTEMBER), (2, SEPTEMBER), (2, OCTOBER), (3, at(2017, 10, 20)))
    cut = retention(SEPTEMBER, at(2017, 10, 15), mode=mode)
    assert (sizes(cut), cells(cut), cut.mean()) == ([2, 0], [(2, 1), (0,)], (1, None))
    whole = retention(SEPTEMBER, at(2017, 11, 1), mode=mode)
    assert whole.mean() == (1, 1 / 2)


def test_share_of_the_last_whole_cell_is_in_the_mean(leave):
    leave(*((1, moment) for moment in (at(2017, 8, 5), SEPTEMBER, OCTOBER)), (2, SEPTEMBER))
    found = retention(at(2017, 8, 1), at(2017, 10, 15), reference="previous")
    assert (cells(found), found.mean()) == ([(1, 1, 1), (1, 0), (0,)], (1, 1, None))


def test_period_of_a_cell(three_months):
    found = retention(SEPTEMBER)
    assert [found.period(0, offset).label for offset in range(3)] == [
        "2017-09",
        "2017-10",
        "2017-11",
    ]
    assert found.period("2017-10", 1).incomplete == "running"
    with pytest.raises(IndexError, match="There is no cell at offset 1"):
        found.period("2017-11", 1)


def test_day_that_is_cut_off_is_counted_up_to_there(leave):
    """As a day n, which is over; the user may have come back after the end of the range."""
    leave((1, at(2017, 9, 4, 9)), (1, at(2017, 9, 5, 11)))
    for end, returned in ((at(2017, 9, 5, 11), 0), (at(2017, 9, 5, 12), 1)):
        [found] = day_n_retention(at(2017, 9, 4), end, days=[1]).days
        assert (found.eligible, found.returned, found.incomplete) == (1, returned, "cut")


@pytest.mark.parametrize(
    ("end", "states"),
    [
        (at(2017, 9, 7), [None, None, None]),
        (at(2017, 9, 7) - INSTANT, ["cut", "cut", None]),
        (at(2017, 9, 7) + INSTANT, ["cut", "cut", "cut"]),
        (at(2017, 9, 4), [None, None, None]),
    ],
)
def test_result_says_that_its_last_day_is_cut_off(week, end, states):
    """On the third day after the first one, nobody can have come yet by the second."""
    found = day_n_retention(at(2017, 9, 4), end, days=[1, 2, 3])
    assert [each.incomplete for each in found.days] == states
    assert [each.complete for each in found.days] == [state is None for state in states]
    assert [row["incomplete"] for row in found.rows()] == states


def test_result_without_the_day_under_way_is_complete(week, set_now):
    set_now(at(2017, 9, 6, 12))
    [found] = day_n_retention(at(2017, 9, 4), days=[1]).days
    assert (found.eligible, found.incomplete) == (3, None)


def test_users_who_come_back_in_the_incomplete_period_count_as_later(three_months):
    found = retention(SEPTEMBER, mode="in_or_later")
    assert cells(found)[0] == (4, 2, None)


def test_cohorts_before_the_first_souvenir_are_unknown(leave):
    leave((1, OCTOBER))
    found = retention(SEPTEMBER, at(2017, 11, 1))
    assert sizes(found) == [None, 1]
    assert cells(found) == [(None, None), (1,)]
    assert found.mean() == (1, None)


@knows_when_users_joined
def test_cohorts_of_registered_users_before_the_first_souvenir_are_known(leave, join):
    leave((1, OCTOBER))
    join({1: SEPTEMBER, 2: SEPTEMBER})
    found = retention(SEPTEMBER, at(2017, 11, 1), cohort="joined")
    assert (sizes(found), cells(found)) == ([2, 0], [(None, 1), (0,)])
    assert found.share(0, 1) == 0.5
    previous = retention(SEPTEMBER, at(2017, 11, 1), cohort="joined", reference="previous")
    assert previous.share(0, 1) is None


def test_first_seen_is_over_all_history(leave):
    leave((1, at(2001, 1, 1)), (1, SEPTEMBER), (2, SEPTEMBER))
    assert sizes(retention(SEPTEMBER, at(2017, 10, 1))) == [1]


@knows_when_users_joined
@pytest.mark.parametrize(
    ("joined", "expected"),
    [
        (at(2017, 9, 1) - INSTANT, [0, 0]),
        (at(2017, 9, 1), [1, 0]),
        (at(2017, 10, 1) - INSTANT, [1, 0]),
        (at(2017, 10, 1), [0, 1]),
        (at(2017, 10, 5), [0, 0]),
    ],
)
def test_edges_of_a_cohort_of_registered_users(join, joined, expected):
    join({1: joined})
    assert sizes(retention(SEPTEMBER, at(2017, 10, 5), cohort="joined")) == expected


@knows_when_users_joined
@pytest.mark.parametrize(
    "group", [lambda pks: pks, iter, lambda pks: get_user_model().objects.filter(pk__in=pks)]
)
def test_cohorts_of_registered_users_of_a_group(leave, join, group, django_assert_max_num_queries):
    leave((1, SEPTEMBER), (2, SEPTEMBER), (3, SEPTEMBER))
    join(dict.fromkeys((1, 2, 3), SEPTEMBER))
    users = group([pk_of(1), pk_of(2)])
    with django_assert_max_num_queries(6 if type(pk_of(1)) is int else 7):
        found = retention(SEPTEMBER, at(2017, 10, 1), cohort="joined", users=users)
    assert (sizes(found), cells(found)) == ([2], [(2,)])


@pytest.mark.skipif(LABEL != "users.BareUser", reason="the user model says when a user registered")
def test_user_model_that_does_not_say_when_users_joined():
    with pytest.raises(ValueError, match="name its DateTimeField in SOUVENIRS_DATE_JOINED_FIELD"):
        retention(SEPTEMBER, END, cohort="joined")


@knows_when_users_joined
def test_empty_range_has_no_registered_users():
    assert retention(SEPTEMBER, SEPTEMBER, cohort="joined").cohorts == ()


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("cohort", "seen", "first_seen, joined"),
        ("mode", "later", "in, in_or_later"),
        ("reference", 1, "first, previous"),
        ("mode", [], "in, in_or_later"),
    ],
)
def test_other_choices_are_refused(name, value, choices):
    with pytest.raises(ValueError, match=f"{name} must be one of {choices}, not"):
        retention(START, END, **{name: value})


def test_matrix_of_too_many_cells_is_refused():
    assert len(retention(END - 998 * DAY, END, interval="day").cohorts) == 999
    with pytest.raises(ValueError, match="Retention of 1,000 periods has more than 500,000 cells"):
        retention(END - 999 * DAY, END, interval="day")


@pytest.mark.parametrize("offset", [-1, 3, 2])
def test_cell_that_is_not_there_or_none_has_no_users(three_months, offset):
    with pytest.raises(IndexError, match=f"There is no number at offset {offset}"):
        retention(SEPTEMBER).users(0, offset)


@pytest.mark.parametrize("offset", [-1, 3])
def test_cell_that_is_not_there_has_no_share(three_months, offset):
    with pytest.raises(IndexError, match=f"There is no cell at offset {offset}"):
        retention(SEPTEMBER).share(0, offset)


def cell(size, offset, users, share, incomplete):
    numbers = {"size": size, "offset": offset, "users": users, "share": share}
    return {**numbers, "cell_incomplete": incomplete}


def test_rows(three_months):
    found = retention(OCTOBER)
    october = {"label": "2017-10", "start": at(2017, 10, 1), "end": at(2017, 11, 1)}
    november = {"label": "2017-11", "start": at(2017, 11, 1), "end": NOW}
    october |= {"complete": True, "incomplete": None}
    november |= {"complete": False, "incomplete": "running"}
    assert found.rows() == [
        {**october, **cell(1, 0, 1, 1, None)},
        {**october, **cell(1, 1, None, None, "running")},
        {**november, **cell(0, 0, None, None, "running")},
    ]
    assert found.to_dict() == {
        "insight": "Retention",
        "interval": "month",
        "tz": "UTC",
        "cohort": "first_seen",
        "mode": "in",
        "reference": "first",
        "rows": found.rows(),
        "mean": [1, None],
    }


@pytest.mark.parametrize("zone", ZONES)
def test_day_n_equals_brute_force(leave, zone):
    rows = sightings(users=60)
    leave(*rows)
    found = day_n_retention(START, END, days=(1, 2, 7, 30, 90), tz=zone)
    oracle = Oracle(rows, zone=zone)
    parts = ("eligible", "returned", "returned_or_later")
    for each in found.days:
        for part, users in zip(parts, oracle.day_n(each.days), strict=True):
            assert getattr(each, part) == len(users)
            assert found.users(each.days, part).pks == keys(users)
    assert gives_its_users(found)


@pytest.fixture
def week(leave):
    """Users 1 to 3 first seen on a Monday, 4 on Tuesday; the later days of each."""
    monday = at(2017, 9, 4, 9)
    leave(*((user, monday) for user in (1, 2, 3)), (4, monday + DAY))
    leave((1, monday + DAY), (2, monday + 2 * DAY), (4, monday + 2 * DAY))


def test_day_n_by_hand(week):
    found = day_n_retention(START, at(2017, 9, 7), days=[1, 2, 3])
    assert [(each.eligible, each.returned, each.returned_or_later) for each in found.days] == [
        (4, 2, 3),
        (3, 1, 1),
        (0, 0, 0),
    ]
    assert [(each.share, each.share_or_later) for each in found.days] == [
        (2 / 4, 3 / 4),
        (1 / 3, 1 / 3),
        (None, None),
    ]


@pytest.mark.parametrize(("now", "eligible"), [(at(2017, 9, 6), 3), (at(2017, 9, 6) - INSTANT, 0)])
def test_day_that_is_not_over_has_not_come(week, set_now, now, eligible):
    set_now(now)
    [found] = day_n_retention(START, at(2017, 9, 6), days=[1]).days
    assert found.eligible == eligible


def test_day_n_on_local_days(leave):
    """Eleven in the evening and one in the morning of the next day."""
    leave((1, at(2017, 9, 5, 3)), (1, at(2017, 9, 5, 5)))
    [new_york] = day_n_retention(START, at(2017, 9, 8), days=[1], tz="America/New_York").days
    [utc] = day_n_retention(START, at(2017, 9, 8), days=[1]).days
    assert (new_york.returned, utc.returned) == (1, 0)


@pytest.mark.parametrize(
    "days", [[0], [-1], [1.0], ["7"], [True], "7", 7, [timedelta(days=1)], [None]]
)
def test_other_days_are_refused(days):
    with pytest.raises(ValueError, match="days must be positive whole numbers, not"):
        day_n_retention(START, END, days=days)


def test_days_from_a_generator(week):
    found = day_n_retention(START, at(2017, 9, 7), days=iter([1, 2]))
    assert [each.days for each in found.days] == [1, 2]


def test_day_n_rows(week):
    found = day_n_retention(START, at(2017, 9, 7), days=[1])
    assert found.rows() == [
        {
            "days": 1,
            "complete": True,
            "incomplete": None,
            "eligible": 4,
            "returned": 2,
            "share": 0.5,
            "returned_or_later": 3,
            "share_or_later": 0.75,
        }
    ]
    assert found.to_dict() == {"insight": "DayNRetention", "tz": "UTC", "rows": found.rows()}


def test_users_of_another_day_n_are_refused(week):
    found = day_n_retention(START, at(2017, 9, 7), days=[1])
    with pytest.raises(LookupError, match="There is no day 2"):
        found.users(2)
    with pytest.raises(ValueError, match="part must be eligible, returned or returned_or_later"):
        found.users(1, "gone")

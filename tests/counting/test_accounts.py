import random
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from souvenirs.counting.accounts import accounts_as_of, new_accounts
from souvenirs.reports import registered_users_as_of
from souvenirs.sql.parameters import Rank
from tests.conftest import INSTANT, at, build_user
from tests.servers import USER_MODEL

pytestmark = pytest.mark.django_db

JOINED = at(2016, 1, 1)
HAS_DATE = {"auth.User", "users.UUIDUser", "users.CharUser"}
HAS_ACTIVE = {"auth.User", "users.UUIDUser"}


@pytest.fixture(autouse=True)
def _field_names(settings):
    """What users of these models would set."""
    if get_user_model()._meta.label == "users.UUIDUser":
        settings.SOUVENIRS_DATE_JOINED_FIELD = "signed_up"
        settings.SOUVENIRS_IS_ACTIVE_FIELD = "enabled"


def known(registered, activated):
    """What to expect under the user model of this run."""
    label = get_user_model()._meta.label
    if label not in HAS_DATE:
        return (None, None)
    return (registered, activated if label in HAS_ACTIVE else registered)


@pytest.mark.parametrize(("date", "registered"), [(JOINED, 0), (JOINED + INSTANT, 1)])
def test_registered_before_the_date(make_user, date, registered):
    make_user(joined=JOINED)
    assert registered_users_as_of(date) == known(registered, registered)


def test_activated_are_those_active_today(make_user):
    make_user(joined=JOINED)
    make_user(joined=JOINED, active=False)
    assert registered_users_as_of(JOINED + INSTANT) == known(2, 1)


def test_many_dates_equal_brute_force_in_one_query(db, django_assert_max_num_queries):
    chance = random.Random(3)
    users = [
        build_user(
            number,
            joined=JOINED + timedelta(seconds=chance.randint(0, 10**7)),
            active=chance.random() < 0.7,
        )
        for number in range(1, 300)
    ]
    get_user_model().objects.bulk_create(users)
    field = next((f for f in ("date_joined", "signed_up") if hasattr(users[0], f)), None)
    joined = [getattr(user, field) for user in users] if field else []
    dates = [JOINED + timedelta(seconds=chance.randint(-1000, 11 * 10**6)) for _ in range(500)]
    dates += [moment + INSTANT for moment in joined[:50]] + joined[:50] + dates[:5]
    with django_assert_max_num_queries(1):
        found = accounts_as_of(dates)
    for date, accounts in zip(dates, found, strict=True):
        before = [user for user in users if field and getattr(user, field) < date]
        active = [user for user in before if getattr(user, "enabled", user.is_active)]
        assert accounts == known(len(before), len(active))


def test_more_dates_than_one_query_takes(make_user, monkeypatch):
    monkeypatch.setattr(Rank, "LIMIT", 3)
    for day in (0, 2, 4, 4, 9):
        make_user(joined=JOINED + timedelta(days=day))
    dates = [JOINED + timedelta(days=day) for day in (10, 0, 1, 2, 3, 4, 5, 6, 7)]
    expected = [known(n, n) for n in (5, 0, 1, 1, 2, 2, 4, 4, 4)]
    assert accounts_as_of(dates) == expected


def test_no_dates():
    assert accounts_as_of([]) == []


@pytest.mark.parametrize("setting", ["SOUVENIRS_DATE_JOINED_FIELD", "SOUVENIRS_IS_ACTIVE_FIELD"])
def test_setting_that_names_no_field(settings, setting):
    setattr(settings, setting, "no_such_field")
    if get_user_model()._meta.label not in HAS_DATE and "ACTIVE" in setting:
        pytest.skip("without a date-joined field the other field is not read")
    with pytest.raises(ImproperlyConfigured, match=f"{setting} names 'no_such_field', but "):
        registered_users_as_of(JOINED)


def test_setting_that_names_a_field_without_moments(settings):
    settings.SOUVENIRS_DATE_JOINED_FIELD = "password"
    with pytest.raises(ImproperlyConfigured, match="should be a DateTimeField"):
        registered_users_as_of(JOINED)


def test_without_time_zone_support(make_user, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    make_user(joined=JOINED.replace(tzinfo=None))
    date = JOINED.replace(tzinfo=None)
    assert registered_users_as_of(date) == known(0, 0)
    assert registered_users_as_of(date + INSTANT) == known(1, 1)


@pytest.mark.skipif(USER_MODEL != "users.CharUser", reason="the user model tells who is active")
def test_all_new_accounts_count_as_activated_where_the_user_model_does_not_tell(make_user):
    user = make_user(joined=JOINED)
    [(registered, activated)] = new_accounts([JOINED + INSTANT])
    assert set(registered) == set(activated) == {user.pk}

"""Counts through digests, whatever has been digested, are those of the naive query."""

import random
from collections import deque
from datetime import timedelta

import pytest
from django.db import connection

from souvenirs.calendar.grid import DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, cell_of, second_of
from souvenirs.control import active_users, count_active_users
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.models import Digest, Souvenir, UserNumber
from souvenirs.reports import calendar_daily_usage, calendar_monthly_usage
from souvenirs.sets.keys import FIRST_NUMBER
from souvenirs.sets.usersets import CorruptDigest
from souvenirs.stores import get_store, usable
from souvenirs.stores.reading import PrunedSpan
from tests.conftest import INSTANT, at, pk_of

pytestmark = pytest.mark.django_db(transaction=True)

START, DAYS = at(2025, 1, 10), 45
NOON = at(2025, 2, 3, 12)


def run(steps):
    return deque(steps, maxlen=0)


def digest():
    run(Digester().run())


class History:
    """Souvenirs that a list remembers too."""

    def __init__(self, leave, seed=7, size=500):
        self.chance = random.Random(seed)
        self.leave = leave
        self.rows = []
        self.add(size)

    def add(self, size):
        minutes = DAYS * 24 * 60
        new = [
            (self.chance.randint(1, 40), START + timedelta(minutes=self.chance.randrange(minutes)))
            for _ in range(size)
        ]
        self.leave(*new)
        self.rows += new

    def ranges(self, count=25):
        return [self._range() for _ in range(count)] + [(None, None), (NOON, NOON)]

    def _range(self):
        chance = self.chance
        start = START + timedelta(minutes=chance.randrange(DAYS * 24 * 60))
        length = chance.choice([0, 1, 59, 60, 61, 24 * 60, 3 * 24 * 60, 40 * 24 * 60])
        end = start + timedelta(minutes=length)
        grain = chance.choice(["minute", "hour", "day", "month"])
        cut = {"minute": {}, "hour": {"minute": 0}, "day": {"hour": 0, "minute": 0}}
        cut["month"] = {**cut["day"], "day": 1}
        return start.replace(**cut[grain]), max(end.replace(**cut[grain]), start)

    def naive(self, start, end):
        return {
            pk_of(user)
            for user, when in self.rows
            if (start is None or start <= when) and (end is None or when < end)
        }


def assert_right(history):
    ranges = history.ranges()
    expected = [history.naive(*each) for each in ranges]
    store = get_store()
    assert store.count_each(ranges).counts == [len(users) for users in expected]
    assert [set(users) for users in store.users_each(ranges)] == expected
    group = {pk_of(number) for number in range(1, 60, 3)}
    among = store.count_each(ranges, group).counts
    assert among == [len(users & group) for users in expected]


@pytest.fixture
def history(leave):
    return History(leave)


def test_nothing_digested(history):
    assert_right(history)


def test_everything_digested(history):
    digest()
    assert not Souvenir.objects.filter(digested=False).exists()
    assert Digest.objects.filter(level=MONTH_LEVEL, is_stale=False).exists()
    assert_right(history)


def test_digested_in_part(history):
    run(Digester(until=NOON).run())
    assert_right(history)


def test_digested_without_days_and_months(history):
    run(Digester().fold())
    assert not Digest.objects.filter(level__gte=DAY_LEVEL, is_stale=False).exists()
    assert_right(history)


def test_souvenirs_that_come_late(history):
    digest()
    history.add(100)
    assert_right(history)


def test_late_souvenirs_make_their_days_and_months_stale(history):
    digest()
    history.add(10)
    run(Digester().fold())
    assert Digest.objects.filter(level=DAY_LEVEL, is_stale=True).exists()
    assert_right(history)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(6))
def test_any_state(leave, seed):
    history = History(leave, seed)
    for _ in range(6):
        chance = history.chance
        work = chance.choice(["fold", "refresh", "late", "spoil", "stale", "rebuild"])
        digester = Digester()
        if work in {"fold", "refresh", "rebuild"}:
            steps = getattr(digester, work)()
            run(step for step, _ in zip(steps, range(chance.randint(1, 4)), strict=False))
        elif work == "late":
            history.add(50)
        elif work == "spoil":
            spoil(*Digest.objects.exclude(body=b"").order_by("?")[:2], chance=chance)
        else:
            Digest.objects.filter(
                level__gte=DAY_LEVEL, pk__in=chance.sample(range(500), 50)
            ).update(is_stale=True)
        assert_right(history)


def spoil(*digests, chance=None):
    """Flip one bit of each body."""
    chance = chance or random.Random(1)
    for each in digests:
        body = bytearray(each.body)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        Digest.objects.filter(pk=each.pk).update(body=bytes(body))


@pytest.mark.parametrize("level", [HOUR_LEVEL, DAY_LEVEL, MONTH_LEVEL])
def test_corrupt_digest_is_replaced_by_what_it_was_made_of(history, level):
    digest()
    spoil(*Digest.objects.filter(level=level)[:3])
    assert_right(history)


@pytest.mark.parametrize("level", [DAY_LEVEL, MONTH_LEVEL])
def test_corrupt_count_is_not_believed(history, level):
    digest()
    Digest.objects.filter(level=level).update(count=999)
    assert_right(history)


def test_digest_that_is_gone_is_replaced_by_its_parts(history, monkeypatch):
    """Between the catalog and the reading, nobody deletes a digest but a person."""
    digest()
    catalog = usable.catalog

    def catalog_then_accident(*args):
        found = catalog(*args)
        Digest.objects.filter(level=MONTH_LEVEL).delete()
        return found

    monkeypatch.setattr(usable, "catalog", catalog_then_accident)
    users = active_users(at(2025, 1, 1), at(2025, 2, 28))
    assert set(users) == history.naive(at(2025, 1, 1), at(2025, 2, 28))


@pytest.mark.thorough
@pytest.mark.parametrize("level", [DAY_LEVEL, MONTH_LEVEL])
def test_digest_that_was_never_made_is_not_taken_for_empty(history, level):
    run(Digester().fold())
    Digest.objects.filter(level=level).update(is_stale=False)
    assert_right(history)


def test_corrupt_digest_is_logged_with_the_remedy(history, caplog):
    digest()
    spoil(Digest.objects.filter(level=MONTH_LEVEL).first())
    list(active_users())
    assert "digest_souvenirs --rebuild" in caplog.text


@pytest.mark.thorough
def test_pruned_history_stays_exact_by_the_hour(history):
    digest()
    run(Pruner(START + timedelta(days=DAYS)).run())
    assert not Souvenir.objects.exists()
    hours = [
        tuple(moment and moment.replace(minute=0) for moment in each) for each in history.ranges()
    ]
    hours = [(start, end if end is None else max(start, end)) for start, end in hours]
    counts = get_store().count_each(hours).counts
    assert counts == [len(history.naive(*each)) for each in hours]


@pytest.fixture
def pruned(leave):
    leave((1, NOON), (2, NOON + timedelta(minutes=30)))
    digest()
    run(Pruner(NOON + timedelta(days=1)).run())


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON + INSTANT, None),
        (None, NOON + INSTANT),
        (NOON + timedelta(minutes=10), NOON + timedelta(minutes=20)),
    ],
)
def test_boundary_inside_a_pruned_bucket_is_refused(pruned, start, end):
    with pytest.raises(PrunedSpan, match=r"12:00 to 2025-02-03 13:00 UTC.* 3600 seconds"):
        count_active_users(start, end)


def test_boundaries_of_a_pruned_bucket_are_fine(pruned):
    assert count_active_users(NOON, NOON + timedelta(hours=1)) == 2
    assert count_active_users(NOON + timedelta(hours=1)) == 0
    assert count_active_users(None, NOON) == 0


def test_corrupt_digest_of_pruned_souvenirs_becomes_no_number(pruned):
    spoil(*Digest.objects.all())
    with pytest.raises(CorruptDigest):
        count_active_users()


def test_report_over_pruned_time_knows_where_history_began(pruned):
    days = list(calendar_daily_usage(NOON - timedelta(days=2), NOON + timedelta(days=1)))
    counts = [day["usage"]["active_users"] for day in days]
    assert counts == [None, None, 2, 0]


def test_closed_day_is_answered_without_its_digest(history, django_assert_num_queries):
    digest()
    with django_assert_num_queries(2) as queries_made:
        assert count_active_users(at(2025, 2, 3), at(2025, 2, 4)) == len(
            history.naive(at(2025, 2, 3), at(2025, 2, 4))
        )
    assert not any("body" in query["sql"] for query in queries_made)


@pytest.mark.parametrize("digested", [False, True])
@pytest.mark.parametrize("report", [calendar_daily_usage, calendar_monthly_usage])
def test_report_takes_four_queries(history, django_assert_max_num_queries, report, digested):
    if digested:
        digest()
    # One more where users are not their own numbers.
    with django_assert_max_num_queries(4 if type(pk_of(1)) is int else 5):
        assert list(report(START, START + timedelta(days=DAYS), tz="America/New_York"))


def test_bucket_length_may_change(history, settings):
    digest()
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    history.add(300)
    digest()
    assert {900, 3600} <= set(Digest.objects.values_list("level", flat=True))
    assert_right(history)


def test_short_buckets_answer_pruned_quarters(leave, settings):
    settings.SOUVENIRS_BUCKET_SECONDS = 900
    leave((1, NOON), (2, NOON + timedelta(minutes=30)))
    digest()
    run(Pruner(NOON + timedelta(days=1)).run())
    assert count_active_users(NOON, NOON + timedelta(minutes=15)) == 1
    with pytest.raises(PrunedSpan, match="900 seconds"):
        count_active_users(NOON, NOON + timedelta(minutes=10))


def test_integer_keys_are_their_own_numbers(leave):
    leave((1, NOON))
    digest()
    assert UserNumber.objects.exists() is (type(pk_of(1)) is not int)
    users = active_users()
    assert list(users) == [pk_of(1)]


@pytest.mark.parametrize("key", [-1, FIRST_NUMBER, 2**40])
def test_integer_keys_that_do_not_fit_are_given_numbers(key, db):
    if type(pk_of(1)) is not int or (connection.vendor != "sqlite" and not -(2**31) <= key < 2**31):
        pytest.skip("no such key in this user model")
    souvenirs = [Souvenir(user_id=user, when=NOON) for user in (key, 1)]
    Souvenir.objects.bulk_create(souvenirs)
    assert set(active_users()) == {key, 1}
    digest()
    assert set(active_users()) == {key, 1}
    assert UserNumber.objects.get().user_id == key
    assert count_active_users(users=[key]) == 1


def test_digesting_inside_a_transaction_is_refused(leave):
    from django.db import transaction

    leave((1, NOON))
    with transaction.atomic(), pytest.raises(RuntimeError):
        digest()


def test_naive_time_zone(leave, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    leave((1, NOON.replace(tzinfo=None)), (2, NOON.replace(tzinfo=None, hour=13)))
    before = count_active_users(NOON.replace(tzinfo=None), NOON.replace(tzinfo=None, hour=13))
    digest()
    after = count_active_users(NOON.replace(tzinfo=None), NOON.replace(tzinfo=None, hour=13))
    assert before == after == 1


@pytest.mark.thorough
@pytest.mark.parametrize("level", [HOUR_LEVEL, DAY_LEVEL, MONTH_LEVEL])
def test_version_that_became_zero_is_corrupt(history, level):
    """As one flipped bit makes of a 1."""
    digest()
    Digest.objects.filter(level=level).update(version=0)
    assert_right(history)


@pytest.mark.thorough
def test_day_that_nobody_has_made_is_no_day_without_users(history):
    run(Digester().fold())
    Digest.objects.filter(level=DAY_LEVEL).update(is_stale=False)
    assert_right(history)
    run(Digester().refresh())
    assert_right(history)


def test_first_bucket_digested_during_a_reading_is_not_taken_for_a_lost_one(
    leave, monkeypatch, caplog
):
    """The month has an inventory, left by an erasure, before any bucket has a digest."""
    leave((1, NOON), (2, NOON))
    month = cell_of(MONTH_LEVEL, second_of(NOON))
    digests = get_store().digests
    with digests.locked(month):
        digests.seal(month)
    catalog = usable.catalog

    def then_digested(*arguments):
        found = catalog(*arguments)
        digest()
        return found

    monkeypatch.setattr(usable, "catalog", then_digested)
    assert set(active_users(NOON, NOON + timedelta(hours=2))) == {pk_of(1), pk_of(2)}
    assert Digest.objects.exclude(body=b"").exists()
    assert caplog.messages == []

"""What docs/explanation/alerts.md publishes of real activity."""

from datetime import timedelta

import pytest

from benchmarks._rolling import alerts_of, coverage, days_of, made_up, read
from souvenirs.insights import expectation, forecast
from souvenirs.insights.expectation import expected
from tests.activity import file_of
from tests.conftest import at

pytestmark = [pytest.mark.thorough, pytest.mark.above_the_store]

LONG = "gitgit_commits_original_offset"

#: Years of the development of git, which are as good as all.
SINCE = at(2021, 1, 1)


def activity(name):
    seen = read(file_of(f"{name}.csv.gz"))
    return [each for each in seen if each[0] >= SINCE] if name == LONG else seen


@pytest.mark.parametrize("name", [LONG, "collegemsg", "weblog_auth_users"])
def test_at_most_one_alert_a_month(name):
    found = alerts_of(days_of(activity(name)))
    assert found.days > 100
    assert 30 * found.alerts <= found.days


def test_a_loss_is_found_on_a_site_of_enough_users():
    for users, share in ((300, 0.8), (1000, 0.99)):
        found = alerts_of(made_up(users, days=200))
        assert found.found >= share * found.days
        assert 30 * found.alerts <= found.days


@pytest.mark.parametrize(
    ("name", "interval"),
    [(LONG, "day"), (LONG, "week"), (LONG, "month"), ("collegemsg", "day")],
)
def test_four_of_five_forecasts_are_right(name, interval):
    seen = read(file_of(f"{name}.csv.gz")) if interval != "day" else activity(name)
    found = [is_right for is_right, _ in coverage(seen, interval)]
    assert len(found) > 100
    assert 0.75 <= sum(found) / len(found) <= 0.85


def test_four_days_are_no_history():
    seen = activity("weblog_clients")
    assert alerts_of(days_of(seen)).days == 0
    assert coverage(seen, "day") == []


@pytest.mark.django_db
def test_the_database_gives_the_same(leave):
    """On some days: the benchmark counts from the file itself."""
    seen = activity("collegemsg")
    leave(*((user, when) for when, user in seen))
    days = days_of(seen)
    first = seen[0][0].replace(hour=0, minute=0, second=0) + timedelta(days=1)
    for n in (40, 90, 150):
        counts = [sum(second < 12 * 3600 for second in day.values()) for day in days]
        found = expectation(first + timedelta(days=n, hours=12), tz="UTC")
        assert found.active == counts[n]
        assert (found.value, found.low, found.high) == expected(counts[max(0, n - 63) : n])
        whole = forecast("day", first + timedelta(days=n, hours=12), tz="UTC")
        assert whole.so_far == counts[n]
        assert whole.past == min(112, n)

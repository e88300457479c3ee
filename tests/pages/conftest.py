"""A site whose pages have something to show."""

from datetime import timedelta

import pytest

from tests.conftest import at, build_user

#: When the pages are looked at.
NOW = at(2025, 6, 18, 10, 30)


@pytest.fixture
def stopped(monkeypatch):
    """Stop the clock at ``NOW``."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def world(make_user, leave):
    """Eight users who come more or less often, all half year long; the ninth never came."""
    for number in range(1, 10):
        make_user(number, joined=at(2025, 1, 1) + timedelta(days=10 * number))
    leave(
        *(
            (number, at(2025, 1, 1) + timedelta(days=day, hours=(7 * number + day) % 24))
            for number in range(1, 9)
            for day in range(10 * number, 168 - 5 * number, number)
        ),
        (1, NOW - timedelta(minutes=5)),
        (2, NOW - timedelta(minutes=20)),
    )


@pytest.fixture
def boss(world, client):
    """The client of a superuser, whose key is beyond those of the others."""
    user = build_user(60, username="boss", is_staff=True, is_superuser=True)
    user.save()
    client.force_login(user)
    return client

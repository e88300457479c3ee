import pytest

from souvenirs.control import souvenez
from souvenirs.models import Souvenir
from souvenirs.testing import disabled, reset
from tests.conftest import pk_of

pytestmark = pytest.mark.django_db


def test_reset_lets_a_user_be_recorded_again(shared_cache):
    outcomes = [souvenez(pk_of(1)), souvenez(pk_of(1))]
    reset()
    assert [*outcomes, souvenez(pk_of(1))] == ["added", "rate-limited", "added"]


def test_clearing_the_cache_alone_does_not(shared_cache):
    """The process remembers the user, and answers before the cache is asked."""
    souvenez(pk_of(1))
    shared_cache.clear()
    assert souvenez(pk_of(1)) == "rate-limited"
    reset()
    assert souvenez(pk_of(1)) == "added"


def test_disabled_block():
    with disabled():
        assert souvenez(pk_of(1)) == "skipped"
    assert souvenez(pk_of(1)) == "added"


@disabled()
def test_disabled_function():
    souvenez(pk_of(1))
    assert not Souvenir.objects.exists()

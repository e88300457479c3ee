import pytest

from tests.organizations import found_organizations


@pytest.fixture
def organizations(db):
    """Organizations of the users, by number."""
    return found_organizations()

import pytest


@pytest.fixture(autouse=True)
def _patience(settings):
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that hangs

import pytest

from souvenirs import testing
from souvenirs.recording.ratelimit import rate_limiter
from tests import servers
from tests.conftest import server_to_ourselves
from tests.integrations.conftest import seen

pytestmark = pytest.mark.django_db


def cache_at(location, **options):
    return {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": location,
            "OPTIONS": options,
        }
    }


@pytest.fixture
def redis(settings):
    settings.CACHES = cache_at(servers.REDIS)
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that is down
    from django.core.cache import cache

    with server_to_ourselves("redis"):
        cache.clear()
        yield cache
        cache.close()


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_other_process_is_limited(signed_in, user, path):
    signed_in.get(path)
    rate_limiter.forget()  # as a process that has just started
    signed_in.get(path)
    assert seen() == [user.pk]


def test_clearing_the_cache_admits_everyone_once_the_process_forgets(signed_in, user, redis):
    signed_in.get("/plain/")
    redis.clear()
    rate_limiter.forget()
    signed_in.get("/plain/")
    assert seen() == [user.pk, user.pk]


@pytest.mark.usefixtures("redis")
def test_sessions_in_redis(client, user, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    client.force_login(user)
    for _ in range(2):
        assert "Vary" not in client.get("/plain/").headers
    assert seen() == [user.pk]


@pytest.mark.parametrize("ignore", [False, True], ids=["raises", "ignores"])
def test_redis_that_is_down_costs_no_souvenir(signed_in, user, settings, ignore):
    settings.CACHES = cache_at("redis://127.0.0.1:1/0", IGNORE_EXCEPTIONS=ignore)
    testing.reset()
    for _ in range(2):
        assert signed_in.get("/plain/").status_code == 200
    assert seen() == [user.pk]

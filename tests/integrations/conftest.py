import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from souvenirs.models import Souvenir

APP = "souvenirs.middleware.SouvenirsMiddleware"
PASSWORD = "a password"

needs_permissions = pytest.mark.skipif(
    django_settings.AUTH_USER_MODEL != "auth.User",
    reason="needs is_staff and is_superuser, which the other user models lack",
)


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = "tests.integrations.urls"


@pytest.fixture
def user(make_user):
    return make_user(password=make_password(PASSWORD))


@pytest.fixture
def signed_in(user, client):
    client.force_login(user)
    return client


def seen():
    """The users of all souvenirs, in the order in which they were left."""
    return list(Souvenir.objects.order_by("pk").values_list("user_id", flat=True))


def username_of(user):
    return getattr(user, get_user_model().USERNAME_FIELD)


def without_app(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != APP]


def bearer(token):
    return {"authorization": f"Bearer {token}"}

"""A site's API with django-ninja."""

from types import SimpleNamespace

from asgiref.sync import sync_to_async
from ninja import NinjaAPI
from ninja.decorators import decorate_view
from ninja.security import APIKeyHeader, HttpBearer, django_auth
from rest_framework.authtoken.models import Token

from souvenirs.decorators import souvenirs_exempt


def user_of(key):
    token = Token.objects.select_related("user").filter(key=key).first()
    return None if token is None else token.user


class Bearer(HttpBearer):
    """Answers with the user."""

    def authenticate(self, request, token):
        return user_of(token)


class AsyncBearer(HttpBearer):
    async def authenticate(self, request, token):
        return await sync_to_async(user_of)(token)


class Key(APIKeyHeader):
    """Answers with something that has a user."""

    param_name = "X-Key"

    def authenticate(self, request, key):
        found = user_of(key)
        return None if found is None else SimpleNamespace(name="a client", user=found)


class NamelessKey(APIKeyHeader):
    """Answers with the key: nobody can tell whose it is."""

    param_name = "X-Key"

    def authenticate(self, request, key):
        return key


api = NinjaAPI(urls_namespace="integrations", docs_url=None, openapi_url=None)


def answer(request):
    return {"answer": 42}


async def async_answer(request):
    return {"answer": 42}


api.get("session/", auth=django_auth, operation_id="session")(answer)
api.get("bearer/", auth=Bearer(), operation_id="bearer")(answer)
api.get("key/", auth=Key(), operation_id="key")(answer)
api.get("nameless/", auth=NamelessKey(), operation_id="nameless")(answer)
api.get("open/", operation_id="open")(answer)
api.get("async/bearer/", auth=AsyncBearer(), operation_id="async_bearer")(async_answer)
api.get("async/session/", auth=django_auth, operation_id="async_session")(async_answer)


@api.get("exempt/", auth=Bearer())
@decorate_view(souvenirs_exempt)
def exempt(request):
    return {"answer": 42}


@api.get("async/exempt/", auth=AsyncBearer())
@decorate_view(souvenirs_exempt)
async def async_exempt(request):
    return {"answer": 42}

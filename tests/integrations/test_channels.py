import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser

from tests.integrations.conftest import seen
from tests.integrations.consumers import Chat, SyncChat

# Channels closes connections around each message, also those inside the transaction of a test.
pytestmark = pytest.mark.django_db(transaction=True)

consumers = pytest.mark.parametrize("consumer", [Chat, SyncChat])


@pytest.fixture(autouse=True)
def _patience(settings):
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that hangs


def cookie_of(client):
    name = django_settings.SESSION_COOKIE_NAME
    return [(b"cookie", f"{name}={client.cookies[name].value}".encode())]


async def talk(socket, messages=2):
    connected, _ = await socket.connect(timeout=30)
    assert connected
    answers = []
    for _ in range(messages):
        await socket.send_to("hello")
        answers.append(await socket.receive_from(timeout=30))
    await socket.disconnect()
    return answers


@consumers
async def test_user_of_the_session(signed_in, user, consumer):
    application = AuthMiddlewareStack(consumer.as_asgi())
    socket = WebsocketCommunicator(application, "/", headers=cookie_of(signed_in))
    assert await talk(socket) == ["added", "rate-limited"]
    assert await sync_to_async(seen)() == [user.pk]


@consumers
async def test_user_whom_something_else_put_into_the_scope(user, consumer):
    socket = WebsocketCommunicator(consumer.as_asgi(), "/")
    socket.scope["user"] = user
    assert await talk(socket) == ["added", "rate-limited"]
    assert await sync_to_async(seen)() == [user.pk]


@consumers
async def test_sockets_and_pages_share_the_limit(signed_in, user, consumer):
    await sync_to_async(signed_in.get)("/plain/")
    socket = WebsocketCommunicator(consumer.as_asgi(), "/")
    socket.scope["user"] = user
    assert await talk(socket, messages=1) == ["rate-limited"]
    assert await sync_to_async(seen)() == [user.pk]


@consumers
async def test_visitor_is_nobody(consumer):
    socket = WebsocketCommunicator(AuthMiddlewareStack(consumer.as_asgi()), "/")
    connected, _ = await socket.connect()
    assert not connected
    assert await sync_to_async(seen)() == []


async def test_visitor_is_refused_by_name():
    """A consumer that forgets to ask learns so at once."""
    socket = WebsocketCommunicator(Chat.as_asgi(), "/")
    socket.scope["user"] = AnonymousUser()
    await socket.connect()
    await socket.send_to("hello")
    with pytest.raises(ValueError, match="is anonymous"):
        await socket.receive_from()

"""Sockets of a site with Channels: no middleware of Django sees them."""

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from souvenirs.control import asouvenez, souvenez


class Chat(AsyncWebsocketConsumer):
    """Leaves a souvenir with every message and answers what became of it."""

    async def connect(self):
        if not self.scope["user"].is_authenticated:
            await self.close()
            return
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(await asouvenez(self.scope["user"]))


class SyncChat(WebsocketConsumer):
    def connect(self):
        if not self.scope["user"].is_authenticated:
            self.close()
            return
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(souvenez(self.scope["user"]))

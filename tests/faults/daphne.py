"""The site as daphne runs it, which takes an application and no function that makes one."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()

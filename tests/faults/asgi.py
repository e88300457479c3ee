"""The site as an ASGI server runs it that is to write what is left when it is shut down."""

from django.core.asgi import get_asgi_application

from souvenirs.asgi import with_shutdown


def application():
    return with_shutdown(get_asgi_application())

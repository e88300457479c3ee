"""Signals that the app sends."""

from django.dispatch import Signal

#: Sent for each new souvenir once it is committed, with ``user_pk``, ``when`` (an aware datetime in
#: UTC) and ``request`` (the HttpRequest, or None outside a request). The sender is the model
#: Souvenir. An exception in a receiver is logged by Django and has no other effect.
user_seen = Signal()

"""What the app tells others."""

from django.dispatch import Signal

#: Sent for each new souvenir, once it is committed, with ``user_pk``, ``when`` (an aware datetime)
#: and ``request`` (the HttpRequest that it was left by; None outside of one). The sender is the
#: class Souvenir. A receiver that fails is logged by Django and harms nothing.
user_seen = Signal()

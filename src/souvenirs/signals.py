"""Signals that the app sends."""

from django.dispatch import Signal

#: Sent for each new souvenir once it is committed, with ``user_pk``, ``when`` (an aware datetime in
#: UTC) and ``request`` (the HttpRequest, or None outside a request). The sender is the model
#: Souvenir. An exception in a receiver is logged by Django and has no other effect.
user_seen = Signal()

#: Sent by ``check_activity`` for each finding, with ``finding``: its ``kind`` (``"silence"``,
#: ``"outlying"``, ``"segment"``, ``"digests"``, ``"undigested"`` or ``"corrupt"``), its ``text``, a
#: sentence, and its ``values``, a dict of the numbers in it. The sender is the class of findings.
#: An exception in a receiver is logged by Django and has no other effect.
activity_alert = Signal()

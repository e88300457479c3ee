"""The demo, as an operator runs it: with segments in its figures, and a mail server.

``WITHOUT`` names a middleware to leave out.
"""

import os

from demo.settings import *  # noqa: F403
from demo.settings import MIDDLEWARE, SOUVENIRS_SEGMENTS
from tests.mail.smtp import mail_settings

MIDDLEWARE = [each for each in MIDDLEWARE if each != os.environ.get("WITHOUT")]
SOUVENIRS_PUBLISH = {"segments": list(SOUVENIRS_SEGMENTS)}
SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that hangs

if port := os.environ.get("MAIL_PORT"):
    globals().update(mail_settings(int(port)))

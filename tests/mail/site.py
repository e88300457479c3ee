"""Settings of a site that sends mails from processes of their own.

``SITE_AUTOCOMMIT=0`` switches autocommit off, as if the site committed by itself.
"""

import os

from tests.mail.smtp import mail_settings
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

globals().update(mail_settings(int(os.environ["MAIL_PORT"])))

if os.environ.get("SITE_AUTOCOMMIT") == "0":
    for database in DATABASES.values():
        database["AUTOCOMMIT"] = False

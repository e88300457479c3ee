"""See :mod:`tests.concurrency.stress`."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.concurrency.stress import main  # noqa: E402

sys.exit(main())

"""Settings of the process that tries a cache beside the suite, which has the same CACHES."""

import json
import os
import time

from tests.settings import *  # noqa: F403

SOUVENIRS_TIMEOUT = 5
CACHES = json.loads(os.environ["SOUVENIRS_TEST_CACHES"])

print("A site may print when it is loaded.")
time.sleep(float(os.environ.get("SOUVENIRS_TEST_SECONDS", "0")))

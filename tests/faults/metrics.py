"""The site with its metrics."""

from tests.faults.site import *  # noqa: F403

ROOT_URLCONF = "tests.faults.metricsurls"
SOUVENIRS_METRICS_TOKEN = "a-token-of-the-tests"

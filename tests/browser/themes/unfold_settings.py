"""The demo under django-unfold."""

from demo.settings import *  # noqa: F403
from demo.settings import INSTALLED_APPS

INSTALLED_APPS = ["unfold", *(app for app in INSTALLED_APPS if app != "demo")]
ROOT_URLCONF = "tests.browser.themes.unfold_urls"
LOGIN_REDIRECT_URL = "admin:index"

"""Every setting of the app: name, type, default and one line of help.

A setting is read from Django's settings at its first access and kept until Django announces a
change (``override_settings``, the ``settings`` fixture of pytest-django), because asking Django for
a setting that is not there costs more than all the rest of a rate-limited request.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")

PREFIX = "SOUVENIRS_"


class Setting(Generic[T]):
    """One setting, read as an attribute of :data:`conf`."""

    def __init__(self, default: T, help: str) -> None:
        self.default = default
        self.help = help

    def __set_name__(self, owner: type[Conf], name: str) -> None:
        self.attribute = name
        self.name = PREFIX + name

    def __get__(self, instance: Conf, owner: type[Conf]) -> T:
        # There is no __set__, so the value kept on the instance answers the next access.
        value: T = getattr(settings, self.name, self.default)
        instance.__dict__[self.attribute] = value
        return value


class Conf:
    """The settings of the app, as attributes without their prefix."""

    ENABLED = Setting(True, "Record souvenirs; `False` switches recording off everywhere.")
    RATELIMIT_SECONDS = Setting[float](
        3600, "Length of a window: at most one souvenir per user and window."
    )
    CACHE_NAME = Setting("default", "The cache that keeps processes to one souvenir per window.")
    CACHE_PREFIX = Setting("souvenir.", "What the keys in that cache begin with.")
    GATE_SIZE = Setting(50_000, "How many users a process remembers before it asks the cache.")
    USAGE_REPORTS_FUNCTION = Setting[str | None](
        None, "Dotted path of a function that replaces or wraps the reports' `_usage_for_periods`."
    )
    DATE_JOINED_FIELD = Setting(
        "date_joined", "Field of the user model for when a user registered."
    )
    IS_ACTIVE_FIELD = Setting("is_active", "Field of the user model for who is activated.")
    WEEK_START = Setting(1, "First day of a calendar week, from 1 (Monday) to 7 (Sunday).")


conf = Conf()

SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting for setting in vars(Conf).values() if isinstance(setting, Setting)
}


def forget_settings(**kwargs: Any) -> None:
    """Read every setting anew from now on."""
    conf.__dict__.clear()


setting_changed.connect(forget_settings, dispatch_uid="souvenirs.conf.forget_settings")

import re
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from souvenirs import checks
from souvenirs.checks import check_settings

pytestmark = pytest.mark.django_db


def ids():
    return [message.id for message in check_settings()]


def test_defaults_are_fine(settings):
    settings.SOUVENIRS_DATE_JOINED_FIELD = "date_joined"
    assert ids() == []


@pytest.mark.parametrize(
    ("id", "name", "value"),
    [
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", "3600"),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", -1),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", float("nan")),
        ("E001", "SOUVENIRS_RATELIMIT_SECONDS", float("inf")),
        ("E002", "SOUVENIRS_CACHE_NAME", "nowhere"),
        ("E002", "SOUVENIRS_CACHE_NAME", []),
        ("E003", "SOUVENIRS_USAGE_REPORTS_FUNCTION", 5),
        ("E005", "SOUVENIRS_IS_ACTIVE_FIELD", "password"),
        ("E008", "SOUVENIRS_ENABLED", "False"),
        ("E003", "SOUVENIRS_USAGE_REPORTS_FUNCTION", "no.such.function"),
        ("E004", "SOUVENIRS_DATE_JOINED_FIELD", "no_such_field"),
        ("E004", "SOUVENIRS_DATE_JOINED_FIELD", "password"),
        ("E005", "SOUVENIRS_IS_ACTIVE_FIELD", "no_such_field"),
        ("E006", "SOUVENIRS_WEEK_START", 0),
        ("E006", "SOUVENIRS_WEEK_START", 8),
        ("E006", "SOUVENIRS_WEEK_START", "monday"),
        ("E007", "SOUVENIRS_GATE_SIZE", 0),
        ("E007", "SOUVENIRS_GATE_SIZE", "many"),
        ("W001", "SOUVENIRS_RATELIMIT_SECONDS", 7 * 3600),
    ],
)
def test_bad_value_is_found(settings, id, name, value):
    setattr(settings, name, value)
    assert ids() == [f"souvenirs.{id}"]


@pytest.mark.parametrize(
    ("zone", "seconds", "expected"),
    [
        ("Europe/Paris", 3600, []),
        ("Asia/Kolkata", 3600, ["souvenirs.W001"]),
        ("Asia/Kolkata", 1800, []),
        ("Asia/Kathmandu", 1800, ["souvenirs.W001"]),
        ("Asia/Kathmandu", 900, []),
        ("Australia/Lord_Howe", 3600, ["souvenirs.W001"]),
        ("Australia/Lord_Howe", 1800, []),
        ("Asia/Kolkata", 0, []),
    ],
)
def test_window_has_to_divide_the_time_zone(settings, zone, seconds, expected):
    settings.TIME_ZONE = zone
    settings.SOUVENIRS_RATELIMIT_SECONDS = seconds
    assert ids() == expected


def test_every_message_has_a_hint(settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = "3600"
    assert all(message.hint for message in check_settings())


def test_ids_are_unique():
    used = re.findall(r'"(souvenirs\.[EW]\d{3})"', Path(checks.__file__).read_text())
    assert len(used) == len(set(used)) == len(checks.SETTINGS_CHECKS)


def test_checks_are_registered(settings):
    settings.SOUVENIRS_WEEK_START = 0
    assert "souvenirs.E006" in [message.id for message in run_checks()]


def test_wrong_path_stops_manage_py_check(settings):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "no.such.function"
    with pytest.raises(CommandError, match=r"souvenirs\.E003.*cannot be imported"):
        call_command("check")

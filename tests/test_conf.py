from django.test import override_settings

from souvenirs.conf import SETTINGS, Conf, conf


def test_default_where_the_project_sets_nothing():
    assert conf.RATELIMIT_SECONDS == 3600


def test_value_of_the_project(settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 900
    assert conf.RATELIMIT_SECONDS == 900


def test_change_is_seen_after_the_first_access(settings):
    assert conf.CACHE_NAME == "default"
    settings.SOUVENIRS_CACHE_NAME = "other"
    assert conf.CACHE_NAME == "other"


def test_default_is_back_after_an_override():
    with override_settings(SOUVENIRS_CACHE_NAME="other"):
        assert conf.CACHE_NAME == "other"
    assert conf.CACHE_NAME == "default"


def test_every_setting_has_one_line_of_help():
    assert all(
        setting.help.endswith(".") and "\n" not in setting.help for setting in SETTINGS.values()
    )


def test_settings_are_listed_by_their_full_names():
    names = [name for name in vars(Conf) if name.isupper()]
    assert list(SETTINGS) == [f"SOUVENIRS_{name}" for name in names]

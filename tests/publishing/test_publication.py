import pytest
from django.core.exceptions import ImproperlyConfigured

from souvenirs.publishing import Publication, publication

NAMES_REFUSED = ["\U0001f389", " ", "a\0", "a\nb", "\ud800"]


@pytest.fixture(autouse=True)
def _segments(settings):
    names = ["pro", "Pro", "prö", "x" * 201, *NAMES_REFUSED]
    settings.SOUVENIRS_SEGMENTS = {name: [] for name in names}


def test_default_is_the_time_zone_of_the_site(settings):
    del settings.SOUVENIRS_PUBLISH
    settings.TIME_ZONE = "Europe/Paris"
    assert publication() == Publication(("day", "week", "month"), ("Europe/Paris",), ())


def test_each_list_has_its_default(settings):
    settings.SOUVENIRS_PUBLISH = {"segments": ["pro", "group:Editors", "pro"]}
    assert publication() == Publication(
        ("day", "week", "month"), (settings.TIME_ZONE,), ("pro", "group:Editors")
    )


def test_lists_replace_defaults(settings):
    settings.SOUVENIRS_PUBLISH = {"intervals": ["year"], "time_zones": ["UTC", "Asia/Kolkata"]}
    assert publication() == Publication(("year",), ("UTC", "Asia/Kolkata"), ())


def test_none_publishes_nothing(settings):
    settings.SOUVENIRS_PUBLISH = None
    assert publication() == Publication((), (), ())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (["day"], "SOUVENIRS_PUBLISH should be a dict of lists, or None, not ['day']."),
        (
            {"zones": []},
            "SOUVENIRS_PUBLISH should be a dict of lists, or None, not {'zones': []}: 'zones' is "
            "not one of intervals, time_zones, segments.",
        ),
        (
            {"intervals": "day"},
            "SOUVENIRS_PUBLISH should be a dict of lists, or None, not {'intervals': 'day'}: "
            "intervals is not a list of names.",
        ),
        (
            {"intervals": ["hour"]},
            "SOUVENIRS_PUBLISH has the interval 'hour': use one of day, week, month, quarter, "
            "year.",
        ),
        (
            {"time_zones": ["Paris"]},
            "SOUVENIRS_PUBLISH: Unknown time zone 'Paris': use a name like 'Europe/Paris' or "
            "'UTC'.",
        ),
        (
            {"segments": ["free"]},
            "SOUVENIRS_PUBLISH has the segment 'free', which is not in SOUVENIRS_SEGMENTS: add it "
            "there, or write group:NAME for a group of users.",
        ),
        (
            {"segments": ["pro", "Pro"]},
            "SOUVENIRS_PUBLISH has the segments 'pro' and 'Pro', which some databases take for the "
            "same: rename one.",
        ),
        (
            {"segments": ["pro", "prö"]},
            "SOUVENIRS_PUBLISH has the segments 'pro' and 'prö', which some databases take for the "
            "same: rename one.",
        ),
        *(
            (
                {"segments": [name]},
                f"SOUVENIRS_PUBLISH has the segment {name!a}, whose name some databases "
                "cannot store or compare: use letters, digits and punctuation, and no emoji.",
            )
            for name in NAMES_REFUSED
        ),
        (
            {"segments": ["x" * 201]},
            f"SOUVENIRS_PUBLISH has a segment of 201 characters, '{'x' * 20}'...: shorten it to "
            "200.",
        ),
    ],
)
def test_what_cannot_be_published_is_refused_in_words(settings, value, sentence):
    settings.SOUVENIRS_PUBLISH = value
    with pytest.raises(ImproperlyConfigured) as refused:
        publication()
    assert str(refused.value) == sentence

"""Texts of the site do not reorder those of the pages."""

import pytest
from django.db.models import Q
from django.utils import translation

from souvenirs.pages.formats import isolated
from tests.pages.test_pages import get, name_of, text

pytestmark = pytest.mark.above_the_store


@pytest.mark.parametrize(
    ("name", "language", "expected"),
    [
        ("ann (2)", "en", "ann (2)"),
        ("ann (2)", "he", "\u2068ann (2)\u2069"),
        ("דנה (2)", "en", "\u2068דנה (2)\u2069"),
        ("سمير", "de", "\u2068سمير\u2069"),
        ("ann\u202e", "en", "\u2068ann\u202e\u2069"),
        ("", "en", ""),
    ],
)
def test_names_are_isolated_where_directions_meet(name, language, expected):
    with translation.override(language):
        assert isolated(name) == expected


def test_names_and_segments_on_a_page(world, settings, django_user_model):
    settings.SOUVENIRS_SEGMENTS = {"צוות": Q(pk__isnull=False)}
    user = django_user_model._default_manager.get(**{django_user_model.USERNAME_FIELD: name_of(3)})
    setattr(user, django_user_model.USERNAME_FIELD, "דנה")
    user.save()
    page = text(get("people", list="never", q="דנה", segment="צוות"))
    assert page.count("\u2068דנה\u2069") == 3  # in the row, and in the heading twice
    assert "Segment: \u2068צוות\u2069" in page

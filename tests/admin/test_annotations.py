"""Annotations are written in the admin, by those who may."""

from datetime import date

import pytest
from django.contrib import admin
from django.test import RequestFactory

from souvenirs.admin import AnnotationAdmin
from souvenirs.control import annotate, annotations_between
from souvenirs.models import Annotation
from tests.pages.test_pages import Person

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

DAY = date(2016, 2, 29)
ADMIN = AnnotationAdmin(Annotation, admin.site)


def request_of(query="", user=None):
    request = RequestFactory().get(f"/?{query}")
    request.user = user or Person("souvenirs.view_annotation")
    return request


def listed(query=""):
    changes = ADMIN.get_changelist_instance(request_of(query))
    return [each.text for each in changes.result_list]


def test_list_is_latest_day_first():
    for day, text in [(1, "one"), (3, "three"), (2, "two")]:
        annotate(date(2016, 1, day), text)
    assert listed() == ["three", "two", "one"]


def test_list_can_be_searched_and_narrowed_to_a_day():
    for day, text in [(1, "2.0 released"), (2, "2.1 released"), (2, "campaign")]:
        annotate(date(2016, 1, day), text)
    assert listed("q=released") == ["2.1 released", "2.0 released"]
    assert listed("day__year=2016&day__month=1&day__day=2") == ["campaign", "2.1 released"]


def test_form_is_that_of_day_and_text():
    form = ADMIN.get_form(request_of())
    assert list(form.base_fields) == ["day", "text"]
    assert form({"day": "2016-02-29", "text": " x "}).save().text == "x"
    assert annotations_between(DAY, DAY)[0].text == "x"
    again = form({"day": "2016-02-29", "text": "x"})
    assert not again.is_valid()


@pytest.mark.parametrize("verb", ["view", "add", "change", "delete"])
def test_permissions_are_those_of_django(verb):
    allowed = getattr(ADMIN, f"has_{verb}_permission")
    assert allowed(request_of(user=Person(f"souvenirs.{verb}_annotation")))
    assert not allowed(request_of(user=Person("souvenirs.view_usage")))

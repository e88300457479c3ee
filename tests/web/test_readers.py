"""Whose activity a reader may see is what the site's function says, or nobody's."""

import logging

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.test import override_settings
from django.urls import reverse

from souvenirs.models import Annotation, Souvenir
from souvenirs.pages import usage_card
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE, InvalidVisibility, Reader, Refused
from tests.conftest import at, pk_of

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

NOW = at(2025, 6, 18, 10, 30)


def first_user(user):
    return get_user_model()._default_manager.filter(pk=pk_of(1))


def fails(user):
    raise RuntimeError("a secret")


def forbids(user):
    raise PermissionDenied("a secret")


@pytest.fixture
def reader(make_holder, make_user, leave, set_now, client):
    """The client of user 1, who may read; users 2 and 3 were seen, too."""
    set_now(NOW)
    user = make_holder(VIEW_USAGE, VIEW_PEOPLE, number=1)
    for number in (2, 3):
        make_user(number)
    leave(*((number, at(2025, 6, 17, 9)) for number in (1, 2, 3)))
    client.force_login(user)
    return client


def test_everyone_is_visible_without_the_setting(reader):
    assert Reader(None).visible is None
    assert not Reader(None).is_limited


def test_function_is_asked_for_the_user_and_only_once(settings, make_user):
    asked = []
    settings.SOUVENIRS_VISIBLE_TO = lambda user: asked.append(user) or first_user(user)
    user = make_user(1)
    reader = Reader(user)
    assert list(reader.visible) == list(reader.visible) == [user]
    assert reader.is_limited
    assert asked == [user]


def test_function_may_let_somebody_see_everyone(settings):
    settings.SOUVENIRS_VISIBLE_TO = lambda user: None if user == "boss" else first_user(user)
    assert Reader("boss").visible is None
    assert Reader("manager").is_limited


def test_setting_may_be_a_dotted_path(settings):
    settings.SOUVENIRS_VISIBLE_TO = "tests.web.test_readers.first_user"
    assert Reader(None).is_limited


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (
            fails,
            "The function in SOUVENIRS_VISIBLE_TO raised an error: the log of the site has it.",
        ),
        (
            lambda user: [pk_of(1)],
            "The function in SOUVENIRS_VISIBLE_TO should return a queryset of users, or None for "
            "everyone, not an object of type list.",
        ),
        (
            lambda user: False,
            "The function in SOUVENIRS_VISIBLE_TO should return a queryset of users, or None for "
            "everyone, not an object of type bool.",
        ),
        (
            lambda user: get_user_model()._default_manager,
            "The function in SOUVENIRS_VISIBLE_TO should return a queryset of users, or None for "
            f"everyone, not an object of type {type(get_user_model()._default_manager).__name__}.",
        ),
        (
            lambda user: Souvenir.objects.all(),
            "The function in SOUVENIRS_VISIBLE_TO is wrong: users is a queryset of "
            f"souvenirs.Souvenir: pass one of {get_user_model()._meta.label}.",
        ),
        (
            "no.such.function",
            "SOUVENIRS_VISIBLE_TO is not a function of a user: manage.py check explains why.",
        ),
        (
            lambda: None,
            "SOUVENIRS_VISIBLE_TO is not a function of a user: manage.py check explains why.",
        ),
    ],
)
def test_function_that_does_not_tell_shows_nobody(reader, settings, caplog, function, sentence):
    settings.SOUVENIRS_VISIBLE_TO = function
    with caplog.at_level(logging.ERROR), pytest.raises(InvalidVisibility) as caught:
        Reader(None).visible  # noqa: B018
    assert str(caught.value) == sentence
    assert sentence in caplog.text
    for path in ("", "people/", "retention/", "health/", "?segment=nobody", "?tz=nowhere"):
        response = reader.get(f"/souvenirs/{path}")
        assert response.status_code == 503
        assert "secret" not in response.text
        assert sentence in response.text.replace("&#x27;", "'")
    for path in ("usage", "people", "health", "series?by=segment"):
        response = reader.get(f"/souvenirs/api/{path}")
        assert response.status_code == 503
        assert response.json() == {"error": {"field": "permission", "message": sentence}}
        assert response["Cache-Control"] == "private, no-store"


def test_function_may_refuse_somebody(reader, settings):
    settings.SOUVENIRS_VISIBLE_TO = forbids
    sentence = "You may not see the activity of any user of this site."
    with pytest.raises(Refused, match=sentence):
        Reader(None).visible  # noqa: B018
    page, api = reader.get("/souvenirs/"), reader.get("/souvenirs/api/usage")
    assert (page.status_code, api.status_code) == (403, 403)
    assert sentence in page.text
    assert api.json()["error"] == {"field": "permission", "message": sentence}
    assert "secret" not in page.text + api.text


def test_superuser_is_asked_like_anybody_else(reader, settings):
    user = get_user_model()._default_manager.get(pk=pk_of(1))
    user.is_superuser = True
    user.save()
    settings.SOUVENIRS_VISIBLE_TO = first_user
    assert reader.get("/souvenirs/api/people").json()["total"] == 1


def test_function_is_asked_for_the_user_of_a_token(client, settings, reader):
    asked = []
    user = get_user_model()._default_manager.get(pk=pk_of(1))
    client.logout()
    settings.SOUVENIRS_API_AUTH = lambda request: user
    settings.SOUVENIRS_VISIBLE_TO = lambda user: asked.append(user.pk) or first_user(user)
    assert client.get("/souvenirs/api/people").json()["total"] == 1
    assert asked == [user.pk]


WHOLE_SITE = "This is about the whole site, and you may only see some of its users."


def test_what_is_about_the_whole_site_is_refused(reader, settings):
    settings.SOUVENIRS_VISIBLE_TO = first_user
    page, api = reader.get("/souvenirs/health/"), reader.get("/souvenirs/api/health")
    assert (page.status_code, api.status_code) == (403, 403)
    assert WHOLE_SITE in page.text
    assert api.json()["error"] == {"field": "permission", "message": WHOLE_SITE}
    assert reverse("souvenirs:health") not in reader.get("/souvenirs/").text
    settings.SOUVENIRS_VISIBLE_TO = None
    assert reverse("souvenirs:health") in reader.get("/souvenirs/").text


def test_report_that_cannot_be_of_some_users_is_refused(reader, settings):
    settings.SOUVENIRS_VISIBLE_TO = first_user
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = lambda periods: []
    page = reader.get("/souvenirs/billing/?subscription_start=2025-01-01")
    api = reader.get("/souvenirs/api/usage")
    assert (page.status_code, api.status_code) == (403, 403)
    for response in (page, api):
        assert "SOUVENIRS_USAGE_REPORTS_FUNCTION has no parameter users." in response.text
    settings.SOUVENIRS_VISIBLE_TO = None
    assert reader.get("/souvenirs/api/usage").status_code == 200


def test_annotations_are_about_the_whole_site(reader, settings):
    Annotation.objects.create(day=at(2025, 6, 17).date(), text="Zebra signed up")
    assert "Zebra signed up" in reader.get("/souvenirs/?preset=7d").text
    settings.SOUVENIRS_VISIBLE_TO = first_user
    assert "Zebra signed up" not in reader.get("/souvenirs/?preset=7d").text


def test_limited_reader_of_an_empty_site_does_not_set_it_up(reader, settings):
    Souvenir.objects.all().delete()
    assert "digest_souvenirs" in reader.get("/souvenirs/").text
    settings.SOUVENIRS_VISIBLE_TO = first_user
    response = reader.get("/souvenirs/")
    assert response.status_code == 200
    assert "Nobody has been seen yet." in response.text
    assert "digest_souvenirs" not in response.text


@pytest.mark.parametrize(("function", "active"), [(None, "3"), (first_user, "1")])
def test_card_counts_whom_its_reader_may_see(reader, settings, rf, function, active):
    settings.SOUVENIRS_VISIBLE_TO = function
    request = rf.get("/admin/")
    request.user = get_user_model()._default_manager.get(pk=pk_of(1))
    card = usage_card(request)
    assert card.count(f">{active}<") == 2  # in 7 and in 28 days


def test_card_of_a_function_that_fails_has_no_numbers(reader, settings, rf):
    settings.SOUVENIRS_VISIBLE_TO = fails
    request = rf.get("/admin/")
    request.user = get_user_model()._default_manager.get(pk=pk_of(1))
    card = usage_card(request)
    assert "Active users could not be counted." in card
    assert ">3<" not in card


def test_answers_to_several_readers_have_several_etags(reader, settings):
    url = "/souvenirs/api/series?preset=7d"
    everyone = reader.get(url)
    with override_settings(SOUVENIRS_VISIBLE_TO=first_user):
        limited = reader.get(url, headers={"If-None-Match": everyone["ETag"]})
    assert limited.status_code == 200
    assert limited["ETag"] != everyone["ETag"]
    assert {"Authorization", "Cookie"} <= set(limited["Vary"].split(", "))

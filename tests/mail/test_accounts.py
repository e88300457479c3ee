"""Who is shown names: a reader all of whose accounts may see people."""

import pytest
from django.contrib.auth import get_user_model

from souvenirs.mail import may_see_people

HAS_EMAIL = "email" in {field.name for field in get_user_model()._meta.fields}
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.above_the_store,
]
with_email = pytest.mark.skipif(not HAS_EMAIL, reason="users have no email address")
several = pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="addresses are unique, or there are none"
)
PEOPLE = "souvenirs.view_people"


@with_email
def test_a_holder_of_the_permission(make_holder):
    make_holder(PEOPLE, email="ann@example.com")
    assert may_see_people("ann@example.com")
    assert may_see_people("Ann@Example.com")
    assert not may_see_people("bob@example.com")
    assert not may_see_people("ann@example.co")
    assert not may_see_people("%@example.com")


@with_email
def test_the_permission_to_see_numbers_is_not_enough(make_holder):
    make_holder("souvenirs.view_usage", email="ann@example.com")
    assert not may_see_people("ann@example.com")


@several
def test_an_inactive_user_sees_nobody(make_holder):
    make_holder(PEOPLE, email="ann@example.com", is_active=False)
    assert not may_see_people("ann@example.com")


@several
def test_all_who_have_the_address_need_the_permission(make_holder, make_user):
    make_holder(PEOPLE, email="ann@example.com")
    make_holder(PEOPLE, email="ANN@example.com")
    assert may_see_people("ann@example.com")
    make_user(email="ann@example.com")
    assert not may_see_people("ann@example.com")


@several
def test_a_letter_that_only_looks_the_same_is_another_address(make_holder):
    make_holder(PEOPLE, email="ann@\u0131nfo.example")
    assert not may_see_people("ann@info.example")


@pytest.mark.skipif(HAS_EMAIL, reason="users have an email address")
def test_users_without_an_address(make_holder):
    make_holder(PEOPLE)
    assert not may_see_people("ann@example.com")


def test_a_user_model_of_its_own_kind(monkeypatch):
    monkeypatch.delattr("django.contrib.auth.base_user.AbstractBaseUser.get_email_field_name")
    assert not may_see_people("ann@example.com")


def test_a_user_model_that_names_no_field(monkeypatch):
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "nonsense", raising=False)
    assert not may_see_people("ann@example.com")

"""The site that the examples of the reference are about."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.http import HttpRequest
from django.urls import include, path

from souvenirs.models import Souvenir

urlpatterns = [path("souvenirs/", include("souvenirs.dashboard.urls"))]


def user_of_token(request: HttpRequest) -> User | None:
    """Whoever sends a token may see everything; an account that is not saved is not counted."""
    return User(is_superuser=True) if "authorization" in request.headers else None


def populate() -> None:
    """Create three users of two customers, and what they left in January and February 2016."""
    call_command("migrate", verbosity=0)
    for name, customer, days in (
        ("ann", "acme", ((1, 4), (1, 5), (2, 8))),
        ("bob", "acme", ((1, 20),)),
        ("cleo", "globex", ((2, 8), (2, 29))),
    ):
        seen = [datetime(2016, month, day, 9, tzinfo=UTC) for month, day in days]
        user = User.objects.create(
            username=name, email=f"{name}@{customer}.example", date_joined=seen[0]
        )
        user.groups.add(Group.objects.get_or_create(name=customer.title())[0])
        Souvenir.objects.bulk_create(Souvenir(user=user, when=when) for when in seen)
    call_command("digest_souvenirs", stdout=StringIO())

"""Fill the database of a site: Ann, who may see everything, and eight users."""

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

from souvenirs.models import Souvenir  # noqa: E402
from tests.browser.conftest import sightings  # noqa: E402
from tests.conftest import at  # noqa: E402

call_command("migrate", verbosity=0)
User.objects.create_superuser("ann", password="a password", pk=100)
for number in range(1, 9):
    User.objects.create(pk=number, username=f"user{number}", date_joined=at(2025, 1, 1))
Souvenir.objects.bulk_create(
    Souvenir(user_id=number, when=moment) for number, moment in sightings()
)

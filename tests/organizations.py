"""Users in organizations, and the activity of these by brute force."""

from django.contrib.auth import get_user_model

from tests.conftest import build_user, pk_of
from tests.users.models import Membership, Organization, Profile

#: The organizations of each user, by number: one, several, and none.
MEMBERS = {
    1: (1,),
    2: (1, 2),
    3: (2,),
    4: (3,),
    5: (2, 4),
    6: (),
    7: (4,),
    8: (4,),
    9: (5, 1, 2),
    10: (5,),
    11: (),
    12: (6,),
}

#: The first organization of each user, if there is one.
FIRST = {user: groups[:1] for user, groups in MEMBERS.items()}

#: Paths from a user to organizations: through many memberships, or one profile.
MANY, ONE = "membership__organization", "profile__organization"


def name_of(number):
    return f"Organization {number}"


def names_of(numbers):
    return {name_of(number) for number in numbers}


def found_organizations(members=None):
    """Save the users and their organizations; return these by number."""
    members = MEMBERS if members is None else members
    user_model = get_user_model()
    user_model._default_manager.bulk_create([build_user(number) for number in members])
    numbers = sorted({group for groups in members.values() for group in groups})
    found = {
        number: Organization(name=name_of(number), plan="free" if number % 2 else "pro")
        for number in numbers
    }
    Organization.objects.bulk_create(found.values())
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(user), organization=found[group])
        for user, groups in members.items()
        for group in groups
    )
    Profile.objects.bulk_create(
        Profile(user_id=pk_of(user), organization=found[groups[0]] if groups else None)
        for user, groups in members.items()
    )
    return found


def as_organizations(rows, members=None):
    """Sightings of the organizations of users, given sightings of these."""
    members = MEMBERS if members is None else members
    return [(group, when) for user, when in rows for group in members[user]]

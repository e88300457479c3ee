"""Made-up activity of forty organizations: the same on every machine, for the same day."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)

#: How many days of activity there are.
DAYS = 400

#: What two organizations do.
QUIET, OVER_QUOTA = "Foxglove Law", "Meridian Labs"

#: Since when nobody of the quiet one has come.
QUIET_DAYS = 40

NAMES = [
    *("Alder & Finch", "Amberline", "Anchor Freight", "Basalt Works", "Birch Street Dental"),
    *("Blue Heron Media", "Brightwater", "Canopy Health", "Cedar Point", "Clearfield Energy"),
    *("Copperleaf", "Driftwood Hotels", "Eastgate Motors", "Ember Studios", "Fernhill Farms"),
    *(QUIET, "Granite Peak", "Greywater", "Harbour Bakery", "Hollow Oak"),
    *("Inkwell Press", "Juniper Clinics", "Kestrel Air", "Lanternfish", "Larkspur Schools"),
    *("Longmeadow", OVER_QUOTA, "Mosswood", "Northbank", "Ochre Design"),
    *("Papermill", "Quarry Lane", "Redstone Brewing", "Saltmarsh", "Silverbirch"),
    *("Tern Island", "Thornbury", "Underhill", "Willow Park", "Yarrow & Sons"),
]

#: The plans: the sizes of organizations that choose them, and the active users they include.
PLANS = {"team": ((5, 15), 20), "business": ((18, 45), 60), "enterprise": ((60, 110), None)}

#: Subscriptions whose months end on the last day of shorter months.
LATE_STARTS = [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)]


@dataclass(frozen=True)
class Member:
    """A user: when they joined and left, and how probably they come on a working day."""

    key: uuid.UUID
    name: str
    joined: datetime
    left: datetime
    habit: float


@dataclass(frozen=True)
class Customer:
    """An organization."""

    name: str
    plan: str
    seats: int
    quota: int | None
    subscribed: datetime
    members: list[Member]


def customers(midnight: datetime) -> list[Customer]:
    """Return the organizations as they are at a midnight of UTC."""
    return [_customer(number, name, midnight) for number, name in enumerate(NAMES)]


def sightings(customer: Customer, midnight: datetime) -> Iterator[tuple[uuid.UUID, datetime]]:
    """Generate when each member was seen before a midnight, up to three times a day."""
    chance = random.Random(f"{customer.name}, seen")
    quiet = midnight - QUIET_DAYS * DAY if customer.name == QUIET else midnight
    for member in customer.members:
        day = max(member.joined, midnight - DAYS * DAY).replace(hour=0, minute=0)
        while day < min(member.left, quiet):
            probability = member.habit if day.weekday() < 5 else member.habit / 8
            if chance.random() < probability:
                for hour in chance.sample(range(7, 19), chance.choice((1, 1, 2, 3))):
                    yield member.key, day + timedelta(hours=hour, minutes=chance.randrange(60))
            day += DAY


def _customer(number: int, name: str, midnight: datetime) -> Customer:
    chance = random.Random(name)
    plan = chance.choices(list(PLANS), (20, 15, 5))[0]
    if name in (QUIET, OVER_QUOTA):
        plan = "team" if name == OVER_QUOTA else "business"
    (fewest, most), quota = PLANS[plan]
    size = quota + 9 if name == OVER_QUOTA else chance.randint(fewest, most)
    if number < len(LATE_STARTS):
        subscribed = LATE_STARTS[number]
    else:
        subscribed = midnight - chance.randint(100, 1000) * DAY
    members = [_member(chance, name, place, subscribed, midnight) for place in range(size)]
    return Customer(name, plan, size + chance.randint(0, 8), quota, subscribed, members)


def _member(
    chance: random.Random, name: str, place: int, subscribed: datetime, midnight: datetime
) -> Member:
    # The first ones join with the subscription; one in five leaves.
    days = (midnight - subscribed).days
    joined = subscribed + (0 if place < 3 else chance.randrange(days * 3 // 4)) * DAY
    stays = timedelta(days=chance.randrange(30, 400))
    left = joined + stays if name != OVER_QUOTA and chance.random() < 0.2 else midnight
    local = "".join(letter for letter in name.lower() if letter.isalpha())
    return Member(
        key=uuid.UUID(int=chance.getrandbits(128), version=4),
        name=f"user{place + 1:03d}@{local}.example",
        joined=joined,
        left=min(left, midnight),
        habit=chance.choice((0.05, 0.2, 0.4, 0.6, 0.8)),
    )

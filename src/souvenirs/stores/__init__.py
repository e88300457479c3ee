"""Where souvenirs are kept and read back."""

from .base import Bounds, Counted, Group, Range, Sighting, Store, UserRange
from .orm import OrmStore
from .queries import USER, WHEN, Names, undigested_in
from .reading import PrunedSpan, label_of

__all__ = [
    "USER",
    "WHEN",
    "Bounds",
    "Counted",
    "Group",
    "Names",
    "PrunedSpan",
    "Range",
    "Sighting",
    "Store",
    "UserRange",
    "get_store",
    "label_of",
    "undigested_in",
]


def get_store() -> Store:
    """Return the store that the app uses."""
    return OrmStore()

"""Where souvenirs are kept and read back."""

from .base import Counted, Group, Pruned, Range, Sighting, Span, Store, Users
from .orm import OrmStore
from .queries import USER, WHEN, Names, undigested_in
from .reading import PrunedSpan, label_of, words

__all__ = [
    "USER",
    "WHEN",
    "Counted",
    "Group",
    "Names",
    "Pruned",
    "PrunedSpan",
    "Range",
    "Sighting",
    "Span",
    "Store",
    "Users",
    "get_store",
    "label_of",
    "undigested_in",
    "words",
]


def get_store() -> Store:
    """Return the store that the app uses."""
    return OrmStore()

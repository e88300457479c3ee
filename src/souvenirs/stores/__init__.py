"""Where souvenirs are left and read back."""

from .base import Counted, Group, Pruned, Range, Sighting, Span, Store, Users
from .orm import OrmStore

__all__ = ["Counted", "Group", "Pruned", "Range", "Sighting", "Span", "Store", "Users", "get_store"]


def get_store() -> Store:
    """Return the store that souvenirs go to."""
    return OrmStore()

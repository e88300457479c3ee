"""Where souvenirs are left and read back."""

from .base import Sighting, Span, Store
from .orm import OrmStore

__all__ = ["Sighting", "Span", "Store", "get_store"]


def get_store() -> Store:
    """Return the store that souvenirs go to."""
    return OrmStore()

"""Where souvenirs are kept and read back."""

from ..models import Digest
from .base import Group, Sighting, Store, UserRange
from .digesttable import Contended, DigestTable, retried
from .numbers import forget_number, give_numbers, numbers_of
from .orm import OrmStore
from .queries import USER, number_undigested, undigested_in
from .reading import PrunedSpan
from .souvenirs import SouvenirQuerySet, delete_souvenirs, mark_digested


def get_store(kind: str = Digest.ACTIVE) -> Store:
    """Return the store that the app uses, for readings of one kind of digests."""
    return OrmStore(kind)

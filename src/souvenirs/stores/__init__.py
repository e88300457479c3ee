"""Where souvenirs are kept and read back."""

from ..models import Digest
from .activeusers import ActiveUsers, IsMember, comparable, primary_keys
from .base import Sighting, Store, UserRange
from .digesttable import Contended, DigestTable, retried
from .groups import Group, group_of, members_among, members_by, queryset_of
from .numbers import forget_number, give_numbers, numbers_of
from .orm import OrmStore
from .queries import number_undigested, undigested_in
from .reading import PrunedSpan
from .seals import Agreement, apart_sentence, missing_sentence
from .souvenirs import SouvenirQuerySet, delete_souvenirs, mark_digested


def get_store(kind: str = Digest.ACTIVE) -> Store:
    """Return the store that the app uses, for readings of one kind of digests."""
    return OrmStore(kind)

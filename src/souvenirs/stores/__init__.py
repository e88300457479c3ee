"""Where souvenirs are kept and read back."""

from ..models import Digest, Statement
from .activegroups import (
    ActiveGroups,
    GroupField,
    Memberships,
    counts_as_group,
    in_order,
    kind_of,
    last_common,
    union,
)
from .activesets import ActiveSet
from .activeusers import ActiveUsers, IsMember, primary_keys
from .base import Sighting, Store, UserRange
from .digesttable import DigestTable
from .figures import FINAL_AFTER, lock_figures, mark_figures
from .groups import Group, common_users, group_of, members_among, members_by, queryset_of
from .manual import committing
from .measures import Measures, RowCount, TableSize
from .numbers import forget_number, give_numbers, numbers_of
from .orm import OrmStore
from .queries import number_undigested, undigested_in
from .reading import PrunedSpan
from .seals import Agreement, apart_sentence, missing_sentence
from .souvenirs import SouvenirQuerySet, delete_souvenirs, mark_digested
from .statements import (
    erase_from_statements,
    last_souvenir,
    lock_statements,
    statements_with,
    users_left_by,
)
from .transactions import Contended, locking, retried


def get_store(kind: str = Digest.ACTIVE) -> Store:
    """Return the store that the app uses, for readings of one kind of digests."""
    return OrmStore(kind)

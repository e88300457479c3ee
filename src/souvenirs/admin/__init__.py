"""The admin: the pages, annotations, statements, souvenirs, and when users were seen."""

from .statements import StatementAdmin
from .usage import AnnotationAdmin, ReadOnlyAdmin, ShortPaginator, SouvenirAdmin, UsageAdmin
from .users import LastSeenAdminMixin

__all__ = [
    "AnnotationAdmin",
    "LastSeenAdminMixin",
    "ReadOnlyAdmin",
    "ShortPaginator",
    "SouvenirAdmin",
    "StatementAdmin",
    "UsageAdmin",
]

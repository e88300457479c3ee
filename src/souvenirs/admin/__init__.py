"""The admin: the pages, annotations, stored souvenirs, and when users were last seen."""

from .usage import AnnotationAdmin, ReadOnlyAdmin, ShortPaginator, SouvenirAdmin, UsageAdmin
from .users import LastSeenAdminMixin

__all__ = [
    "AnnotationAdmin",
    "LastSeenAdminMixin",
    "ReadOnlyAdmin",
    "ShortPaginator",
    "SouvenirAdmin",
    "UsageAdmin",
]

"""The admin: the pages, stored souvenirs, and when users were last seen."""

from .usage import ReadOnlyAdmin, ShortPaginator, SouvenirAdmin, UsageAdmin
from .users import LastSeenAdminMixin

__all__ = ["LastSeenAdminMixin", "ReadOnlyAdmin", "ShortPaginator", "SouvenirAdmin", "UsageAdmin"]

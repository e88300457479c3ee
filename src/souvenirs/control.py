"""The front door: the verbs of the app, and what they raise."""

from .activeusers import ActiveUsers
from .counting import active_users, count_active_users
from .digests.erasing import erase_user, export_user
from .recording import asouvenez, souvenez
from .segments import BySegment
from .stores.reading import PrunedSpan
from .usersets import CorruptDigest, UserSet

__all__ = [
    "ActiveUsers",
    "BySegment",
    "CorruptDigest",
    "PrunedSpan",
    "UserSet",
    "active_users",
    "asouvenez",
    "count_active_users",
    "erase_user",
    "export_user",
    "souvenez",
]

"""The main functions of the app and the errors they raise."""

from .annotations import annotate, annotations_between
from .counting import (
    ActiveGroups,
    ActiveSet,
    ActiveUsers,
    BySegment,
    active_groups,
    active_users,
    count_active_users,
)
from .digests import erase_user, export_user
from .recording import asouvenez, souvenez
from .sets import CorruptDigest, UserSet
from .stores import PrunedSpan

__all__ = [
    "ActiveGroups",
    "ActiveSet",
    "ActiveUsers",
    "BySegment",
    "CorruptDigest",
    "PrunedSpan",
    "UserSet",
    "active_groups",
    "active_users",
    "annotate",
    "annotations_between",
    "asouvenez",
    "count_active_users",
    "erase_user",
    "export_user",
    "souvenez",
]

"""System checks of the settings, the site and the database."""

from .migrations import NotMigrated, has_tables, migrated, unapplied
from .settings import check_settings
from .site import (
    BEHIND,
    check_agreement,
    check_database,
    check_deployment,
    check_digesting,
    check_middleware,
    check_site,
)

__all__ = [
    "BEHIND",
    "NotMigrated",
    "check_agreement",
    "check_database",
    "check_deployment",
    "check_digesting",
    "check_middleware",
    "check_settings",
    "check_site",
    "has_tables",
    "migrated",
    "unapplied",
]

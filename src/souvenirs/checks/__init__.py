"""System checks of the settings, the site and the database."""

from .migrations import NotMigrated, migrated
from .settings import check_settings
from .site import (
    check_agreement,
    check_database,
    check_deployment,
    check_digesting,
    check_middleware,
    check_site,
)

__all__ = [
    "NotMigrated",
    "check_agreement",
    "check_database",
    "check_deployment",
    "check_digesting",
    "check_middleware",
    "check_settings",
    "check_site",
    "migrated",
]

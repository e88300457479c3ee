"""The app, as Django loads it."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.models.signals import post_delete


class SouvenirsConfig(AppConfig):
    name = "souvenirs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks import check_database, check_deployment, check_settings, check_site
        from .conf import conf
        from .digests import erase_deleted_user

        if conf.ON_USER_DELETE == "erase":
            # Only then, because Django deletes users faster without a listener.
            uid = "souvenirs.digests.erasing.erase_deleted_user"
            post_delete.connect(erase_deleted_user, settings.AUTH_USER_MODEL, dispatch_uid=uid)
        checks.register(check_settings)
        checks.register(check_site)
        checks.register(check_deployment, deploy=True)
        checks.register(check_database, checks.Tags.database)

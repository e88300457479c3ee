from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class SouvenirsConfig(AppConfig):
    name = "souvenirs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from .checks.settings import check_settings
        from .checks.site import check_database, check_deployment, check_site

        checks.register(check_settings)
        checks.register(check_site)
        checks.register(check_deployment, deploy=True)
        checks.register(check_database, checks.Tags.database)

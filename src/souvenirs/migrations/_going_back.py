"""What stands in the way of version 1 is said before anything changes."""

from django.apps.registry import Apps
from django.conf import settings
from django.core.management.base import CommandError
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def refuse_orphans(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    user_model = apps.get_model(settings.AUTH_USER_MODEL)
    users = user_model._base_manager.using(alias).filter(pk=models.OuterRef("user_id"))
    souvenirs = apps.get_model("souvenirs", "Souvenir")._base_manager.using(alias)
    orphans = souvenirs.filter(~models.Exists(users)).count()
    if orphans:
        raise CommandError(
            "Cannot go back to version 1, which does not allow souvenirs of users that no longer "
            f"exist: delete these first ({orphans:,} found)."
        )


def refuse_pruned(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    digests = apps.get_model("souvenirs", "Digest")._base_manager
    if digests.using(schema_editor.connection.alias).filter(is_pruned=True).exists():
        raise CommandError(
            "Cannot go back to before digests: some souvenirs have been pruned, and what is left "
            "of them is in digests only. To lose them, empty the table souvenirs_digest first."
        )

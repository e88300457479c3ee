"""Refuse to go back to version 1 if that would lose data, before anything has changed."""

from django.apps.registry import Apps
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: The greatest id of version 1, except on SQLite, where every integer has 64 bits.
LAST_ID = 2**31 - 1


def refuse_what_version_1_lacks(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    _refuse_orphans(apps, alias)
    _refuse_large_ids(apps, alias)
    _refuse_pruned(apps, alias)
    _refuse_annotations(apps, alias)
    _refuse_statements(apps, alias)


def _refuse_orphans(apps: Apps, alias: str) -> None:
    user_model = apps.get_model(settings.AUTH_USER_MODEL)
    users = user_model._base_manager.using(alias).filter(pk=models.OuterRef("user_id"))
    souvenirs = apps.get_model("souvenirs", "Souvenir")._base_manager.using(alias)
    orphans = souvenirs.filter(~models.Exists(users)).count()
    if orphans:
        raise CommandError(
            "Cannot go back to version 1, which does not allow souvenirs of users who no longer "
            f"exist: delete these first ({orphans:,} found)."
        )


def _refuse_large_ids(apps: Apps, alias: str) -> None:
    souvenirs = apps.get_model("souvenirs", "Souvenir")._base_manager.using(alias)
    if connections[alias].vendor != "sqlite" and souvenirs.filter(pk__gt=LAST_ID).exists():
        raise CommandError(
            f"Cannot go back to version 1, which does not allow souvenir ids above {LAST_ID:,}."
        )


def _refuse_pruned(apps: Apps, alias: str) -> None:
    try:
        digests = apps.get_model("souvenirs", "Digest")._base_manager.using(alias)
    except LookupError:  # before the migration that creates them
        return
    if digests.filter(is_pruned=True).exists():
        raise CommandError(
            "Cannot go back to version 1, which has no digests: souvenirs have been pruned, and only "
            "digests still contain them. To lose them, empty the table souvenirs_digest first."
        )


def _refuse_annotations(apps: Apps, alias: str) -> None:
    try:
        annotations = apps.get_model("souvenirs", "Annotation")._base_manager.using(alias)
    except LookupError:  # before the migration that creates them
        return
    count = annotations.count()
    if count:
        raise CommandError(
            "Cannot go back to version 1, which has no annotations: delete these first "
            f"({count:,} found)."
        )


def _refuse_statements(apps: Apps, alias: str) -> None:
    try:
        statements = apps.get_model("souvenirs", "Statement")._base_manager.using(alias)
    except LookupError:  # before the migration that creates them
        return
    count = statements.count()
    if count:
        raise CommandError(
            f"Cannot go back to version 1, which has no statements ({count:,} found). To lose them, "
            "empty the tables souvenirs_statementleaf and souvenirs_statement first."
        )

from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def keep_souvenirs_of_missing_users(
    apps: Apps, schema_editor: BaseDatabaseSchemaEditor
) -> None:
    """Remove the constraint of SQLite at once if souvenirs violate it.

    After each migration, Django refuses a database with rows that do. SQLite lets them in wherever
    foreign keys are not switched on, as in its shell.
    """
    model = apps.get_model("souvenirs", "Souvenir")
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA foreign_key_check({model._meta.db_table})")
        if cursor.fetchone() is None:
            return
    with_constraint = model._meta.get_field("user")
    without: Any = with_constraint.clone()
    without.db_constraint = False
    without.set_attributes_from_name("user")
    without.remote_field.model = with_constraint.remote_field.model
    schema_editor.alter_field(model, with_constraint, without)


class Migration(migrations.Migration):
    """Covering indexes for who was active in a range, and for when a user was last seen.

    They are created before the old ones are dropped, so that reports stay fast in between.
    """

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("souvenirs", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="souvenir",
            index=models.Index(fields=["when", "user"], name="souvenirs_when_user"),
        ),
        migrations.AddIndex(
            model_name="souvenir",
            index=models.Index(fields=["user", "when"], name="souvenirs_user_when"),
        ),
        migrations.RunPython(keep_souvenirs_of_missing_users, migrations.RunPython.noop),
    ]

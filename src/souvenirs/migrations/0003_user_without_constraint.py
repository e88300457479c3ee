import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def refuse_orphans(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Backwards: say what stands in the way, before the database refuses the constraint."""
    alias = schema_editor.connection.alias
    user_model = apps.get_model(settings.AUTH_USER_MODEL)
    users = user_model._base_manager.using(alias).filter(pk=models.OuterRef("user_id"))
    souvenirs = apps.get_model("souvenirs", "Souvenir")._base_manager.using(alias)
    orphans = souvenirs.filter(~models.Exists(users)).count()
    if orphans:
        raise RuntimeError(
            f"{orphans} souvenirs belong to users that no longer exist, which the constraint of "
            "version 1 does not allow. Delete these souvenirs first, then migrate back."
        )


class Migration(migrations.Migration):
    """A user column that neither waits for the user's row nor fails without it."""

    dependencies = [
        ("souvenirs", "0002_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="souvenir",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="souvenir",
            name="when",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        # Operations run in reverse order backwards: this one first.
        migrations.RunPython(migrations.RunPython.noop, refuse_orphans),
    ]

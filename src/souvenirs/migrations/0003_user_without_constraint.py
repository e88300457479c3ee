import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """A column of users without a constraint, so that no write waits for the user's row."""

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
        # Backwards, operations run in reverse order: this one first.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

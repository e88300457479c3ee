from django.db import migrations

from souvenirs.sql import FalseIndex
from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """An index of undigested souvenirs."""

    dependencies = [
        ("souvenirs", "0004_digests"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="souvenir",
            index=FalseIndex(fields=["digested", "when", "user"], name="souvenirs_undigested"),
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

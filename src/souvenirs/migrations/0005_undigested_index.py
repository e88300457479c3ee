from django.db import migrations

from souvenirs.sql import FalseIndex
from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """An index of what is not digested yet."""

    dependencies = [
        ("souvenirs", "0004_digests"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="souvenir",
            index=FalseIndex(fields=["digested", "when", "user"], name="souvenirs_undigested"),
        ),
        # First backwards: where 0004 cannot follow, this one is not undone either.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

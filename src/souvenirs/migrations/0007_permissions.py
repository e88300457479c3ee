from django.db import migrations

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Permissions to see numbers, and to see the users behind them; no table changes."""

    dependencies = [
        ("souvenirs", "0006_bigautofield"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="souvenir",
            options={
                "ordering": ["-when"],
                "permissions": [
                    ("view_usage", "Can view how many users are active"),
                    ("view_people", "Can view which users are active"),
                ],
            },
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

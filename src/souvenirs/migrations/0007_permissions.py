from django.db import migrations

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Who may see numbers, and who may see the people behind them; no table changes."""

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
        # First backwards: where those before cannot follow, this one is not undone either.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

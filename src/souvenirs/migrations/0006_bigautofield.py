from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Room for more than 2,147,483,647 souvenirs."""

    dependencies = [
        ("souvenirs", "0005_undigested_index"),
    ]

    operations = [
        migrations.AlterField(
            model_name="souvenir",
            name="id",
            field=models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

import django.utils.timezone
from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Which mails have been sent, so that nobody is sent one twice."""

    dependencies = [
        ("souvenirs", "0011_figures"),
    ]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64, unique=True)),
                ("interval", models.CharField(max_length=8)),
                ("first_day", models.DateField()),
                ("claimed", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

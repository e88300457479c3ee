import django.utils.timezone
from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """The table of annotations."""

    dependencies = [
        ("souvenirs", "0009_seals"),
    ]

    operations = [
        migrations.CreateModel(
            name="Annotation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("text", models.CharField(max_length=100, verbose_name="text")),
                (
                    "created",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
            ],
            options={
                "verbose_name": "annotation",
                "verbose_name_plural": "annotations",
                "ordering": ["day", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "text"), name="souvenirs_annotation_of_day"
                    )
                ],
            },
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_what_version_1_lacks


class Migration(migrations.Migration):
    """Digests, and which souvenirs have been digested."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("souvenirs", "0003_user_without_constraint"),
    ]

    operations = [
        migrations.CreateModel(
            name="Digest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(default="active", max_length=16)),
                ("level", models.PositiveIntegerField()),
                ("start", models.BigIntegerField()),
                ("version", models.PositiveBigIntegerField(default=0)),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("checksum", models.BigIntegerField(default=0)),
                ("is_stale", models.BooleanField(default=True)),
                ("is_pruned", models.BooleanField(default=False)),
                ("body", models.BinaryField(default=b"")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "level", "start"), name="souvenirs_digest_of_cell"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UserNumber",
            fields=[
                ("number", models.AutoField(primary_key=True, serialize=False)),
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="souvenir",
            name="digested",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        # Backwards, operations run in reverse order: this one first.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

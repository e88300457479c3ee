from django.db import migrations


class Migration(migrations.Migration):
    """The entry in the admin that leads to the pages; no table changes."""

    dependencies = [
        ("souvenirs", "0007_permissions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Usage",
            fields=[],
            options={
                "verbose_name": "usage",
                "verbose_name_plural": "usage",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("souvenirs.souvenir",),
        ),
    ]

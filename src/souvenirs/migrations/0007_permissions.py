from django.db import migrations


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
    ]

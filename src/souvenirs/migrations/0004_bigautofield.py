from django.db import migrations, models

from souvenirs.migrations._going_back import refuse_orphans


class Migration(migrations.Migration):
    """Room for more than 2,147,483,647 souvenirs."""

    dependencies = [
        ("souvenirs", "0003_user_without_constraint"),
    ]

    operations = [
        migrations.AlterField(
            model_name="souvenir",
            name="id",
            field=models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        # First backwards: where 0003 cannot follow, this one is not undone either.
        migrations.RunPython(migrations.RunPython.noop, refuse_orphans),
    ]

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Covering indexes for who was active in a range, and for when a user was last seen.

    They are created before the old ones are dropped, so that reports stay fast in between.
    """

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("souvenirs", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="souvenir",
            index=models.Index(fields=["when", "user"], name="souvenirs_when_user"),
        ),
        migrations.AddIndex(
            model_name="souvenir",
            index=models.Index(fields=["user", "when"], name="souvenirs_user_when"),
        ),
    ]

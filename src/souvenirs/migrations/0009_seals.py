from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from souvenirs.calendar import (
    BUCKETS,
    DAY_LEVEL,
    INVENTORY_LEVEL,
    MONTH_LEVEL,
    GridCell,
    bound,
    moment_of,
)
from souvenirs.migrations._going_back import refuse_what_version_1_lacks
from souvenirs.sql import SetIndex

KIND = "active"


def seal(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the digests and souvenirs of each month as they are, and seal them."""
    from souvenirs.stores.seals import Inventory, label_of, next_seal

    alias = schema_editor.connection.alias
    digests = apps.get_model("souvenirs", "Digest")._base_manager.using(alias)
    souvenirs = apps.get_model("souvenirs", "Souvenir")._base_manager.using(alias)
    digests.filter(level__gte=DAY_LEVEL, is_stale=True).update(checksum=0)
    of_kind = digests.filter(kind=KIND)
    for start in of_kind.filter(level=MONTH_LEVEL).values_list("start", flat=True):
        month = GridCell(MONTH_LEVEL, start)
        inside = of_kind.filter(level__in=BUCKETS, start__gte=start, start__lt=month.end)
        rows = inside.values_list("level", "start", "is_pruned")
        buckets = {GridCell(level, second): is_pruned for level, second, is_pruned in rows}
        ends = bound(moment_of(start)), bound(moment_of(month.end))
        digested = souvenirs.filter(when__gte=ends[0], when__lt=ends[1], digested=True)
        chosen = digested.order_by("when").values_list("pk", flat=True).first()
        number = next_seal(0, has_souvenir=chosen is not None, has_pruned=any(buckets.values()))
        users = Inventory(number, buckets).users(month)
        digests.create(
            kind=KIND,
            level=INVENTORY_LEVEL,
            start=start,
            version=number,
            count=len(users),
            is_stale=False,
            body=users.to_bytes(label_of(KIND, month, number)),
        )
        if chosen is not None:
            souvenirs.filter(pk=chosen).update(seal=number)


def unseal(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    digests = apps.get_model("souvenirs", "Digest")._base_manager.using(alias)
    digests.filter(level=INVENTORY_LEVEL).delete()


class Migration(migrations.Migration):
    """Seals of souvenirs and digests, which show whether they belong together."""

    dependencies = [
        ("souvenirs", "0008_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="souvenir",
            name="seal",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="souvenir",
            index=SetIndex(fields=["seal"], name="souvenirs_sealed"),
        ),
        migrations.RunPython(seal, unseal),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from souvenirs.migrations._going_back import refuse_what_version_1_lacks

VIEWS = {
    "souvenirs_daily": "day",
    "souvenirs_weekly": "week",
    "souvenirs_monthly": "month",
    "souvenirs_quarterly": "quarter",
    "souvenirs_yearly": "year",
}

#: The metrics that depend on souvenirs only; those of the last days are of single days.
ACTIVITY = ["active", "new", "retained", "resurrected", "churned"]
TRAILING = ["active_7d", "active_28d", "active_30d"]
ACCOUNTS = ["registered", "activated"]

#: The type of whole numbers in a CAST.
WHOLE = {"postgresql": "BIGINT", "sqlite": "INTEGER", "mysql": "SIGNED"}


def create_lock(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    locks = apps.get_model("souvenirs", "FigureLock")._base_manager
    locks.using(schema_editor.connection.alias).create(pk=1)


def create_views(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name, interval in VIEWS.items():
        schema_editor.execute(_view(schema_editor, name, interval), params=None)


def drop_views(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in VIEWS:
        schema_editor.execute(f"DROP VIEW IF EXISTS {schema_editor.quote_name(name)}", params=None)


def _view(schema_editor: BaseDatabaseSchemaEditor, name: str, interval: str) -> str:
    quote = schema_editor.quote_name
    whole = WHOLE[schema_editor.connection.vendor]
    metric, value, is_final = quote("metric"), quote("value"), quote("is_final")

    def number(name: str) -> str:
        return f"MAX(CASE WHEN {metric} = '{name}' THEN {value} END)"

    trailing = TRAILING if interval == "day" else []
    counts = [*ACTIVITY, *trailing, *ACCOUNTS]
    columns = [f"CAST({number(each)} AS {whole}) AS {quote(each)}" for each in counts]
    if trailing:
        columns.append(f"{number('stickiness')} AS {quote('stickiness')}")
    activity = ", ".join(f"'{each}'" for each in [*ACTIVITY, *TRAILING, "stickiness"])
    columns += [
        # Without a row of the activity there is nothing final.
        f"COALESCE(MIN(CASE WHEN {metric} NOT IN ({activity}) THEN NULL"
        f" WHEN {is_final} THEN 1 ELSE 0 END), 0) AS {is_final}",
        f"MAX({quote('computed')}) AS {quote('computed')}",
    ]
    keys = ", ".join(map(quote, ["first_day", "last_day", "time_zone", "segment"]))
    return (
        f"CREATE VIEW {quote(name)} AS SELECT {keys}, {', '.join(columns)} "
        f"FROM {quote('souvenirs_figure')} WHERE {quote('interval')} = '{interval}' GROUP BY {keys}"
    )


class Migration(migrations.Migration):
    """Published figures, and a view of them for each interval."""

    dependencies = [
        ("souvenirs", "0010_annotations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Figure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("metric", models.CharField(max_length=16)),
                ("interval", models.CharField(max_length=8)),
                ("first_day", models.DateField()),
                ("last_day", models.DateField()),
                ("time_zone", models.CharField(max_length=64)),
                ("segment", models.CharField(blank=True, default="", max_length=200)),
                ("value", models.FloatField(null=True)),
                ("is_final", models.BooleanField(default=False)),
                ("computed", models.DateTimeField(default=django.utils.timezone.now)),
                ("since", models.BigIntegerField(editable=False, null=True)),
                ("until", models.BigIntegerField(default=0, editable=False)),
            ],
            options={
                "indexes": [models.Index(fields=["until"], name="souvenirs_figure_until")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("segment", "time_zone", "interval", "metric", "first_day"),
                        name="souvenirs_figure_of_period",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FigureLock",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("marks", models.PositiveBigIntegerField(default=0)),
                ("laid_out_for", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.RunPython(
            create_lock, migrations.RunPython.noop, hints={"model_name": "figurelock"}
        ),
        migrations.RunPython(
            create_views, drop_views, atomic=False, hints={"model_name": "figure"}
        ),
        # Backwards, operations run in reverse order: this one refuses before anything changes.
        migrations.RunPython(migrations.RunPython.noop, refuse_what_version_1_lacks),
    ]

"""The way from version 1.0.2 to this one, and back, on the very table that 1.0.2 left behind."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.core.management.color import no_style
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from souvenirs import reports
from souvenirs.control import annotate, count_active_users, souvenez
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.models import Souvenir
from souvenirs.statements import issue_statement
from tests.conftest import at, build_user, vendor_is

pytestmark = pytest.mark.django_db

#: As version 1.0.2 made it under Django 1.11.29: the SQL of its ``sqlmigrate souvenirs 0001``.
VERSION_1 = {
    "postgresql": [
        'CREATE TABLE "souvenirs_souvenir" ("id" serial NOT NULL PRIMARY KEY,'
        ' "when" timestamp with time zone NOT NULL, "user_id" integer NOT NULL)',
        'ALTER TABLE "souvenirs_souvenir"'
        ' ADD CONSTRAINT "souvenirs_souvenir_user_id_dea7030c_fk_auth_user_id"'
        ' FOREIGN KEY ("user_id") REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED',
        'CREATE INDEX "souvenirs_souvenir_when_671e5ab9" ON "souvenirs_souvenir" ("when")',
        'CREATE INDEX "souvenirs_souvenir_user_id_dea7030c" ON "souvenirs_souvenir" ("user_id")',
    ],
    "mysql": [
        "CREATE TABLE `souvenirs_souvenir` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY,"
        " `when` datetime(6) NOT NULL, `user_id` integer NOT NULL)",
        "ALTER TABLE `souvenirs_souvenir`"
        " ADD CONSTRAINT `souvenirs_souvenir_user_id_dea7030c_fk_auth_user_id`"
        " FOREIGN KEY (`user_id`) REFERENCES `auth_user` (`id`)",
        "CREATE INDEX `souvenirs_souvenir_when_671e5ab9` ON `souvenirs_souvenir` (`when`)",
    ],
    "sqlite": [
        'CREATE TABLE "souvenirs_souvenir" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,'
        ' "when" datetime NOT NULL, "user_id" integer NOT NULL REFERENCES "auth_user" ("id"))',
        'CREATE INDEX "souvenirs_souvenir_when_671e5ab9" ON "souvenirs_souvenir" ("when")',
        'CREATE INDEX "souvenirs_souvenir_user_id_dea7030c" ON "souvenirs_souvenir" ("user_id")',
    ],
}

#: The whole numbers from 0 to ``last`` as a column ``n``.
NUMBERS = {
    "postgresql": "generate_series(0, {last}) AS numbers(n)",
    "mysql": "(SELECT seq AS n FROM seq_0_to_{last}) numbers",
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers"
    " WHERE n < {last}) SELECT n FROM numbers)",
}

#: So many seconds after the year 2016 began, and some microseconds.
MOMENT = {
    "postgresql": "timestamptz '2016-01-01 00:00Z' + {seconds} * interval '1 second'"
    " + {k} % 1000 * interval '1 microsecond'",
    "mysql": "TIMESTAMP('2016-01-01') + INTERVAL {seconds} SECOND"
    " + INTERVAL {k} % 1000 MICROSECOND",
    "sqlite": "datetime('2016-01-01', ({seconds}) || ' seconds') || printf('.%06d', {k} % 1000)",
}

START, END = at(2016, 1, 1), at(2016, 7, 1)
RANGES = [
    (START, END),
    (START, at(2016, 2, 1)),
    (at(2016, 2, 29), at(2016, 3, 1)),
    (at(2016, 3, 1, 8), at(2016, 3, 1, 9)),
    (at(2015, 1, 1), START),
]
MONTHS = [at(2016, month, 1) for month in range(1, 8)]
MAX_INTEGER = 2**31 - 1

HOW_TO = Path(__file__).parents[1] / "docs/how-to"
UPGRADE = (HOW_TO / "upgrade.md").read_text()
GUIDE = "\n".join((HOW_TO / f"{name}.md").read_text() for name in ("upgrade", "large-tables"))


def forward():
    call_command("migrate", verbosity=0)


def back():
    call_command("migrate", "souvenirs", "0001", verbosity=0)


def execute(*statements):
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


VIEWS = ["daily", "weekly", "monthly", "quarterly", "yearly"]


def forget_tables():
    """Take the app out of the database, whatever state a test has left it in."""
    tables = [model._meta.db_table for model in apps.get_app_config("souvenirs").get_models()]
    # On SQLite, no table can be renamed while a view is left of one that is gone; on servers, none
    # can be dropped before the tables, later in the list, that refer to it.
    execute(*(f"DROP VIEW IF EXISTS souvenirs_{name}" for name in VIEWS))
    execute(*(f"DROP TABLE IF EXISTS {table}" for table in ["souvenirs_new", *tables[::-1]]))
    if vendor_is("postgresql"):
        execute("DROP FUNCTION IF EXISTS souvenirs_mirror")
    MigrationRecorder(connection).migration_qs.filter(app="souvenirs").delete()


@contextmanager
def database_of_version_1(users, souvenirs):
    """The database as a site with version 1.0.2 has it; ours again in the end."""
    forget_tables()
    try:
        execute(*VERSION_1[connection.vendor])
        MigrationRecorder(connection).record_applied("souvenirs", "0001_initial")
        fill(users, souvenirs)
        yield
    finally:
        forget_tables()
        forward()


def fill(users, souvenirs):
    """Half a year with more users from day to day; every tenth souvenir is a copy of the ninth."""
    get_user_model().objects.bulk_create([build_user(number) for number in range(1, users + 1)])
    growth = -(-souvenirs // users)
    numbers, moment = NUMBERS[connection.vendor], MOMENT[connection.vendor]
    k = "(n - CASE n % 10 WHEN 9 THEN 1 ELSE 0 END)"
    user = f"1 + {k} * 7919 % (1 + ({k} - {k} % {growth}) / {growth})"
    execute(
        f"INSERT INTO souvenirs_souvenir (user_id, {connection.ops.quote_name('when')})"
        f" SELECT {user}, {moment.format(seconds=f'{k} * {15_552_000 // souvenirs}', k=k)}"
        f" FROM {numbers.format(last=souvenirs - 1)} ORDER BY n"
    )


def rows():
    """What is in the table, as it is stored."""
    with connection.cursor() as cursor:
        when = connection.ops.quote_name("when")
        cursor.execute(f"SELECT id, user_id, {when} FROM souvenirs_souvenir ORDER BY id")
        return list(cursor.fetchall())


def naive_count(start, end):
    with connection.cursor() as cursor:
        when = connection.ops.quote_name("when")
        cursor.execute(
            "SELECT COUNT(DISTINCT user_id) FROM souvenirs_souvenir"
            f" WHERE {when} >= %s AND {when} < %s",
            [connection.ops.adapt_datetimefield_value(moment) for moment in (start, end)],
        )
        return cursor.fetchone()[0]


def columns():
    """Name, type and nullability of each column, in order."""
    introspection = connection.introspection
    with connection.cursor() as cursor:
        description = introspection.get_table_description(cursor, "souvenirs_souvenir")
    return [
        (column.name, introspection.get_field_type(column.type_code, column), column.null_ok)
        for column in description
    ]


def constraints():
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, "souvenirs_souvenir")


def applied():
    names = MigrationRecorder(connection).migration_qs.filter(app="souvenirs")
    return sorted(names.values_list("name", flat=True))


def whole_state():
    return columns(), constraints(), applied(), rows()


class Stage(NamedTuple):
    """What can be seen at one point of the way."""

    columns: list
    constraints: dict
    rows: list
    counts: list | None
    naive_counts: list
    monthly: list
    naive_monthly: list

    def indexes(self):
        """Columns of each index by its name, without the primary key."""
        return {
            name: details["columns"]
            for name, details in self.constraints.items()
            if details["index"] and not details["primary_key"]
        }

    def references(self):
        """Which columns the database holds to which column of which table."""
        return [
            (details["columns"], details["foreign_key"])
            for details in self.constraints.values()
            if details["foreign_key"]
        ]


def look_around():
    can_count = "0004_digests" in applied()
    usages = list(reports.calendar_monthly_usage(START, END)) if can_count else []
    return Stage(
        columns=columns(),
        constraints=constraints(),
        rows=rows(),
        counts=[count_active_users(*span) for span in RANGES] if can_count else None,
        naive_counts=[naive_count(*span) for span in RANGES],
        monthly=[usage["usage"]["active_users"] for usage in usages],
        naive_monthly=[naive_count(*span) for span in pairwise(MONTHS)],
    )


def require_auth_user():
    if settings.AUTH_USER_MODEL != "auth.User":
        pytest.skip("version 1's table is written down here for auth_user")


@pytest.fixture(scope="module", params=[20_000, pytest.param(200_000, marks=pytest.mark.thorough)])
def souvenirs(request):
    return request.param


@pytest.fixture(scope="module")
def way(souvenirs, django_db_setup, django_db_blocker):
    """A large table on its way forward, back and forward again; then tables created anew."""
    require_auth_user()
    steps = {
        "version 1": [],
        "forward": [forward],
        "back": [back],
        "forward again": [forward],
        "new version 1": [forget_tables, back],
        "new": [forward],
    }
    stages = {}
    with django_db_blocker.unblock(), database_of_version_1(souvenirs // 60, souvenirs):
        try:
            for stage, commands in steps.items():
                for command in commands:
                    command()
                stages[stage] = look_around()
        finally:
            call_command("flush", interactive=False, verbosity=0)
    return stages


@pytest.fixture
def version_1(transactional_db):
    require_auth_user()
    with database_of_version_1(users=10, souvenirs=100):
        yield


@pytest.fixture
def upgraded(version_1):
    forward()


@pytest.fixture
def returned(upgraded):
    back()


@pytest.fixture(params=["version_1", "upgraded", "returned"])
def any_stage(request, transactional_db):
    request.getfixturevalue(request.param)


@pytest.mark.parametrize("direction", ["forward", "back", "forward again"])
def test_no_row_is_lost_or_changed(way, souvenirs, direction):
    assert len(way["version 1"].rows) == souvenirs
    assert len(way[direction].rows) == len(way["version 1"].rows)
    assert set(way[direction].rows) ^ set(way["version 1"].rows) == set()


@pytest.mark.parametrize("direction", ["forward", "back", "forward again"])
def test_every_count_stays(way, direction):
    assert way[direction].naive_counts == way["version 1"].naive_counts
    assert way[direction].naive_monthly == way["version 1"].naive_monthly


@pytest.mark.parametrize("stage", ["forward", "forward again"])
def test_counts_are_those_of_the_naive_query(way, stage):
    assert way[stage].counts == way[stage].naive_counts
    assert way[stage].counts[-1] == 0 < min(way[stage].counts[:-1])


@pytest.mark.parametrize("stage", ["forward", "forward again"])
def test_monthly_report_is_that_of_the_naive_query(way, stage):
    assert way[stage].monthly == way[stage].naive_monthly
    assert len(set(way[stage].monthly)) > 1


def test_upgrade_takes_the_constraint_away(way):
    assert way["version 1"].references() == [(["user_id"], ("auth_user", "id"))]
    assert way["forward"].references() == []


def test_upgrade_replaces_the_indexes(way):
    undigested = ["when", "user_id"]
    if vendor_is("mysql"):  # which has no index of a part of the rows
        undigested.insert(0, "digested")
    assert way["forward"].indexes() == {
        "souvenirs_when_user": ["when", "user_id"],
        "souvenirs_user_when": ["user_id", "when"],
        "souvenirs_undigested": undigested,
        "souvenirs_sealed": ["seal"],
    }


def test_upgrade_widens_the_ids(way):
    if vendor_is("sqlite"):
        pytest.skip("every integer of SQLite has 64 bits")
    assert ("id", "AutoField", False) in way["version 1"].columns
    assert ("id", "BigAutoField", False) in way["forward"].columns


def test_going_back_restores_the_constraint(way):
    assert way["back"].references() == way["version 1"].references()


def test_going_back_restores_the_indexes(way):
    columns = sorted(way["back"].indexes().values())
    assert columns == sorted(way["version 1"].indexes().values()) == [["user_id"], ["when"]]


def test_going_back_restores_the_columns(way):
    """In SQLite, where a change creates the table again, their order differs."""
    assert sorted(way["back"].columns) == sorted(way["version 1"].columns)


@pytest.mark.parametrize("upgrade", ["forward", "forward again"])
def test_upgraded_table_is_that_of_a_new_installation(way, upgrade):
    assert way[upgrade].columns == way["new"].columns
    assert way[upgrade].constraints == way["new"].constraints


def test_first_migration_makes_the_table_of_version_1(way):
    assert way["new version 1"].columns == way["version 1"].columns
    assert way["new version 1"].constraints == way["version 1"].constraints


def test_new_souvenir_gets_a_new_id(any_stage):
    """Also before the upgrade: code and table need not change in the same moment."""
    last = rows()[-1][0]
    assert souvenez(1) == "added"
    assert rows()[-1][0] > last


def test_ids_go_on_beyond_32_bits(upgraded):
    Souvenir(id=MAX_INTEGER, user_id=1, when=START).save(force_insert=True)
    execute(*connection.ops.sequence_reset_sql(no_style(), [Souvenir]))
    assert Souvenir.objects.create(user_id=1, when=START).id == MAX_INTEGER + 1


def test_souvenir_of_a_missing_user_can_be_written(upgraded):
    assert souvenez(99) == "added"


@contextmanager
def no_constraints():
    """As in SQLite's shell."""
    connection.disable_constraint_checking()
    if vendor_is("postgresql"):
        execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        connection.enable_constraint_checking()
        if vendor_is("postgresql"):
            execute("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize("start", ["0001", "0002"])
def test_souvenirs_of_users_deleted_by_hand_are_kept(version_1, start):
    """On SQLite, Django checks all constraints after each migration."""
    call_command("migrate", "souvenirs", start, verbosity=0)
    with no_constraints():
        execute("DELETE FROM auth_user WHERE id < 4")
    before, count = rows(), naive_count(START, END)
    forward()
    assert rows() == before
    assert count_active_users(START, END) == count
    assert not any(details["foreign_key"] for details in constraints().values())


def test_deleting_a_user_keeps_the_souvenirs(upgraded):
    before = rows()
    get_user_model().objects.get(pk=1).delete()
    assert rows() == before


def test_going_back_with_orphans_is_refused_in_words(upgraded):
    orphans = Souvenir.objects.filter(user_id=1).count()
    get_user_model().objects.get(pk=1).delete()
    with pytest.raises(CommandError) as refusal:
        back()
    assert str(refusal.value) == (
        "Cannot go back to version 1, which does not allow souvenirs of users who no longer "
        f"exist: delete these first ({orphans} found)."
    )


def test_refused_way_back_changes_nothing(upgraded):
    souvenez(99)
    before = whole_state()
    with pytest.raises(CommandError):
        back()
    assert whole_state() == before


def test_way_back_is_refused_from_halfway_too(upgraded):
    """Where the long migration is put off, another one is the last there is."""
    for halfway in ("0006", "0005", "0004", "0003"):
        call_command("migrate", "souvenirs", halfway, verbosity=0)
        souvenez(99, ratelimit=False)
        before = whole_state()
        with pytest.raises(CommandError):
            back()
        assert whole_state() == before, halfway
        execute("DELETE FROM souvenirs_souvenir WHERE user_id = 99")


def test_way_back_from_pruned_souvenirs_is_refused_in_words(upgraded):
    """Also where they are orphans of nobody: only digests know of them."""
    list(Digester().run())
    list(Pruner(END).run())
    before = whole_state()
    with pytest.raises(CommandError) as refusal:
        back()
    assert str(refusal.value) == (
        "Cannot go back to version 1, which has no digests: souvenirs have been pruned, and only "
        "digests still contain them. To lose them, empty the table souvenirs_digest first."
    )
    assert whole_state() == before


def test_way_back_from_annotations_is_refused_in_words(upgraded):
    annotation = annotate(START, "2.0 released")
    with pytest.raises(CommandError) as refusal:
        back()
    assert str(refusal.value) == (
        "Cannot go back to version 1, which has no annotations: delete these first (1 found)."
    )
    annotation.delete()
    back()
    assert applied() == ["0001_initial"]


def test_way_back_from_statements_is_refused_in_words(upgraded):
    statement = issue_statement(None, (START, END))
    with pytest.raises(CommandError) as refusal:
        back()
    assert str(refusal.value) == (
        "Cannot go back to version 1, which has no statements (1 found). To lose them, empty the "
        "tables souvenirs_statementleaf and souvenirs_statement first."
    )
    statement.delete()
    back()
    assert applied() == ["0001_initial"]


def test_way_back_from_digests_without_pruning_is_open(upgraded):
    before = rows()
    list(Digester().run())
    back()
    assert rows() == before


def test_way_back_with_ids_beyond_32_bits_changes_nothing(upgraded):
    if vendor_is("sqlite"):
        pytest.skip("every integer of SQLite has 64 bits")
    Souvenir(id=MAX_INTEGER + 1, user_id=1, when=START).save(force_insert=True)
    before = whole_state()
    with pytest.raises(CommandError, match="ids above 2,147,483,647"):
        back()
    assert whole_state() == before


def sql_of_guide(heading):
    """The SQL blocks of a section of the guide, each a list of statements."""
    section = re.split(rf"^#+ {heading}$", GUIDE, flags=re.MULTILINE)[1]
    section = re.split(r"^#", section, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sql\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    # What follows a semicolon inside a statement is indented.
    return [re.split(r"(?<=;)\n+(?=\S)", block.strip()) for block in blocks]


def require_postgresql():
    if not vendor_is("postgresql"):
        pytest.skip("the guide does this on PostgreSQL")


def assert_as_newly_installed():
    found = columns(), constraints()
    forget_tables()
    forward()
    assert (columns(), constraints()) == found


def test_guide_makes_the_indexes_of_the_migration(version_1):
    require_postgresql()
    first, last = sql_of_guide("Step by step")
    execute(*first)
    call_command("migrate", "souvenirs", "0002", fake=True, verbosity=0)
    call_command("migrate", "souvenirs", "0004", verbosity=0)
    execute(*last)
    call_command("migrate", "souvenirs", "0005", fake=True, verbosity=0)
    forward()
    assert_as_newly_installed()


@pytest.fixture
def swapped(version_1):
    """The rows that the table made beside the old one has to have; users come and go meanwhile."""
    require_postgresql()
    before = rows()
    make, mirror, copy, index, compare, swap, _ = sql_of_guide("Beside the table")
    execute(*make, *mirror)
    souvenez(1, when=END)
    late = max(number for number, *_ in rows())
    Souvenir.objects.filter(user_id=2).delete()
    execute(*copy)
    execute(*copy)
    execute(*index)
    Souvenir.objects.filter(id=late).update(user_id=3)
    Souvenir.objects.filter(user_id=4).delete()
    with connection.cursor() as cursor:
        cursor.execute(*compare)
        assert cursor.fetchone() == (0,)
    execute(*swap)
    call_command("migrate", "souvenirs", "0003", fake=True, verbosity=0)
    call_command("migrate", "souvenirs", "0004", verbosity=0)
    _, index_of_undigested = sql_of_guide("Step by step")
    execute(*index_of_undigested)
    call_command("migrate", "souvenirs", "0006", fake=True, verbosity=0)
    forward()
    return [*(row for row in before if row[1] not in {2, 4}), (late, 3, END)]


def test_guide_makes_the_table_of_the_migrations_with_every_row(swapped):
    assert rows() == swapped
    assert Souvenir.objects.create(user_id=1, when=END).id == swapped[-1][0] + 1
    assert_as_newly_installed()


def test_guide_finds_a_row_that_is_missing(version_1):
    require_postgresql()
    make, mirror, copy, _, compare, *_ = sql_of_guide("Beside the table")
    execute(*make, *mirror, *copy, "DELETE FROM souvenirs_new WHERE id = 7")
    with connection.cursor() as cursor:
        cursor.execute(*compare)
        assert cursor.fetchone() == (1,)


def test_guide_gives_up_without_a_trace(version_1):
    require_postgresql()
    before = whole_state()
    make, mirror, *_, give_up = sql_of_guide("Beside the table")
    execute(*make, *mirror, *give_up)
    assert whole_state() == before
    assert souvenez(1) == "added"


def test_guide_opens_the_way_back(upgraded):
    before = rows()
    get_user_model().objects.get(pk=1).delete()
    [[delete_orphans]] = sql_of_guide("Going back")
    execute(delete_orphans)
    back()
    assert rows() == [row for row in before if row[1] != 1]


def test_any_user_model_can_go_back_and_forward(transactional_db, make_user, leave):
    make_user(1), make_user(2)
    leave((1, START), (1, END), (2, START))
    before = whole_state()
    back()
    forward()
    assert whole_state() == before


def test_guide_names_every_migration():
    migrations = Path(apps.get_app_config("souvenirs").path, "migrations").glob("0*.py")
    assert [path.stem for path in sorted(migrations)] == re.findall(
        r"^\| `(0\d+_\w+)`", UPGRADE, re.M
    )


def test_no_migration_is_missing():
    call_command("makemigrations", "souvenirs", "--check", "--dry-run")


@pytest.mark.parametrize("auto_field", ["AutoField", "BigAutoField"])
def test_default_auto_field_of_the_project_asks_for_no_migration(auto_field):
    """In a process of its own: the fields of a model are made when it is imported."""
    script = (
        "import django; from django.core.management import call_command;"
        "from tests import settings;"
        f"settings.DEFAULT_AUTO_FIELD = 'django.db.models.{auto_field}';"
        "django.setup();"
        "call_command('makemigrations', 'souvenirs', '--check', '--dry-run')"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "SOUVENIRS_TEST_DATABASE": "sqlite",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr

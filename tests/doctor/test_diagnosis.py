"""A fault for each finding, on real tables."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import Q

from souvenirs.doctor import State, diagnose, worst
from souvenirs.doctor.findings import in_bytes, length
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import get_store, measures, sizes
from tests.conftest import pk_of, vendor_is
from tests.digesting import digest, flip_a_bit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def now():
    return datetime.now(UTC)


def findings(**keywords):
    """The findings by their titles."""
    found = diagnose(is_brief=True, **keywords)
    assert all(finding.remedy for finding in found if finding.state is not State.OK)
    return {finding.title: finding for finding in found}


def told(title, **keywords):
    """The state and the sentence of a finding."""
    finding = findings(**keywords)[title]
    return finding.state, finding.message


def a_month_ago(months=1):
    """The start of an earlier month."""
    start = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(months):
        start = (start - DAY).replace(day=1)
    return start


@pytest.mark.django_db
def test_empty_site():
    found = findings(disk=10)
    assert [title for title, each in found.items() if each.state is not State.OK] == ["Recording"]
    assert found["Recording"].message == "No souvenir has been recorded yet."
    assert found["Souvenirs a month"].message == (
        "Unknown until souvenirs have been recorded for a complete month."
    )
    assert found["Size of souvenirs_souvenir"].message.startswith("0 rows; ")
    assert found["Disk"].message.endswith("of a disk of 10 GB are left; the growth is not known.")


@pytest.mark.django_db
def test_site_that_is_fine(leave, settings):
    settings.SOUVENIRS_KEEP_DAYS = 30
    leave((1, now() - 3 * DAY), (1, now() - timedelta(minutes=3)))
    digest()
    found = findings()
    assert worst(found.values()) is State.OK
    assert found["Recording"].message.endswith("UTC, 3 minutes ago.")
    assert found["Digesting"].message == "No souvenirs are waiting to be digested."
    assert found["Pruning"].message.startswith("SOUVENIRS_KEEP_DAYS is 30, and the oldest")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "state", "end"),
    [
        (5 * HOUR, State.OK, "5 hours ago; there is none within the last hour."),
        (2 * DAY, State.WARNING, "2 days ago; there is none within the last hour."),
    ],
)
def test_recording_that_has_stopped(leave, age, state, end):
    leave((1, now() - age))
    found, message = told("Recording")
    assert (found, message[-len(end) :]) == (state, end)


@pytest.mark.django_db
def test_recording_that_is_switched_off(settings):
    settings.SOUVENIRS_ENABLED = False
    message = "SOUVENIRS_ENABLED is False, so nothing is recorded."
    assert told("Recording") == (State.WARNING, message)


@pytest.mark.django_db
def test_souvenirs_in_the_future(leave):
    leave((1, now() - HOUR), (1, now() + timedelta(minutes=4)))
    assert told("Future") == (State.OK, "No souvenir is in the future.")
    latest = (now() + 2 * DAY).replace(microsecond=0)
    leave((1, now() + DAY), (2, latest))
    found = findings()
    assert found["Future"].state is State.WARNING
    assert found["Future"].message == (
        f"2 souvenirs are in the future, the last one from {latest:%Y-%m-%d %H:%M} UTC."
    )
    assert found["Future"].values == {"rows": 2, "last": latest.isoformat()}


@pytest.mark.django_db
def test_souvenirs_in_the_future_do_not_hide_that_recording_has_stopped(leave):
    leave((1, now() - 2 * DAY), (1, now() + DAY))
    assert told("Recording")[0] is State.WARNING


@pytest.mark.django_db
def test_digesting_that_has_stopped(leave):
    leave((1, now() - 5 * DAY))
    state, message = told("Digesting")
    assert state is State.OK
    assert message.startswith("Nothing has been digested: 1 souvenir is waiting to be digested, ")
    digest()
    leave((1, now() - 3 * DAY), (2, now()))
    state, message = told("Digesting")
    assert state is State.WARNING
    assert message.startswith("2 souvenirs are waiting to be digested, the oldest from ")
    assert message.endswith("3 days ago.")


@pytest.mark.django_db
def test_many_souvenirs_that_nobody_digests(leave, monkeypatch):
    monkeypatch.setattr(measures, "COUNTED", 2)
    leave(*((number, now()) for number in range(1, 5)))
    state, message = told("Digesting")
    assert state is State.WARNING
    assert message.startswith("Nothing has been digested: more than 2 souvenirs are waiting")


@pytest.mark.django_db
def test_corrupt_digests(leave):
    leave((1, now() - 40 * DAY), (2, now() - 5 * DAY))
    digest()
    assert told("Checksums") == (State.OK, "The latest digests can be read.")
    buckets = Digest.objects.filter(level=3600).order_by("start")
    flip_a_bit(buckets[0])
    state, one = told("Checksums")
    assert state is State.ERROR
    flip_a_bit(buckets[1])
    assert told("Checksums")[1].endswith("(1 more digest like this)")
    assert worst(diagnose(is_brief=True)) is State.ERROR
    assert one.count("\n") == 0


@pytest.mark.django_db
def test_stale_digest_that_is_corrupt_is_not_read(leave):
    leave((1, now() - 5 * DAY))
    digest()
    day = Digest.objects.get(level=86400)
    flip_a_bit(day)
    assert told("Checksums")[0] is State.ERROR
    Digest.objects.filter(pk=day.pk).update(is_stale=True)
    assert told("Checksums")[0] is State.OK


@pytest.mark.django_db
def test_pruning_that_has_stopped(leave, settings):
    assert told("Pruning")[1] == "SOUVENIRS_KEEP_DAYS is not set, so souvenirs are kept for ever."
    settings.SOUVENIRS_KEEP_DAYS = 7
    assert told("Pruning") == (State.OK, "There is nothing to prune.")
    leave((1, now() - 8 * DAY))
    assert told("Pruning")[0] is State.OK
    leave((1, now() - 20 * DAY))
    state, message = told("Pruning")
    assert state is State.WARNING
    assert message.startswith("SOUVENIRS_KEEP_DAYS is 7, and the oldest souvenir is from ")
    assert message.endswith(", 20 days ago.")


@pytest.mark.django_db(transaction=True)
def test_pruning_that_works_is_not_behind(leave, settings):
    """A souvenir with a seal remains."""
    settings.SOUVENIRS_KEEP_DAYS = 7
    leave(*((1, now() - day * DAY) for day in range(30)))
    digest()
    assert told("Pruning")[0] is State.WARNING
    call_command("prune_souvenirs", verbosity=0)
    assert told("Pruning")[0] is State.OK


@pytest.mark.django_db
def test_souvenirs_of_the_last_months(leave, monkeypatch):
    leave(
        (9, a_month_ago(4)),
        *((number, a_month_ago(2) + number * HOUR) for number in range(1, 4)),
        *((number, a_month_ago() + number * HOUR) for number in range(1, 6)),
        (1, now()),
    )
    three, two, one = (f"{a_month_ago(n):%Y-%m}" for n in (3, 2, 1))
    found = findings()["Souvenirs a month"]
    assert found.message == f"0 in {three}, 3 in {two}, 5 in {one}: 3 a month."
    assert found.values == {"months": {three: 0, two: 3, one: 5}, "mean": 3}
    # Beyond what is counted, digests know.
    digest()
    monkeypatch.setattr(measures, "COUNTED", 4)
    found = findings()["Souvenirs a month"]
    assert found.message == f"0 in {three}, 3 in {two}, about 5 in {one}: 3 a month."


@pytest.mark.django_db
def test_month_in_which_history_begins_is_left_out(leave):
    leave((1, a_month_ago(2) + 3 * DAY), (1, a_month_ago() + DAY), (2, a_month_ago() + DAY))
    assert told("Souvenirs a month")[1] == f"2 in {a_month_ago():%Y-%m}: 2 a month."


@pytest.mark.django_db
def test_disk_that_fills_up(leave, settings, monkeypatch):
    leave((9, a_month_ago(2)), *((number, a_month_ago() + HOUR) for number in range(1, 4)))
    tables = get_store().measures().tables()
    # MariaDB estimates a table's size anew whenever it has time.
    monkeypatch.setattr(measures.Measures, "tables", lambda self: tables)
    # Two souvenirs a month, of as many bytes as are assumed: 2 * bytes * months of room.
    each = findings(disk=1)["Disk"].values["bytes_a_row"]
    used = findings(disk=1)["Disk"].values["used"]

    def forecast(months):
        return findings(disk=(used + 2 * each * months) / 1e9)["Disk"]

    assert each in (300, 400)
    expected = {0.5: State.ERROR, 3: State.WARNING, 8: State.OK}
    assert {months: forecast(months).state for months in expected} == expected
    assert " is full in 3 months, on " in forecast(3).message
    full = now() + 3 * timedelta(days=365.2425 / 12)
    assert abs(datetime.fromisoformat(forecast(3).values["full"]) - full) < 2 * HOUR
    assert forecast(1300).message.endswith("lasts for more than 100 years.")
    if used:
        assert findings(disk=used / 2e9)["Disk"].message.startswith("The tables take ")
        assert findings(disk=used / 2e9)["Disk"].state is State.ERROR
    settings.SOUVENIRS_KEEP_DAYS = 30
    assert forecast(3).state is State.OK
    assert forecast(3).message.endswith("does not fill up.")
    settings.SOUVENIRS_KEEP_DAYS = 30_000_000
    assert forecast(3).state is State.WARNING


@pytest.mark.django_db
def test_bytes_of_a_row_are_measured_if_there_are_many(leave, monkeypatch):
    monkeypatch.setattr("souvenirs.doctor.growth.MEASURABLE", 10)
    leave(*((number, a_month_ago() + number * HOUR) for number in range(1, 21)))
    # MariaDB estimates a table's size anew whenever it has time.
    before, *_ = get_store().measures().tables()
    found = findings(disk=1)["Disk"].values["bytes_a_row"]
    after, *_ = get_store().measures().tables()
    assert found in {round(table.size / 20) for table in (before, after)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["souvenirs_when_user", "souvenirs_undigested"])
def test_index_that_is_gone_is_created_by_its_remedy(name):
    assert told("Indexes") == (State.OK, "All indexes of the app exist.")
    index = next(index for index in Souvenir._meta.indexes if index.name == name)
    with connection.schema_editor() as editor:
        editor.remove_index(Souvenir, index)
    finding = findings()[f"Index {name}"]
    assert finding.state is State.ERROR
    assert finding.message.startswith(f"The table souvenirs_souvenir lacks the index {name}, ")
    assert finding.remedy == f"Drop it if it exists, and create it: {finding.values['statement']}"
    with connection.cursor() as cursor:
        cursor.execute(finding.values["statement"])
    assert told("Indexes")[0] is State.OK


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="no other engine has invalid indexes")
def test_index_that_could_not_be_built():
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = FALSE"
            " WHERE indexrelid = 'souvenirs_user_when'::regclass"
        )
    finding = findings()["Index souvenirs_user_when"]
    assert finding.state is State.ERROR
    assert "lacks the index souvenirs_user_when, or it is invalid, so" in finding.message
    assert finding.remedy.startswith("Drop it if it exists, and create it: CREATE INDEX ")


@pytest.mark.django_db
@pytest.mark.parametrize(("ahead", "direction"), [(90, "behind"), (-90, "ahead of")])
def test_clock_that_is_wrong(monkeypatch, ahead, direction):
    class Clock:
        @staticmethod
        def time():
            return time.time() + ahead

    assert told("Clock")[0] is State.OK
    monkeypatch.setattr(measures, "time", Clock)
    state, message = told("Clock")
    if vendor_is("sqlite"):
        assert message == "SQLite has no clock of its own."
    else:
        assert state is State.WARNING
        assert message == (
            f"The clock of the database 'default' is 1 minute {direction} that of this machine."
        )


@pytest.mark.django_db(transaction=True)
def test_rows_that_are_not_counted_are_estimated(leave, monkeypatch):
    leave(*((number, now()) for number in range(1, 41)))
    analyze = {"mysql": "ANALYZE TABLE souvenirs_souvenir", "sqlite": "ANALYZE"}
    with connection.cursor() as cursor:
        cursor.execute(analyze.get(connection.vendor, "ANALYZE souvenirs_souvenir"))
        if vendor_is("mysql"):
            cursor.fetchall()
    assert told("Size of souvenirs_souvenir")[1].startswith("40 rows; ")
    monkeypatch.setattr(measures, "COUNTED", 10)
    message = told("Size of souvenirs_souvenir")[1]
    assert message.startswith("About 40 rows, an estimate; ")


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="other engines know the size")
@pytest.mark.parametrize("large", [True, False])
def test_size_that_sqlite_does_not_tell(monkeypatch, large):
    if large:
        monkeypatch.setattr(measures, "PAGES", 0)
    else:
        monkeypatch.setitem(sizes.SIZES, "sqlite", "SELECT size FROM no_dbstat WHERE name = %s")
    message = "0 rows; the engine does not tell how large it is."
    assert told("Size of souvenirs_souvenir") == (State.OK, message)


@pytest.mark.django_db
def test_what_cannot_be_examined_is_one_finding(monkeypatch):
    """A statement that fails, in a transaction that it would abort on PostgreSQL."""
    monkeypatch.setitem(measures.CLOCKS, connection.vendor, "SELECT 1 FROM no_such_table")
    found = findings()
    assert found["Clock"].state is State.ERROR
    assert found["Clock"].message.startswith("This could not be examined: ")
    assert found["Indexes"].state is State.OK


@pytest.mark.django_db
def test_setting_that_is_wrong_is_a_finding(settings):
    settings.SOUVENIRS_KEEP_DAYS = "seven"
    found = findings(disk=1)
    assert "SOUVENIRS_KEEP_DAYS should be" in found["Pruning"].message
    assert found["Recording"].message == "No souvenir has been recorded yet."


@pytest.mark.django_db
def test_without_time_zones(settings, leave):
    settings.USE_TZ = False
    Souvenir.objects.create(user_id=pk_of(1), when=datetime.now() - 2 * HOUR)
    found = findings()
    assert found["Recording"].message.endswith("2 hours ago; there is none within the last hour.")
    assert found["Future"].state is State.OK


class Router:
    """Souvenirs are in a database that does not answer."""

    def db_for_write(self, model, **hints):
        return "down"

    db_for_read = db_for_write


DOWN = {
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/no/such/folder/site.sqlite3"},
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": "1",
        "NAME": "x",
    },
    "mysql": {"ENGINE": "django.db.backends.mysql", "HOST": "127.0.0.1", "PORT": "1", "NAME": "x"},
}


@pytest.mark.usefixtures("django_db_setup")
def test_database_that_is_down(settings, monkeypatch, django_db_blocker):
    monkeypatch.setitem(
        connections.settings, "down", {**connections.settings["default"], **DOWN[connection.vendor]}
    )
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    with django_db_blocker.unblock():
        found = diagnose(is_brief=True)
        del connections["down"]
    assert [finding.title for finding in found] == ["Scope", "Connection"]
    assert found[1].state is State.ERROR
    assert found[1].message.startswith("The database 'down' does not answer: ")


class RaisingRouter:
    def db_for_write(self, model, **hints):
        raise LookupError("no tenant")

    db_for_read = db_for_write


@pytest.mark.django_db
def test_router_that_raises(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.RaisingRouter"]
    scope, database = diagnose(is_brief=True)
    assert scope.message == "SOUVENIRS_SCOPE or a router raises LookupError: no tenant."
    assert database.message == "This could not be examined: no tenant."
    assert (scope.state, database.state) == (State.ERROR, State.ERROR)


@pytest.mark.django_db
def test_scope(settings):
    assert told("Scope")[1].startswith("The site has a single scope")
    settings.SOUVENIRS_SCOPE = lambda: "acme"
    assert told("Scope")[1].startswith("The current scope is 'acme'; ")


@pytest.mark.django_db(databases=["default", "elsewhere"])
def test_replica_that_lags_behind(settings, leave):
    settings.DATABASE_ROUTERS = ["tests.test_replica.Router"]
    message = "The database 'elsewhere', which reports read, has the latest souvenirs."
    assert told("Replica") == (State.OK, message)
    leave((1, now()))
    message = "The database 'elsewhere', which reports read, lacks all souvenirs."
    assert told("Replica") == (State.WARNING, message)
    replica = Souvenir.objects.using("elsewhere")
    replica.create(user_id=pk_of(1), when=now() - 3 * HOUR - timedelta(minutes=1))
    message = (
        "The database 'elsewhere', which reports read, lacks the souvenirs of the last 3 hours."
    )
    assert told("Replica") == (State.WARNING, message)
    replica.create(user_id=pk_of(1), when=now() - timedelta(minutes=1))
    assert told("Replica")[0] is State.OK


@pytest.mark.django_db(transaction=True)
def test_tables_that_are_not_there(settings):
    call_command("migrate", "souvenirs", "zero", verbosity=0)
    try:
        _, database = diagnose(is_brief=True)
        settings.DATABASE_ROUTERS = ["tests.test_not_set_up.KeepsOut"]
        _, kept_out = diagnose(is_brief=True)
        settings.DATABASE_ROUTERS = []
        call_command("migrate", "souvenirs", "0005", verbosity=0)
        _, halfway = diagnose(is_brief=True)
    finally:
        settings.DATABASE_ROUTERS = []
        call_command("migrate", "souvenirs", verbosity=0)
    assert {database.state, kept_out.state, halfway.state} == {State.ERROR}
    assert "the first one is 0001_initial." in database.message
    assert database.remedy == "Run manage.py migrate souvenirs --database default."
    assert kept_out.message == (
        "A router keeps the tables of souvenirs out of the database 'default'."
    )
    assert "the first one is 0006_bigautofield." in halfway.message


@pytest.mark.django_db
def test_system_checks_are_findings(settings, monkeypatch):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    settings.SOUVENIRS_GATE_SIZE = 0
    settings.SOUVENIRS_SEGMENTS = {"pro": Q(no_such_field=1)}
    settings.MIDDLEWARE = []
    found = {finding.title: finding for finding in diagnose()}
    assert found["System check souvenirs.E007"].state is State.ERROR
    assert found["System check souvenirs.E007"].area == "settings"
    assert found["System check souvenirs.W003"].state is State.WARNING
    assert found["System check souvenirs.W003"].area == "middleware"
    assert "no_such_field" in " ".join(finding.message for finding in found.values())
    settings.SILENCED_SYSTEM_CHECKS = ["souvenirs.W003"]
    titles = [finding.title for finding in diagnose()]
    assert "System check souvenirs.W003" not in titles
    assert "Middleware" in titles


@pytest.mark.django_db
def test_checks_of_a_site_that_is_fine(monkeypatch):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    found = {finding.title: finding for finding in diagnose()}
    assert found["Settings"].message == "All settings are valid."
    assert found["Middleware"].state is State.OK
    # What is said of the class of a cache is left out once the cache itself is a finding.
    assert [each.title for each in found.values() if each.area == "cache"] == [
        "Claims in the cache"
    ]


@pytest.mark.above_the_store
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.5, "0 seconds"), (59, "59 seconds"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day")],
)
def test_length(seconds, expected):
    assert length(seconds) == expected


@pytest.mark.above_the_store
@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, "1 byte"), (999, "999 bytes"), (8192, "8.2 kB"), (5e9, "5.0 GB"), (2.5e12, "2.5 TB")],
)
def test_size_in_words(size, expected):
    assert in_bytes(size) == expected

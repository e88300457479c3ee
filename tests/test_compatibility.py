"""What worked in version 1.0.2 works: names, shapes and results."""

import inspect
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.utils import timezone

from souvenirs import reports
from souvenirs.control import count_active_users, souvenez
from souvenirs.management.commands._commands import ReportCommand
from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Souvenir
from tests.conftest import at

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

START = at(2010, 1, 24, 22)


@pytest.fixture
def history(make_user, monkeypatch):
    """A user a year in mid-February from 2010 to 2017, and one more in October 2015."""
    moments = [at(year, 2, 14, 12) for year in range(2010, 2018)] + [at(2015, 10, 17, 12)]
    for moment in moments:
        user = make_user(joined=moment)
        Souvenir.objects.create(user=user, when=moment)
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: at(2017, 4, 3, 23))
    return moments


def test_signature_of_souvenez():
    assert list(inspect.signature(souvenez).parameters) == [
        "user",
        "when",
        "ratelimit",
        "check_duplicate",
    ]


def test_signature_of_count_active_users():
    assert list(inspect.signature(count_active_users).parameters)[:3] == ["start", "end", "qs"]


@pytest.mark.parametrize(
    "name",
    [
        "daily_usage",
        "customer_monthly_usage",
        "customer_quarterly_usage",
        "customer_yearly_usage",
        "calendar_monthly_usage",
        "usage_for_periods",
        "base_usage_for_periods",
        "_usage_for_periods",
        "registered_users_as_of",
        "label_year_month_m",
        "label_year_quarter_q",
        "label_year_quarter_m",
        "label_year_y",
        "label_year_q",
        "label_year_m",
        "label_calendar_year_month",
        "label_calendar_year",
    ],
)
def test_name_in_reports(name):
    assert callable(getattr(reports, name))


def test_reports_take_the_time_from_their_own_name():
    """Callers patch ``souvenirs.reports.timezone.now``."""
    assert reports.timezone is timezone


def test_old_name_of_the_base_function_is_the_new_one():
    assert reports._usage_for_periods is reports.base_usage_for_periods


@pytest.mark.parametrize("keywords", [{}, {"by": {"none": []}}])
def test_reports_call_whatever_replaces_the_old_name(history, monkeypatch, keywords):
    """Callers wrap ``souvenirs.reports._usage_for_periods``."""

    def wrapper(periods, **whom):
        for row in reports.base_usage_for_periods(periods, **whom):
            row["usage"]["revenue"] = 100
            yield row

    monkeypatch.setattr("souvenirs.reports._usage_for_periods", wrapper)
    rows = list(reports.customer_yearly_usage(START, **keywords))
    assert len(rows) == 8 * (1 + len(keywords))
    assert {row["usage"]["revenue"] for row in rows} == {100}


def test_app_and_table():
    assert apps.get_app_config("souvenirs").get_model("souvenir") is Souvenir
    assert Souvenir._meta.db_table == "souvenirs_souvenir"


def test_middleware_and_command_are_classes():
    assert inspect.isclass(SouvenirsMiddleware)
    assert inspect.isclass(ReportCommand)


def test_souvenez_answers_as_before(make_user):
    user, other = make_user(), make_user()
    hour_ago = timezone.now() - timedelta(minutes=61)
    assert souvenez(user, when=hour_ago) == "added"
    assert souvenez(user) == "added"
    assert souvenez(other) == "added"
    assert souvenez(user) == "rate-limited"
    assert souvenez(user, ratelimit=False) == "added"
    assert Souvenir.objects.count() == 4


def test_count_active_users_answers_as_before(history):
    assert count_active_users() == 9
    edge = at(2013, 2, 14, 12)
    assert (count_active_users(start=edge), count_active_users(end=edge)) == (6, 3)
    assert count_active_users(start=edge, end=edge) == 0
    assert count_active_users(at(2013, 2, 1), at(2015, 2, 1)) == 2


def test_shape_of_a_row(history):
    row = next(row for row in reports.customer_monthly_usage(START) if row["usage"]["active_users"])
    registered = row["usage"]["registered_users"]
    assert row == {
        "period": {"start": START, "end": at(2010, 2, 24, 22)},
        "labels": {"year_month": "Y01 M01", "year_quarter": "Y01 Q1", "year": "Y01"},
        "usage": {
            "registered_users": registered,
            "activated_users": registered,
            "active_users": 1,
        },
    }


@pytest.mark.parametrize(
    ("report", "keywords", "count"),
    [
        (reports.daily_usage, {}, 2627),
        (reports.daily_usage, {"start": at(2013, 2, 24, 22)}, 1500),
        (reports.daily_usage, {"end": at(2013, 2, 24, 22)}, 1127),
        (reports.customer_monthly_usage, {}, 87),
        (reports.customer_monthly_usage, {"start": at(2013, 2, 24, 22)}, 50),
        (reports.customer_monthly_usage, {"end": at(2013, 2, 24, 22)}, 37),
        (reports.customer_quarterly_usage, {}, 29),
        (reports.customer_quarterly_usage, {"start": at(2013, 2, 24, 22)}, 17),
        (reports.customer_quarterly_usage, {"end": at(2013, 2, 24, 22)}, 13),
        (reports.customer_yearly_usage, {}, 8),
        (reports.customer_yearly_usage, {"start": at(2013, 2, 24, 22)}, 5),
        (reports.customer_yearly_usage, {"end": at(2013, 2, 24, 22)}, 4),
        (reports.calendar_monthly_usage, {}, 88),
    ],
)
def test_number_of_periods(history, report, keywords, count):
    assert len(list(report(START, **keywords))) == count


@pytest.mark.parametrize(
    ("report", "label", "expected"),
    [
        (
            reports.customer_monthly_usage,
            "year_month",
            "Y01 M01|Y02 M01|Y03 M01|Y04 M01|Y05 M01|Y06 M01|Y06 M09|Y07 M01|Y08 M01",
        ),
        (
            reports.customer_quarterly_usage,
            "year_quarter",
            "Y01 Q1|Y02 Q1|Y03 Q1|Y04 Q1|Y05 Q1|Y06 Q1|Y06 Q3|Y07 Q1|Y08 Q1",
        ),
        (
            reports.customer_yearly_usage,
            "year",
            "Y01|Y02|Y03|Y04|Y05|Y06|Y07|Y08",
        ),
        (
            reports.calendar_monthly_usage,
            "calendar_year_month",
            "2010-02|2011-02|2012-02|2013-02|2014-02|2015-02|2015-10|2016-02|2017-02",
        ),
    ],
)
def test_active_periods(history, report, label, expected):
    rows = [row for row in report(START) if row["usage"]["active_users"]]
    assert "|".join(row["labels"][label] for row in rows) == expected


def test_active_days(history):
    rows = [row for row in reports.daily_usage(START) if row["usage"]["active_users"]]
    assert [row["period"]["start"] for row in rows] == [
        moment.replace(hour=22) - timedelta(days=1) for moment in sorted(history)
    ]


def test_calendar_year_is_a_number(history):
    assert next(reports.calendar_monthly_usage(START))["labels"]["calendar_year"] == 2010


def test_report_command_gives_headers_and_rows(history):
    """A command of the project shows them in its own way."""

    class Command(ReportCommand):
        def handle(self, *args, **options):
            headers, rows = super().handle(*args, **options)
            self.stdout.write(f"{headers[0]} {headers[-1]} {[[row[0], row[-1]] for row in rows]}")

    out = StringIO()
    call_command(Command(), "--subscription-start=2010-01-24", "--yearly", "--recent=2", stdout=out)
    assert out.getvalue() == "year active [['Y08', 1], ['Y07', 1]]\n"


def test_report_of_a_subclass(db):
    class Command(ReportCommand):
        def add_arguments(self, parser):
            super().add_arguments(parser)
            parser.add_argument("--fancy", action="store_const", dest="report", const="fancy")

        def fancy_report(self, options):
            return ["n"], [[1], [2], [3]]

        def handle(self, *args, **options):
            self.stdout.write(str(super().handle(*args, **options)))

    out = StringIO()
    call_command(Command(), "--fancy", "--recent=2", stdout=out)
    assert out.getvalue() == "(['n'], [[3], [2]])\n"


def table(text):
    return [line.split() for line in text.strip().splitlines()]


def show(*arguments):
    out = StringIO()
    call_command("show_usage", *arguments, stdout=out, stderr=StringIO())
    return table(out.getvalue())


def test_show_usage_daily_shows_the_end_of_the_day(history):
    rows = show("--daily", "--subscription-start=2010-01-24", "--before=2/16/2010", "--recent=2")
    assert rows[0] == ["date", "registered", "activated", "active"]
    assert [(row[0], row[-1]) for row in rows[2:]] == [("2010-02-16", "0"), ("2010-02-15", "1")]


def test_show_usage_monthly(history):
    rows = show(
        "--monthly",
        f"--subscription-start={START.isoformat()}",
        "--after=6/8/2014",
        "--before=12/25/2015",
    )
    assert rows[0] == ["month", "start", "end", "registered", "activated", "active"]
    assert rows[2][:4] == ["Y06", "M12", "2015-12-24", "2015-12-25"]
    assert rows[5][:4] == ["Y06", "M09", "2015-09-24", "2015-10-24"]
    assert [row[-1] for row in rows[2:]] == ["0"] * 3 + ["1"] + ["0"] * 7 + ["1"] + ["0"] * 8


def test_show_usage_is_monthly_by_default(history):
    arguments = ["--subscription-start=2010-01-24", "--before=2011-01-24"]
    assert show(*arguments) == show("--monthly", *arguments)


def test_show_usage_yearly_ascending(history):
    rows = show("--yearly", "--subscription-start=01/24/2010", "--ascending", "--before=2016-01-24")
    assert [row[0] for row in rows[2:]] == ["Y01", "Y02", "Y03", "Y04", "Y05", "Y06"]
    assert [row[-1] for row in rows[2:]] == ["1", "1", "1", "1", "1", "2"]


def test_show_usage_csv(history):
    out = StringIO()
    arguments = ["--subscription-start=2010-01-24", "--before=2011-01-24", "--datefmt=%d.%m.%y"]
    call_command("show_usage", "--yearly", "--csv", *arguments, stdout=out, stderr=StringIO())
    header, row = out.getvalue().splitlines()
    assert header == "year,start,end,registered,activated,active"
    assert row.startswith("Y01,24.01.10,24.01.11,")
    assert row.endswith(",1")


def test_documented_example_of_calendar_months(history):
    start, end = datetime(2016, 1, 1), datetime(2017, 1, 1)
    rows = reports.calendar_monthly_usage(
        start=timezone.make_aware(start), end=timezone.make_aware(end)
    )
    found = [(row["labels"]["calendar_year_month"], row["usage"]["active_users"]) for row in rows]
    assert found == [(f"2016-{month:02d}", int(month == 2)) for month in range(1, 13)]

"""What worked in version 1.0.2 works: names, shapes and results."""

import inspect
from datetime import datetime, timedelta
from io import StringIO
from unittest.mock import Mock

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
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

KNOWS_DATES = get_user_model()._meta.label in {"auth.User", "users.CharUser"}


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
        "month_to_year",
        "month_to_month",
        "month_to_quarter",
        "quarter_to_year",
        "quarter_to_quarter",
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


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_middleware_takes_a_mock_for_a_request(make_user, is_signed_in):
    """As in the tests of a project."""
    user = make_user() if is_signed_in else AnonymousUser()
    SouvenirsMiddleware(lambda request: None)(Mock(user=user))
    assert Souvenir.objects.count() == is_signed_in


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
    assert count_active_users(start=at(2015, 2, 1), end=at(2013, 2, 1)) == 0
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


@pytest.mark.parametrize(
    ("report", "start", "labels"),
    [
        (reports.daily_usage, at(2017, 4, 3, 22), None),
        (reports.customer_monthly_usage, at(2017, 3, 24, 22), None),
        (
            reports.customer_quarterly_usage,
            at(2017, 1, 24, 22),
            {"year_quarter": "Y08 Q1", "year": "Y08"},
        ),
        (reports.customer_yearly_usage, at(2017, 1, 24, 22), {"year": "Y08"}),
        (
            reports.calendar_monthly_usage,
            at(2017, 4, 1),
            {"calendar_year_month": "2017-04", "calendar_year": 2017},
        ),
    ],
)
def test_row_of_the_current_period_has_nothing_more(history, report, start, labels):
    *_, row = report(START)
    labels = labels or {"year_month": "Y08 M03", "year_quarter": "Y08 Q1", "year": "Y08"}
    registered = len(get_user_model().objects.all()) if KNOWS_DATES else None
    assert row == {
        "period": {"start": start, "end": at(2017, 4, 3, 23)},
        "labels": labels,
        "usage": {
            "registered_users": registered,
            "activated_users": registered,
            "active_users": int(start < at(2017, 2, 14)),
        },
    }


@pytest.mark.parametrize(
    "report",
    [
        reports.daily_usage,
        reports.customer_monthly_usage,
        reports.customer_quarterly_usage,
        reports.customer_yearly_usage,
        reports.calendar_monthly_usage,
    ],
)
def test_nobody_was_active_before_the_first_souvenir(history, report):
    usages = [row["usage"] for row in report(at(2007, 1, 24, 22), end=at(2010, 2, 1))]
    assert {usage["active_users"] for usage in usages} == {0}
    assert {usage["registered_users"] for usage in usages} == ({0} if KNOWS_DATES else {None})


def test_periods_of_the_caller(history):
    periods = [
        (at(2009, 1, 1), at(2010, 1, 1)),
        (at(2013, 1, 1), at(2014, 1, 1)),
        (at(2014, 1, 1), at(2013, 1, 1)),
        (at(2017, 1, 1), at(2018, 1, 1)),
    ]
    rows = list(reports.usage_for_periods(iter(periods)))
    assert [tuple(row["period"].values()) for row in rows] == periods
    assert [row["usage"]["active_users"] for row in rows] == [0, 1, 0, 1]
    assert {tuple(row) for row in rows} == {("period", "usage")}


@pytest.mark.parametrize(
    "report",
    [reports.customer_monthly_usage, reports.daily_usage, reports.calendar_monthly_usage],
)
def test_report_that_starts_after_its_end_is_empty(history, report):
    first = {"start": at(2013, 2, 24, 22)}
    if report is not reports.calendar_monthly_usage:
        first["subscription_start"] = START
    assert list(report(**first, end=at(2012, 2, 24, 22))) == []


@pytest.mark.parametrize("end", [at(2013, 2, 24), at(2013, 2, 15)])
def test_calendar_month_begins_before_a_start_that_is_not_before_the_end(history, end):
    [row] = reports.calendar_monthly_usage(at(2013, 2, 24), end)
    assert row["period"] == {"start": at(2013, 2, 1), "end": end}
    assert row["usage"]["active_users"] == 1


def test_days_begin_with_the_month_of_the_subscription(history):
    rows = list(reports.daily_usage(START, start=at(2013, 3, 5), end=at(2013, 3, 10, 22)))
    assert rows[0]["period"] == {"start": at(2013, 2, 24, 22), "end": at(2013, 2, 25, 22)}
    assert len(rows) == 14


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


@pytest.mark.parametrize("unit", ["daily", "monthly", "quarterly", "yearly"])
def test_cells_of_the_current_period_and_of_one_before_history(history, unit):
    class Command(ReportCommand):
        def handle(self, *args, **options):
            _, (first, *_, last) = super().handle(*args, **options)
            assert "*" not in str(last)
            assert first[-1] == 0
            assert {type(cell) for cell in first[-3:]} <= {int, type(None)}

    start = "--subscription-start=2009-01-24", "--before=2018-01-01"
    call_command(Command(), f"--{unit}", "--ascending", *start)


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


def joined(count):
    """Return the cell of a number of accounts."""
    return str(int(count)) if KNOWS_DATES else "-"


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


def test_show_usage_shows_zeros_before_the_first_souvenir(history):
    rows = show("--daily", "--subscription-start=2010-01-24", "--before=2010-03-08", "--ascending")
    days = [at(2010, 1, 25) + timedelta(days=number) for number in range(43)]
    assert rows[2:] == [
        [f"{day:%Y-%m-%d}", *[joined(day > at(2010, 2, 14))] * 2, str(int(day == at(2010, 2, 15)))]
        for day in days
    ]


def test_show_usage_quarterly(history):
    rows = show("--quarterly", f"--subscription-start={START:%m/%d/%Y}")
    assert rows[0] == ["quarter", "start", "end", "registered", "activated", "active"]
    assert len(rows) == 2 + 29
    last = ["Y08", "Q1", "2017-01-24", "2017-04-03", joined(9), joined(9), "1"]
    assert rows[2] == last
    assert [row[-1] for row in rows[2:]] == [
        str(int(row[1] == "Q1" or row[:2] == ["Y06", "Q3"])) for row in rows[2:]
    ]


def test_show_usage_of_all_years(history):
    rows = show("--yearly", f"--subscription-start={START:%m/%d/%Y}", "--ascending")
    counts = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (7, 2), (8, 1), (9, 1)]
    ends = [*(f"{year}-01-24" for year in range(2011, 2018)), "2017-04-03"]
    assert rows[2:] == [
        [f"Y{year:02}", f"{2009 + year}-01-24", end, joined(there), joined(there), str(seen)]
        for year, ((there, seen), end) in enumerate(zip(counts, ends, strict=True), 1)
    ]


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
    assert header.startswith("year,start,end,registered,activated,active")
    assert row.startswith("Y01,24.01.10,24.01.11,")
    assert row.split(",")[5] == "1"


def test_documented_example_of_calendar_months(history):
    start, end = datetime(2016, 1, 1), datetime(2017, 1, 1)
    rows = reports.calendar_monthly_usage(
        start=timezone.make_aware(start), end=timezone.make_aware(end)
    )
    found = [(row["labels"]["calendar_year_month"], row["usage"]["active_users"]) for row in rows]
    assert found == [(f"2016-{month:02d}", int(month == 2)) for month in range(1, 13)]

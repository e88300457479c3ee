"""The parameters of a URL make a question, or one sentence about what is wrong with them."""

from datetime import timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from souvenirs.api import ENDPOINTS
from souvenirs.api.forms import GrowthForm as GROWTH
from souvenirs.api.forms import HealthForm as HEALTH
from souvenirs.api.forms import PeopleForm as PEOPLE
from souvenirs.api.forms import RetentionForm as RETENTION
from souvenirs.api.forms import SeriesForm as SERIES
from souvenirs.api.forms import UsageForm as USAGE
from souvenirs.web import InvalidParameter, Reader
from souvenirs.web.forms import MAX_PERIODS, check_groups
from tests.conftest import at


@pytest.fixture
def today(monkeypatch):
    """It is noon of a leap day."""
    monkeypatch.setattr(timezone, "now", lambda: at(2016, 2, 29, 12))


def ask(form, query=""):
    return form.read(QueryDict(query), Reader(None))


def refused(form, query):
    with pytest.raises(InvalidParameter) as caught:
        ask(form, query)
    assert str(caught.value) == f"{caught.value.field}: {caught.value.english}"
    assert caught.value.english.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("preset", "start"),
    [
        ("7d", (2016, 2, 23)),
        ("28d", (2016, 2, 2)),
        ("90d", (2015, 12, 2)),
        ("month", (2016, 2, 1)),
        ("12mo", (2015, 3, 1)),
    ],
)
def test_preset_is_whole_days_up_to_the_end_of_today(today, preset, start):
    question = ask(SERIES, f"preset={preset}")
    assert (question.start, question.end) == (at(*start), at(2016, 3, 1))


@pytest.mark.parametrize(
    ("form", "preset", "interval"),
    [
        (USAGE, "12mo", "month"),
        (SERIES, "28d", "day"),
        (RETENTION, "12mo", "month"),
        (GROWTH, "12mo", "month"),
        (PEOPLE, "28d", "day"),
        (HEALTH, None, "day"),
    ],
)
def test_defaults(form, preset, interval):
    question = ask(form)
    assert (question.preset, question.interval) == (preset, interval)


def test_preset_begins_and_ends_on_the_wall_clock(today):
    question = ask(SERIES, "preset=7d&tz=Pacific/Auckland")  # where it is the first of March
    zone = ZoneInfo("Pacific/Auckland")
    assert question.start.astimezone(zone).isoformat() == "2016-02-24T00:00:00+13:00"
    assert question.end.astimezone(zone).isoformat() == "2016-03-02T00:00:00+13:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-02-01", "2016-02-01T00:00:00+01:00"),
        ("2016-02-01T09:30", "2016-02-01T09:30:00+01:00"),
        ("2016-02-01T09:30:15.5", "2016-02-01T09:30:15.500000+01:00"),
        ("2016-02-01T09:30:00Z", "2016-02-01T10:30:00+01:00"),
        ("2016-02-01T09:30:00%2B09:00", "2016-02-01T01:30:00+01:00"),
        ("2016-02-01T09:30:00+09:00", "2016-02-01T01:30:00+01:00"),  # a + is a space in a URL
        ("2015-03-29T02:30", "2015-03-29T03:30:00+02:00"),  # a time that the clock jumps over
        ("2015-10-25T02:30", "2015-10-25T02:30:00+02:00"),  # one that it shows twice
    ],
)
def test_moment_is_read_on_the_wall_clock_unless_it_has_an_offset(text, expected):
    question = ask(SERIES, f"from={text}&to=2016-03-01&tz=Europe/Paris")
    assert question.start.isoformat() == expected


def test_range_ends_now_where_it_has_no_end(today):
    assert ask(SERIES, "from=2016-02-01").end == at(2016, 2, 29, 12)


def test_echo_is_the_question(today):
    assert ask(SERIES, "from=2016-02-01&tz=Asia/Tokyo&window=wau").echo() == {
        "from": "2016-02-01T00:00:00+09:00",
        "to": "2016-02-29T21:00:00+09:00",
        "interval": "day",
        "tz": "Asia/Tokyo",
        "window": 7,
        "exclusive": False,
        "format": "json",
    }


def test_echo_of_a_subscription():
    query = "from=2016-02-01&to=2016-03-01&subscription_start=2016-01-31&tz=UTC"
    assert ask(USAGE, query).echo()["subscription_start"] == "2016-01-31T00:00:00+00:00"


@pytest.mark.parametrize(
    ("form", "query", "field"),
    [
        (SERIES, "form=2016-01-01", "form"),
        (USAGE, "segment=staff", "segment"),
        (USAGE, "window=7", "window"),
        (HEALTH, "from=2016-01-01", "from"),
        (HEALTH, "table=people", "table"),
        (SERIES, "table=checks", "table"),
        (SERIES, "tz=UTC&tz=UTC", "tz"),
        (SERIES, f"tz={'x' * 5000}", "tz"),
        (SERIES, "tz=America", "tz"),
        (SERIES, "tz=../../etc/passwd", "tz"),
        (SERIES, "tz=%00", "tz"),
        (SERIES, "tz=europe/paris", "tz"),
        (SERIES, "tz=", "tz"),
        (SERIES, "from=2016-02-30", "from"),
        (SERIES, "from=2016-02-01T24:00", "from"),
        (SERIES, "from=2016-02-01T00:00%2B24:00", "from"),
        (SERIES, "from=2016-W05", "from"),
        (SERIES, "from=2016-W05-1", "from"),
        (SERIES, "from=20160201", "from"),
        (SERIES, "from=2016-2-1", "from"),
        (SERIES, "from=２０１６-02-01", "from"),
        (SERIES, "from=٢٠١٦-02-01", "from"),
        (SERIES, "from=2016-02-01%0A", "from"),
        (SERIES, "from=2016-02-01T00:00-0100", "from"),
        (SERIES, "from=0000-01-01", "from"),
        (SERIES, "from=0001-01-01&to=0001-01-03&tz=Asia/Tokyo", "from"),
        (SERIES, "from=9999-12-30&to=9999-12-31T23:00&tz=America/New_York", "to"),
        (SERIES, "from=2016-02-02&to=2016-02-01", "from"),
        (SERIES, "to=2016-02-01", "from"),
        (SERIES, "preset=7d&from=2016-02-01", "preset"),
        (SERIES, "preset=8d", "preset"),
        (SERIES, "from=0001-01-01&to=9999-12-31&interval=hour", "interval"),
        (SERIES, "from=0001-01-01&to=9999-12-31&tz=UTC", "from"),
        (SERIES, "from=0001-01-01&to=4001-12-31&tz=UTC&interval=year", "from"),
        (SERIES, "from=1001-01-01&to=1701-12-31&interval=year&window=30", "from"),
        (SERIES, "window=0", "window"),
        (SERIES, "window=367", "window"),
        (SERIES, "window=٧", "window"),
        (SERIES, "window=yau", "window"),
        (SERIES, "exclusive=1", "exclusive"),
        (SERIES, "exclusive=true", "exclusive"),
        (SERIES, "segment=nobody", "segment"),
        (SERIES, "by=segment", "by"),
        (SERIES, "by=password", "by"),
        (SERIES, "by=username", "by"),
        (SERIES, "format=xml", "format"),
        (RETENTION, "from=2016-01-01&to=2016-12-31&interval=day", "from"),
        (RETENTION, "cohort=born", "cohort"),
        (RETENTION, "mode=out", "mode"),
        (RETENTION, "reference=last", "reference"),
        (USAGE, "subscription_start=2016-01-31&interval=week", "interval"),
        (USAGE, "subscription_start=never", "subscription_start"),
        (PEOPLE, "page=0", "page"),
        (PEOPLE, "page=1e3", "page"),
        (PEOPLE, "per_page=1001", "per_page"),
        (PEOPLE, "list=all", "list"),
        (PEOPLE, "list=recent&days=0", "days"),
        (PEOPLE, "days=30", "days"),
        (PEOPLE, "list=never&days=30", "days"),
        (PEOPLE, "list=recent&preset=7d", "preset"),
        (PEOPLE, "list=inactive&from=2016-01-01", "from"),
    ],
)
def test_what_cannot_be_asked(form, query, field):
    assert refused(form, query).field == field


def test_exclusive_is_about_segments():
    problem = refused(RETENTION, "exclusive=true")
    assert problem.english == "exclusive needs by."
    assert not ask(RETENTION, "exclusive=false").exclusive


def test_week_that_starts_before_time(settings):
    """The first day that there is was a Monday."""
    assert ask(SERIES, "from=0001-01-01&to=0001-01-03&tz=UTC&interval=week").periods == 1
    settings.SOUVENIRS_WEEK_START = 7
    assert refused(SERIES, "from=0001-01-01&to=0001-01-03&tz=UTC&interval=week").field == "from"


def test_hostile_value_is_shown_only_as_far_as_it_helps():
    assert len(refused(SERIES, f"tz={'y' * 200}").english) < 150
    assert len(refused(SERIES, f"{'y' * 20000}=1").english) < 300
    assert len(refused(SERIES, f"{'y' * 20000}=1").field) == 200


@pytest.mark.parametrize(("days", "fits"), [(MAX_PERIODS, True), (MAX_PERIODS + 1, False)])
def test_most_periods(days, fits):
    end = at(2000, 1, 1) + timedelta(days=days)
    query = f"from=2000-01-01&to={end:%Y-%m-%d}&tz=UTC"
    if fits:
        assert ask(SERIES, query).periods == days
    else:
        assert "more than 4,000: choose a shorter range" in refused(SERIES, query).english


def test_periods_of_a_subscription_begin_with_it():
    query = "from=2016-01-01&to=2016-05-01&subscription_start=2016-02-29&tz=UTC"
    assert ask(USAGE, query).periods == 3
    assert ask(USAGE, query.replace("start=2016-02-29", "start=2017-02-28")).periods == 0


def test_empty_range_has_no_periods():
    assert ask(SERIES, "from=2016-01-01&to=2016-01-01").periods == 0


def test_too_many_groups():
    question = ask(SERIES, "from=2016-01-01&to=2016-04-10&tz=UTC")
    assert question.periods == 100
    check_groups(question, 299)
    with pytest.raises(InvalidParameter, match="has 30,100 rows, more than 30,000"):
        check_groups(question, 300)


def test_too_many_cells():
    """The cells of a matrix are half a square."""
    query = "from=2016-01-01&to=2016-{}&interval=day&tz=UTC"
    question = ask(RETENTION, query.format("09-01"))
    assert (question.periods, question.cells) == (244, 29_890)
    assert "30,135 cells" in refused(RETENTION, query.format("09-02")).english
    with pytest.raises(InvalidParameter, match="has 59,780 rows, more than 30,000"):
        check_groups(question, 1)


@pytest.mark.parametrize(("window", "fits"), [("10", True), ("11", False)])
def test_too_many_days_in_windows(window, fits):
    end = at(1990, 1, 1) + timedelta(days=9_990)
    query = f"from=1990-01-01&to={end:%Y-%m-%d}&interval=year&tz=UTC&window={window}"
    if fits:
        assert ask(SERIES, query).window == 10
    else:
        assert "have 10,001 days, more than 10,000" in refused(SERIES, query).english


def test_segments_that_there_are(settings):
    settings.SOUVENIRS_SEGMENTS = {"staff": [], "pro": []}
    assert ask(SERIES, "segment=pro&by=segment").by == "segment"
    assert "must be one of staff, pro" in refused(SERIES, "segment=nobody").english


def test_groups_where_users_have_some():
    from django.contrib.auth import get_user_model

    if hasattr(get_user_model(), "groups"):
        assert ask(SERIES, "by=groups__name").by == "groups__name"


def test_cohorts_where_users_do_not_say_when_they_registered(monkeypatch):
    monkeypatch.setattr("souvenirs.web.forms.date_joined_field", lambda: None)
    assert refused(RETENTION, "cohort=joined").field == "cohort"


def test_groups_where_users_have_none(monkeypatch):
    from tests.users.models import BareUser

    monkeypatch.setattr("souvenirs.counting.segments.get_user_model", lambda: BareUser)
    assert "has no groups" in refused(SERIES, "by=groups__name").english


TEXTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}([-+ ][0-9]{2}:[0-9]{2})?)?"),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.dates().map(str),
    st.sampled_from(["0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999", "7d", "day", "mau"]),
)


@given(
    form=st.sampled_from([endpoint.form for endpoint in ENDPOINTS]),
    values=st.dictionaries(
        st.sampled_from(
            sorted({name for endpoint in ENDPOINTS for name in endpoint.form.parameters()})
        ),
        TEXTS,
        max_size=4,
    ),
    zone=st.one_of(st.none(), TEXTS, st.sampled_from(sorted(available_timezones()))),
)
def test_whatever_is_written_is_a_question_or_a_sentence(form, values, zone):
    query = QueryDict(mutable=True)
    query.update(values)
    if zone is not None:
        query["tz"] = zone
    try:
        assert form.read(query, Reader(None)).periods <= MAX_PERIODS
    except InvalidParameter as error:
        assert error.english.endswith(".")  # noqa: PT017

"""Annotations are noted once and read by their days, whatever the database has."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from souvenirs.control import annotate, annotations_between
from souvenirs.models import Annotation
from tests.conftest import at

pytestmark = pytest.mark.django_db

DAY = date(2016, 2, 29)


def noted(first=date.min, last=date.max):
    return [(each.day, each.text) for each in annotations_between(first, last)]


def test_annotation_is_returned_and_kept():
    annotation = annotate(DAY, "2.0 released")
    assert (annotation.day, annotation.text) == (DAY, "2.0 released")
    assert list(Annotation.objects.all()) == [annotation]
    assert str(annotation) == "2016-02-29 2.0 released"


def test_same_day_and_text_twice_give_one():
    first = annotate(DAY, "2.0 released")
    assert annotate(DAY, " 2.0 released ") == first
    assert Annotation.objects.count() == 1


@pytest.mark.parametrize("other", [(DAY + timedelta(days=1), "one"), (DAY, "two")])
def test_another_day_or_text_is_another_annotation(other):
    annotate(DAY, "one")
    annotate(*other)
    assert noted() == [(DAY, "one"), other]


def test_the_database_itself_refuses_a_second_one():
    annotate(DAY, "2.0 released")
    with pytest.raises(IntegrityError), transaction.atomic():
        Annotation.objects.create(day=DAY, text="2.0 released")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2016, 2, 29, 22, 59, 59, tzinfo=UTC), DAY),
        (datetime(2016, 2, 29, 23, tzinfo=UTC), date(2016, 3, 1)),
        (datetime(2016, 2, 29, 23, tzinfo=timezone(timedelta(hours=1))), DAY),
    ],
)
def test_datetime_is_noted_at_its_date_in_the_zone_of_the_site(settings, moment, day):
    settings.TIME_ZONE = "Europe/Paris"
    assert annotate(moment, "x").day == day


def test_naive_datetime_is_in_the_zone_of_the_site_without_time_zones(settings):
    settings.USE_TZ = False
    assert annotate(datetime(2016, 2, 29, 23, 59), "x").day == DAY


@pytest.mark.parametrize(
    ("day", "error", "message"),
    [
        ("2016-02-29", TypeError, "day must be a date or a datetime, not '2016-02-29'."),
        (None, TypeError, "day must be a date or a datetime, not None."),
        (
            datetime(2016, 2, 29),
            ValueError,
            "day is a naive datetime, 2016-02-29 00:00:00: make it aware, for example with "
            "django.utils.timezone.make_aware().",
        ),
    ],
)
def test_other_days_are_refused(day, error, message):
    with pytest.raises(error) as refused:
        annotate(day, "2.0 released")
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (2.0, TypeError, "text must be a str, not 2.0."),
        ("", ValueError, "text is empty, '': say what happened, for example '2.0 released'."),
        (" ", ValueError, "text is empty, ' ': say what happened, for example '2.0 released'."),
        (
            "x" * 101,
            ValueError,
            "text has 101 characters, 'xxxxxxxxxxxxxxxxxxxx'...: shorten it to 100.",
        ),
        (
            "2.0\nreleased",
            ValueError,
            r"text is not a line of text, '2.0\nreleased': remove line breaks and controls.",
        ),
        (
            "2.0\0",
            ValueError,
            r"text is not a line of text, '2.0\x00': remove line breaks and controls.",
        ),
        (
            "\ud800",
            ValueError,
            r"text is not a line of text, '\ud800': remove line breaks and controls.",
        ),
    ],
)
def test_other_texts_are_refused(text, error, message):
    with pytest.raises(error) as refused:
        annotate(DAY, text)
    assert str(refused.value) == message
    assert noted() == []


@pytest.mark.parametrize("text", ["x" * 100, "👩‍💻 שלום", "<b>"])
def test_any_line_of_text_is_kept(text):
    annotate(DAY, text)
    assert noted() == [(DAY, text)]


def test_both_days_of_a_range_are_inclusive():
    days = [date(2016, 1, number) for number in range(1, 6)]
    for day in days:
        annotate(day, "x")
    assert [day for day, _ in noted(days[1], days[3])] == days[1:4]
    assert [day for day, _ in noted(days[2], days[2])] == [days[2]]
    assert noted(days[3], days[2]) == []


def test_bounds_may_be_datetimes(settings):
    settings.TIME_ZONE = "Europe/Paris"
    annotate(date(2016, 1, 2), "x")
    assert noted(at(2016, 1, 1, 23), at(2016, 1, 1, 23)) == [(date(2016, 1, 2), "x")]
    assert noted(at(2016, 1, 1, 22), at(2016, 1, 1, 22)) == []


def test_bound_of_another_type_is_named():
    with pytest.raises(TypeError, match=r"^last must be a date or a datetime, not '2016'\.$"):
        annotations_between(DAY, "2016")


def test_annotations_are_in_order_of_days_and_then_as_noted():
    for day, text in [(DAY, "b"), (DAY, "a"), (date(2016, 1, 1), "z")]:
        annotate(day, text)
    assert noted() == [(date(2016, 1, 1), "z"), (DAY, "b"), (DAY, "a")]


@pytest.mark.django_db(transaction=True)
def test_reading_takes_one_query(django_assert_num_queries):
    for number in range(1, 20):
        annotate(date(2016, 1, number), "x")
    with django_assert_num_queries(1):
        assert len(noted()) == 19


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_none_without_the_table_and_the_transaction_goes_on(in_transaction):
    with connection.schema_editor() as editor:
        editor.delete_model(Annotation)
    try:
        if in_transaction:
            with transaction.atomic():
                assert noted() == []
                assert connection.introspection.table_names()
        else:
            assert noted() == []
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Annotation)


def test_other_errors_are_raised():
    def fail(execute, sql, params, many, context):
        if "souvenirs_annotation" in sql:
            raise DatabaseError("The disk is full.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError, match="disk is full"):
        noted()


class Router:
    """Everything is read from a replica."""

    def db_for_read(self, model, **hints):
        return "elsewhere"

    def db_for_write(self, model, **hints):
        return "default"


@pytest.mark.django_db(databases=["default", "elsewhere"])
def test_router_chooses_the_databases(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    first = annotate(DAY, "x")
    assert annotate(DAY, "x") == first  # not looked for on the replica
    assert noted() == []
    Annotation.objects.using("elsewhere").create(day=DAY, text="copied")
    assert noted() == [(DAY, "copied")]

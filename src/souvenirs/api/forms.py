"""The parameters of each endpoint."""

from __future__ import annotations

from ..web import (
    BY,
    COHORT,
    DAYS,
    EXCLUSIVE,
    MODE,
    REFERENCE,
    SEGMENT,
    SUBSCRIPTION_START,
    ZONE,
    ChoiceField,
    IntegerField,
    QueryForm,
    RangeForm,
    TrailingDaysField,
    interval_field,
    plain,
)

FORMAT = ChoiceField(
    help_text="The format of the answer.", initial="json", choices=plain("json", "csv")
)


class UsageForm(RangeForm):
    default_preset = "12mo"
    interval = interval_field("month")
    zone = ZONE
    subscription_start = SUBSCRIPTION_START
    segment = SEGMENT
    by = BY
    exclusive = EXCLUSIVE
    format = FORMAT


class SeriesForm(RangeForm):
    default_preset = "28d"
    interval = interval_field("day")
    zone = ZONE
    window = TrailingDaysField(
        help_text="Count users active in this many days up to the end of each period.",
        min_value=1,
        max_value=366,
    )
    segment = SEGMENT
    by = BY
    exclusive = EXCLUSIVE
    format = FORMAT


class RetentionForm(RangeForm):
    default_preset = "12mo"
    interval = interval_field("month")
    zone = ZONE
    cohort = COHORT
    mode = MODE
    reference = REFERENCE
    segment = SEGMENT
    by = BY
    exclusive = EXCLUSIVE
    format = FORMAT


class GrowthForm(RangeForm):
    default_preset = "12mo"
    interval = interval_field("month")
    zone = ZONE
    segment = SEGMENT
    by = BY
    exclusive = EXCLUSIVE
    format = FORMAT


class StickinessForm(GrowthForm):
    pass


class BusyForm(RangeForm):
    default_preset = "28d"
    zone = ZONE
    segment = SEGMENT
    format = FORMAT


class PeopleForm(RangeForm):
    default_preset = "28d"
    zone = ZONE
    segment = SEGMENT
    list = ChoiceField(
        help_text="Users active in the range; seen in the last days; seen, but not in the last "
        "days; never seen.",
        initial="active",
        choices=plain("active", "recent", "inactive", "never"),
    )
    days = DAYS
    page = IntegerField(
        help_text="The number of the page.", initial=1, min_value=1, max_value=1_000_000
    )
    per_page = IntegerField(
        help_text="The number of users on a page.", initial=100, min_value=1, max_value=1_000
    )
    format = FORMAT


class HealthForm(QueryForm):
    zone = ZONE
    table = ChoiceField(
        help_text="The table in a CSV file: the size of digests, the progress of digesting, or "
        "the checks that fail. JSON has all of them.",
        initial="digests",
        choices=plain("digests", "state", "checks"),
    )
    format = FORMAT

"""The parameters of each endpoint."""

from __future__ import annotations

from django.utils.translation import gettext_noop

from ..web import InvalidParameter, QueryForm, RangeForm, fields, grouplists, shared

FORMAT = fields.ChoiceField(
    help_text="The format of the answer; excel is CSV with times on the clock of tz.",
    initial="json",
    choices=fields.plain("json", "csv", "excel"),
)


class UsageForm(RangeForm):
    default_preset = "12mo"
    interval = shared.interval("month")
    zone = shared.ZONE
    subscription_start = shared.SUBSCRIPTION_START
    segment = shared.SEGMENT
    by = shared.BY
    top = shared.TOP
    exclusive = shared.EXCLUSIVE
    format = FORMAT


class SeriesForm(RangeForm):
    default_preset = "28d"
    interval = shared.interval("day")
    zone = shared.ZONE
    window = fields.TrailingDaysField(
        help_text="Count users active in this many days up to the end of each period.",
        min_value=1,
        max_value=366,
    )
    segment = shared.SEGMENT
    of = shared.OF
    by = shared.BY
    top = shared.TOP
    exclusive = shared.EXCLUSIVE
    format = FORMAT


class RetentionForm(RangeForm):
    default_preset = "12mo"
    interval = shared.interval("month")
    zone = shared.ZONE
    cohort = shared.COHORT
    mode = shared.MODE
    reference = shared.REFERENCE
    segment = shared.SEGMENT
    of = shared.OF
    by = shared.BY
    top = shared.TOP
    exclusive = shared.EXCLUSIVE
    format = FORMAT

    def _check_users(self) -> None:
        super()._check_users()
        if self.cleaned_data["cohort"] == "joined" and self.cleaned_data["of"]:
            raise InvalidParameter(
                "cohort",
                gettext_noop("%(name)s joined is about users, and cannot be combined with of."),
            )


class GrowthForm(RangeForm):
    default_preset = "12mo"
    interval = shared.interval("month")
    zone = shared.ZONE
    segment = shared.SEGMENT
    of = shared.OF
    by = shared.BY
    top = shared.TOP
    exclusive = shared.EXCLUSIVE
    format = FORMAT


class StickinessForm(GrowthForm):
    pass


class BusyForm(RangeForm):
    default_preset = "28d"
    zone = shared.ZONE
    segment = shared.SEGMENT
    format = FORMAT


class PeopleForm(RangeForm):
    default_preset = "28d"
    zone = shared.ZONE
    segment = shared.SEGMENT
    list = fields.ChoiceField(
        help_text="Users active in the range; seen within the last days; seen, but not within "
        "the last days; or never seen.",
        initial="active",
        choices=fields.plain("active", "recent", "inactive", "never"),
    )
    days = shared.DAYS
    page = fields.IntegerField(
        help_text="The number of the page.", initial=1, min_value=1, max_value=1_000_000
    )
    per_page = fields.IntegerField(
        help_text="The number of users on a page.", initial=100, min_value=1, max_value=1_000
    )
    format = FORMAT


class GroupsForm(grouplists.GroupsForm):
    zone = shared.ZONE
    segment = shared.SEGMENT
    page = fields.IntegerField(
        help_text="The number of the page.", initial=1, min_value=1, max_value=1_000_000
    )
    per_page = fields.IntegerField(
        help_text="The number of groups on a page.", initial=100, min_value=1, max_value=10_000
    )
    format = FORMAT


class StatementsForm(QueryForm):
    zone = shared.ZONE
    statement = fields.IntegerField(
        help_text="The ID of one statement, whose content is then beside the rows.",
        min_value=1,
        max_value=2**63 - 1,
    )
    page = fields.IntegerField(
        help_text="The number of the page.", initial=1, min_value=1, max_value=1_000_000
    )
    per_page = fields.IntegerField(
        help_text="The number of statements on a page.", initial=100, min_value=1, max_value=1_000
    )
    format = FORMAT


class HealthForm(QueryForm):
    zone = shared.ZONE
    table = fields.ChoiceField(
        help_text="The table in a CSV file: the size of digests, the progress of digesting, or "
        "the checks that fail. JSON has all of them.",
        initial="digests",
        choices=fields.plain("digests", "state", "checks"),
    )
    format = FORMAT

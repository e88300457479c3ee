"""Parameters shared by several forms."""

from __future__ import annotations

from collections.abc import Iterable

from dateutil.relativedelta import relativedelta
from django import forms
from django.utils.translation import gettext_lazy as _

from ..calendar import INTERVALS
from ..counting import BY_SETTING, listed_fields
from .fields import (
    BooleanField,
    ChoiceField,
    InstantField,
    IntegerField,
    ListedField,
    SegmentField,
    TimeZoneField,
    plain,
)

#: The offset from today to the first day of each preset; all of them end with today.
PRESETS = {
    "7d": relativedelta(days=-6),
    "28d": relativedelta(days=-27),
    "90d": relativedelta(days=-89),
    "month": relativedelta(day=1),
    "12mo": relativedelta(months=-11, day=1),
}

#: The field of users for ``by`` on every site: the values of others could identify users.
BY_GROUP = "groups__name"

#: How many values of a listed field have rows by default.
MOST_ACTIVE = 100

#: The intervals of a subscription.
OF_SUBSCRIPTION = ("day", "month", "quarter", "year")

#: Lists of users over the last N days instead of a range.
OF_DAYS = ("recent", "inactive", "slipping", "never")

#: The parameters that a list of users does not use.
UNUSED = {
    "active": ("days",),
    "recent": ("from", "to", "preset"),
    "inactive": ("from", "to", "preset"),
    "slipping": ("from", "to", "preset", "days"),
    "never": ("from", "to", "preset", "days"),
}

INTERVAL_LABELS = {
    "day": _("Day"),
    "week": _("Week"),
    "month": _("Month"),
    "quarter": _("Quarter"),
    "year": _("Year"),
}


def interval(initial: str, names: Iterable[str] = INTERVALS) -> ChoiceField:
    """Return the parameter of an interval."""
    return ChoiceField(
        label=_("Interval"),
        help_text="The length of a period.",
        initial=initial,
        choices=[(name, INTERVAL_LABELS[name]) for name in names],
    )


def by_choices() -> list[tuple[str, str]]:
    """Return what this site can group by: no field, unless it is listed."""
    return plain(*dict.fromkeys([BY_SETTING, BY_GROUP, *listed_fields()]))


def _date_input() -> forms.TextInput:
    return forms.TextInput({"type": "date"})


START = InstantField(
    label=_("From"),
    help_text="The start of the range, inclusive: a day, or a time of day.",
    widget=_date_input(),
)
END = InstantField(
    label=_("Before"),
    help_text="The end of the range, exclusive; by default now, if from is given.",
    widget=_date_input(),
)
PRESET = ChoiceField(
    help_text="A range that ends with today, instead of from and to.",
    choices=[
        ("7d", _("7 days")),
        ("28d", _("28 days")),
        ("90d", _("90 days")),
        ("month", _("This month")),
        ("12mo", _("12 months")),
    ],
)
SUBSCRIPTION_START = InstantField(
    label=_("Subscription start"),
    help_text="The start of a subscription, whose periods replace those of the calendar.",
    widget=_date_input(),
)
ZONE = TimeZoneField(
    label=_("Time zone"),
    help_text="The time zone in which days begin; by default that of the site.",
    widget=forms.TextInput({"list": "souvenirs-tz-list", "autocomplete": "off"}),
)
SEGMENT = SegmentField(
    label=_("Segment"),
    help_text="Only the users of this segment, or of a group of users: group: and its name, or "
    "with a value of a field in SOUVENIRS_GROUP_BY: the field, a colon and the value.",
)
BY = ChoiceField(
    help_text="Adds rows for each segment, for each group of users, or for each value of a field "
    "in SOUVENIRS_GROUP_BY, to those for everyone.",
    choices=by_choices,
)
OF = ListedField(
    label=_("Group by"),
    help_text="Counts groups of users, such as organizations, in place of users: the values of "
    "this field in SOUVENIRS_GROUP_BY. A group is active when one of its users is.",
)
TOP = IntegerField(
    help_text="With by a field in SOUVENIRS_GROUP_BY: the number of its values that have rows, "
    f"{MOST_ACTIVE} by default, from the one with the most active users in the range. How many "
    "others there are is in the answer.",
    min_value=1,
    max_value=10_000,
)
EXCLUSIVE = BooleanField(
    help_text="With by: whether a user counts only in the first segment that contains them.",
    initial=False,
)
COHORT = ChoiceField(
    label=_("Cohorts by"),
    help_text="What assigns a user to a cohort: the first souvenir, or the registration.",
    initial="first_seen",
    choices=[("first_seen", _("First seen")), ("joined", _("Registered"))],
)
MODE = ChoiceField(
    label=_("Returned"),
    help_text="Whether a cell counts users active in its period, or in it or later.",
    initial="in",
    choices=[("in", _("In the period")), ("in_or_later", _("In the period or later"))],
)
REFERENCE = ChoiceField(
    label=_("Percent of"),
    help_text="The denominator of the shares: the whole cohort, or the previous cell.",
    initial="first",
    choices=[("first", _("The whole cohort")), ("previous", _("The previous cell"))],
)
DAYS = IntegerField(
    label=_("Days"),
    help_text="The number of days of the lists recent and inactive.",
    initial=30,
    min_value=1,
    max_value=36_600,
)

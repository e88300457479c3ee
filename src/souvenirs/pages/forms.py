"""The forms of the pages. They are sent with GET, so that a URL identifies what its page shows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import cache, cached_property
from typing import Any, ClassVar, TypeAlias, cast

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from ..calendar import utc
from ..counting import GROUP, InvalidSegments, field_labels, has_groups
from ..web import (
    MAX_DAYS,
    InvalidParameter,
    Parameters,
    QueryForm,
    RangeForm,
    Reader,
    fields,
    grouplists,
    shared,
)
from .figures import COHORTS, suggested_cohorts, suggested_interval
from .formats import isolated, number
from .links import Mount
from .trend import MOST_COLUMNS
from .userlists import DAYS, MAX_ROWS, PER_PAGE, SEEN

#: The maximum number of periods on a page, and of cohorts.
MAX_PERIODS = 400
MAX_COHORTS = 60

#: The maximum number of groups to choose from.
MAX_GROUPS = 200

#: The parts of the overview that are shown when they are asked for.
PARTS = ("trend", "expected", "growth", "segments", "slipping", "busy", "accounts")

#: The figures whose points count users of several days.
WINDOWS = ("7d", "28d")

#: Parameters that the form does not send.
NOT_SENT = ("preset", "page", "format", "open", "only")

#: The parameters of a range.
RANGE = ("preset", "from", "to")

#: A field with its error.
Control: TypeAlias = tuple[BoundField, str]


class PageForm(QueryForm):
    """The parameters of a page; empty ones count as missing, because a form sends every field."""

    #: Parameters that only links have.
    hidden: ClassVar[tuple[str, ...]] = ()

    #: Parameters that may not fit another range.
    not_kept: ClassVar[tuple[str, ...]] = ()

    #: The lists to choose from; links lead to others.
    lists: ClassVar[Collection[str]] = ()

    #: Parameters of a number that a link leads to.
    of_number: ClassVar[tuple[str, ...]] = ()

    def __init__(self, query: QueryDict, reader: Reader) -> None:
        given = query.copy()
        if zone := fields.zone_named(query.get("tz", "")):
            given["tz"] = zone
        has_lists = "list" in self.base_fields
        unused = self.unused.get(query.get("list") or self._initial_list(), ()) if has_lists else ()
        for name, texts in query.lists():
            if texts == [""] or name in unused:
                del given[name]
        super().__init__(given, reader)
        for field in self.fields.values():
            field.help_text = ""
        self.given = {name: str(given[name]) for name in given}
        self.initial["zone"] = str(timezone.get_current_timezone())
        if isinstance(self.fields.get("of"), fields.ListedField):
            self.initial["of"] = next(iter(self.listed), None)

    def controls(self, parameters: Parameters | None) -> tuple[list[Control], list[Control]]:
        """Return the fields to show, with their errors, and apart from them those of the range.

        ``parameters`` is None if there are errors.
        """
        if parameters and parameters.preset and parameters.start and parameters.end:
            self.initial["start"] = parameters.start.date().isoformat()
            self.initial["end"] = parameters.end.date().isoformat()
        unused = self.unused.get(self.list_name, ())
        found = {
            name: self._control(name, bound)
            for name, bound in ((bound.html_name, bound) for bound in self)
            if name not in (*NOT_SENT, *unused) and self._is_offered(name)
        }
        dates = [found.pop(name) for name in ("from", "to") if name in found]
        return list(found.values()), dates

    def carried(self) -> dict[str, list[tuple[str, str]]]:
        """Return the parameters that each of the two forms of a page sends along, unchanged."""
        left_out = ("page", "open", "only", *self.of_number, *RANGE)
        return {
            "fields": [(name, self.given[name]) for name in RANGE if name in self.given],
            "dates": [each for each in self.given.items() if each[0] not in left_out],
        }

    def described(self, parameters: Parameters | None) -> list[str]:
        """Return the choices in words, for a screen that has no room for the fields."""
        if parameters is None:
            return [_("Filters")]
        words = []
        if self._is_of_days:
            lists = cast(fields.ChoiceField, self.fields["list"])
            words.append(str(lists.labels()[self.list_name]))
            if "days" not in self.unused[self.list_name]:
                words.append(_days(parameters.days))
        elif parameters.preset:
            words.append(str(shared.PRESET.labels()[parameters.preset]))
        elif parameters.start and parameters.end:
            days = (parameters.start, parameters.end)
            words.append(" – ".join(day.date().isoformat() for day in days))  # noqa: RUF001
        if "interval" in self.fields and "interval" not in self.hidden:
            words.append(str(shared.INTERVAL_LABELS[parameters.interval]))
        if "segment" in self.fields:
            chosen = parameters.segment or ""
            words.append(dict(self.segments).get(chosen, chosen or _("Everyone")))
        return words or [_("Filters")]

    def report(self, error: InvalidParameter) -> None:
        """Add an error that was found only when the parameters were used."""
        names = [self.add_prefix(name) for name in self.fields]
        if not self.errors and error.field in names:
            self.add_error(None, error)

    @property
    def list_name(self) -> str:
        return str(self["list"].value()) if "list" in self.fields else ""

    @property
    def _is_of_days(self) -> bool:
        """Whether a list is about the last days instead of a range."""
        return "preset" in self.unused.get(self.list_name, ())

    @classmethod
    def _initial_list(cls) -> str:
        return str(cls.base_fields["list"].initial)

    def _is_offered(self, name: str) -> bool:
        if name == "of" and isinstance(self.fields[name], fields.ListedField):
            return len(self.listed) > 1
        if name == "segment":
            return bool(self.segments) or name in self.given
        return name not in self.hidden or name in self.given

    @cached_property
    def segments(self) -> list[tuple[str, str]]:
        """The segments and groups of this site to choose from, each with its label."""
        groups = [(f"{GROUP}{name}", name) for name in self.groups]
        try:
            return [*((name, name) for name in self.reader.segments), *groups]
        except InvalidSegments:  # which concerns those only who ask for a segment
            return groups

    @cached_property
    def listed(self) -> dict[str, str]:
        """The fields in ``SOUVENIRS_GROUP_BY``, each with its label."""
        return field_labels()

    @cached_property
    def groups(self) -> list[str]:
        """The first groups of users of this site, by name, if the page has segments."""
        return self.reader.groups(MAX_GROUPS) if "segment" in self.fields else []

    def _control(self, name: str, bound: BoundField) -> Control:
        field, value = bound.field, bound.value()
        if name in self.hidden:
            field.widget = forms.HiddenInput()
            return bound, ""
        if isinstance(field, fields.ChoiceField):
            # An invalid choice can only come from the URL, so name its parameter.
            label = name
            field.widget.choices = self._offered(name, field, "" if value is None else str(value))
        else:
            label = str(bound.label)
        if isinstance(field, fields.InstantField):
            field.widget.input_type = "date" if not value or _is_day(value) else "text"
        return bound, message(self.error(bound.name), label) if bound.name in self.errors else ""

    def _offered(self, name: str, field: fields.ChoiceField, value: str) -> list[tuple[str, Any]]:
        # A segment is its own label. The field would ask the function of the site, which may fail.
        known = {} if name == "segment" else field.labels()
        labels = known
        if name == "segment":
            labels = {"": _("Everyone")} | {key: isolated(label) for key, label in self.segments}
        elif name == "interval" and not field.initial:
            labels = {"": _("Automatic"), **labels}
        elif name == "compare":
            refused = [] if len(self.segments) > len(self.groups) else ["segment"]
            refused += [] if self.groups else ["groups"]
            labels = {"": _("Nothing"), **labels}
            labels = {key: label for key, label in labels.items() if key not in refused}
        elif name == "list":
            labels = {key: label for key, label in labels.items() if key in self.lists}
        elif name == "of":
            labels = self.listed
        choices = list(labels.items())
        if value not in labels:
            choices.append((value, known.get(value, value)))
        return choices

    def presets(
        self, page: str, mount: Mount, parameters: Parameters | None
    ) -> list[dict[str, Any]]:
        """Return links to other ranges or numbers of days that keep the other parameters."""
        others = {
            name: value
            for name, value in self.given.items()
            if name not in (*RANGE, "page", *self.of_number, *self.not_kept)
            and (name != "list" or value in self.lists)
        }
        if self._is_of_days:
            if self.list_name in ("slipping", "never"):
                return []
            name, current = "days", str(self["days"].value())
            choices: dict[str, Any] = {str(days): _days(days) for days in (30, 90, 180, 365)}
        elif self.default_preset is None:
            return []
        else:
            name, current = "preset", str(parameters.preset) if parameters else ""
            choices = shared.PRESET.labels()
        return [
            {
                "name": label,
                "url": mount.url(page, {**others, name: value}),
                "is_current": value == current,
            }
            for value, label in choices.items()
        ]


def _days(days: int) -> str:
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


@cache
def zone_options() -> SafeString:
    """Return all time zones as HTML options."""
    names = ((name,) for name in sorted(fields.zone_names()))
    return format_html_join("", '<option value="{}"></option>', names)


def message(error: InvalidParameter, label: str = "") -> str:
    """Return the message of an error in the reader's language, with the label of its field."""
    return error.filled_in(_(str(error.sentence)), label or error.field, number)


def compare_choices() -> list[tuple[str, Any]]:
    """Return what the overview can compare with: also the values of each listed field."""
    listed = {
        path: _("By %(field)s") % {"field": isolated(label)}
        for path, label in field_labels().items()
        if path not in COMPARE
    }
    return [*COMPARE.items(), *listed.items()]


#: What every site can be compared with.
COMPARE = {
    "previous": gettext_lazy("Previous period"),
    "year": gettext_lazy("Same period last year"),
    "segment": gettext_lazy("Each segment"),
    "groups": gettext_lazy("Each group"),
}


class OverviewForm(PageForm, RangeForm):
    default_preset = "12mo"
    hidden = ("figure", "open", "only")
    interval = shared.interval("")
    segment = shared.SEGMENT
    compare = fields.ChoiceField(label=gettext_lazy("Compare with"), choices=compare_choices)
    zone = shared.ZONE
    figure = fields.ChoiceField(
        initial="active", choices=fields.plain("active", "7d", "28d", "new", "stickiness")
    )
    format = fields.ChoiceField(initial="html", choices=fields.plain("html", "csv", "json"))
    #: A part whose table is open, or the only part that is wanted.
    open = fields.ChoiceField(choices=fields.plain(*PARTS))
    only = fields.ChoiceField(choices=fields.plain(*PARTS))

    def _clean_range(self) -> None:
        super()._clean_range()
        data = self.cleaned_data
        data["interval"] = data["interval"] or suggested_interval(data["start"], data["end"])
        days = (utc(data["end"]) - utc(data["start"])).days
        if data["figure"] in WINDOWS and days > MAX_DAYS:
            raise InvalidParameter(
                "from",
                gettext_noop(
                    "The windows have %(days)s days, more than %(most)s: choose a shorter range."
                ),
                days=days,
                most=MAX_DAYS,
            )

    def _check_users(self) -> None:
        super()._check_users()
        compare = self.cleaned_data.get("compare")
        if compare == "segment" and not self.reader.segments:
            raise InvalidParameter("compare", gettext_noop("SOUVENIRS_SEGMENTS is empty."))
        if compare == "groups" and not has_groups():
            raise InvalidParameter(
                "compare", gettext_noop("The user model of this site has no groups.")
            )
        if compare and compare not in COMPARE:
            self.cleaned_data |= {"by": compare, "top": MOST_COLUMNS}


class RetentionForm(PageForm, RangeForm):
    default_preset = "12mo"
    not_kept = ("interval",)
    interval = shared.interval("", COHORTS)
    cohort = shared.COHORT
    mode = shared.MODE
    reference = shared.REFERENCE
    zone = shared.ZONE
    segment = shared.SEGMENT

    def _clean_range(self) -> None:
        super()._clean_range()
        data = self.cleaned_data
        data["interval"] = data["interval"] or suggested_cohorts(data["start"], data["end"])


class PeopleForm(PageForm, RangeForm):
    default_preset = "28d"
    hidden = ("interval", "cohort", "mode", "of", "offset", "order")
    lists = ("active", *shared.OF_DAYS)
    of_number = ("of", "offset")
    list = fields.ChoiceField(
        label=gettext_lazy("Who"),
        initial="active",
        choices=[
            ("active", gettext_lazy("Active in the range")),
            ("recent", gettext_lazy("Seen in the last days")),
            ("inactive", gettext_lazy("Not seen in the last days")),
            ("slipping", gettext_lazy("Slipping away")),
            ("never", gettext_lazy("Never seen")),
            ("cohort", gettext_lazy("In a cohort")),
            ("new", gettext_lazy("New")),
            ("retained", gettext_lazy("Retained")),
            ("resurrected", gettext_lazy("Resurrected")),
            ("churned", gettext_lazy("Churned")),
        ],
    )
    days = shared.DAYS
    q = fields.TextField(
        label=gettext_lazy("Search names"), widget=forms.TextInput({"type": "search"}), strip=False
    )
    among = fields.ChoiceField(
        label=gettext_lazy("Search in"),
        initial="everyone",
        choices=[("everyone", gettext_lazy("All users")), ("list", gettext_lazy("This list"))],
    )
    order = fields.ChoiceField(
        initial="name",
        choices=fields.plain(
            *(f"{sign}{name}" for name in ("name", "joined", SEEN, DAYS) for sign in ("", "-"))
        ),
    )
    interval = shared.interval("month")
    cohort = shared.COHORT
    mode = shared.MODE
    of = fields.TextField(strip=False)
    offset = fields.IntegerField(min_value=0, max_value=MAX_PERIODS)
    zone = shared.ZONE
    segment = shared.SEGMENT
    page = fields.IntegerField(initial=1, min_value=1, max_value=MAX_ROWS // PER_PAGE)
    format = fields.ChoiceField(initial="html", choices=fields.plain("html", "csv", "json"))

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors and "order" not in self.data and data["list"] == "inactive":
            # Those who have only just stopped coming can still be won back.
            data["order"] = f"-{SEEN}"
        return data


class GroupsForm(PageForm, grouplists.GroupsForm):
    hidden = ("order",)
    lists = tuple(grouplists.LISTS)
    zone = shared.ZONE
    segment = shared.SEGMENT
    page = fields.IntegerField(initial=1, min_value=1, max_value=1_000_000 // PER_PAGE)


class BillingForm(PageForm):
    subscription_start = shared.SUBSCRIPTION_START
    interval = shared.interval("month", shared.OF_SUBSCRIPTION)
    recent = fields.IntegerField(
        label=gettext_lazy("Last periods"), initial=24, min_value=1, max_value=MAX_PERIODS
    )
    zone = shared.ZONE
    segment = shared.SEGMENT


class HealthForm(PageForm):
    zone = shared.ZONE

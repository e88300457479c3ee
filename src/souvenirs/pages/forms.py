"""The form of a page: what was asked, to be changed and asked again, with what was wrong with it.

It is sent with GET, so that what a page shows is in its URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..counting import segment_names
from ..web import IDLE, PRESETS, Choice, Form, InvalidParameter, Parameters, zone_names
from .formats import number
from .links import Mount
from .userlists import LISTS, OF_DAYS

#: What nobody chooses on a page, but links to it say.
HIDDEN = {"people": ("interval", "cohort", "mode", "of", "offset", "order")}

#: What is not carried on when the form is sent.
LEFT_OUT = ("preset", "page", "format")


@dataclass(frozen=True)
class Option:
    value: str
    name: str
    is_chosen: bool


@dataclass(frozen=True)
class Field:
    """A field of the form; ``kind`` is the type of its input."""

    name: str
    label: str
    kind: str
    value: str
    options: Sequence[Option] = ()
    #: What the field suggests, as HTML.
    list: str = ""
    error: str = ""


@dataclass(frozen=True)
class Preset:
    """A link to a range up to today."""

    name: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Controls:
    """All of a page's form."""

    fields: Sequence[Field]
    presets: Sequence[Preset]


def asked_in(query: QueryDict, form: Form) -> QueryDict:
    """Return the parameters that say something: a form sends every field that it has."""
    asked = query.copy()
    has_lists = any(parameter.name == "list" for parameter in form.parameters)
    idle = IDLE.get(query.get("list") or "active", ()) if has_lists else ()
    for name, texts in query.lists():
        if texts == [""] or name in idle:
            del asked[name]
    asked._mutable = False
    return asked


def controls(
    page: str,
    form: Form,
    mount: Mount,
    query: QueryDict,
    parameters: Parameters | None,
    problem: InvalidParameter | None,
) -> Controls:
    """Return the form of a page, with what was asked, right or wrong."""
    values = _values(form, query, parameters)
    is_of_days = values.get("list") in OF_DAYS
    fields = []
    for parameter in form.parameters:
        name = parameter.name
        value = values[name]
        is_hidden = name in HIDDEN.get(page, ())
        if name in LEFT_OUT or (is_hidden and name not in query) or not _is_offered(name):
            continue
        if name in IDLE.get(values.get("list"), ()):
            continue
        is_wrong = problem is not None and problem.field == name and not is_hidden
        kind = "hidden" if is_hidden else _kind(name, value)
        # What cannot be chosen was not chosen: it is what the URL says, and has its name there.
        label = "" if kind == "select" else _labels(name)
        error = sentence(problem, label) if problem and is_wrong else ""
        options: list[Option] = []
        if kind == "select":
            choices = parameter.choices if isinstance(parameter, Choice) else ()
            options = _options(name, choices, value)
        suggested = _zone_options() if name == "tz" else ""
        fields.append(Field(name, _labels(name), kind, value, options, suggested, error))
    presets: list[Preset] = []
    if is_of_days:
        presets = _days_to_choose(mount, query, values)
    elif form.preset is not None:
        others = _others(query)
        presets = [
            Preset(
                label, mount.url(page, {**others, "preset": name}), _is_current(name, parameters)
            )
            for name, label in _presets().items()
        ]
    return Controls(fields, presets)


@cache
def _zone_options() -> SafeString:
    """All time zones, on every page the same hundreds."""
    names = ((name,) for name in sorted(zone_names()))
    return format_html_join("", '<option value="{}"></option>', names)


def _days_to_choose(mount: Mount, query: QueryDict, values: dict[str, str]) -> list[Preset]:
    others = {name: value for name, value in _others(query).items() if name != "preset"}
    return [
        Preset(
            ngettext("%(days)s day", "%(days)s days", days) % {"days": days},
            mount.url("people", {**others, "days": days}),
            values["days"] == str(days),
        )
        for days in (30, 90, 180, 365)
        if values["list"] != "never"
    ]


def _others(query: QueryDict) -> dict[str, str]:
    """What another range leaves as it is: it has other pages, and other numbers to be behind."""
    left_out = {"from", "to", "page", "of", "offset"}
    if query.get("list") not in LISTS:
        left_out.add("list")
    return {name: str(query[name]) for name in query if name not in left_out}


def _is_current(preset: str, parameters: Parameters | None) -> bool:
    return parameters is not None and parameters.preset == preset


def _is_offered(name: str) -> bool:
    return name != "segment" or bool(segment_names())


def _values(form: Form, query: QueryDict, parameters: Parameters | None) -> dict[str, str]:
    values = {
        parameter.name: query.get(parameter.name, _text(parameter.default))
        for parameter in form.parameters
    }
    if parameters is not None and parameters.start and parameters.end and parameters.preset:
        values["from"] = parameters.start.date().isoformat()
        values["to"] = parameters.end.date().isoformat()
    if "tz" in values and not values["tz"]:
        values["tz"] = str(timezone.get_current_timezone())
    return values


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _kind(name: str, value: str) -> str:
    if name in ("from", "to", "subscription_start"):
        # What is not a day cannot be shown in such a field.
        return "date" if not value or parsed_day(value) else "text"
    if name in ("days", "recent"):
        return "number"
    if name == "tz":
        return "text"
    return "search" if name == "q" else "select"


def parsed_day(text: str) -> date | None:
    """Return the day that a text is; None where it is none, or a moment."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def sentence(problem: InvalidParameter, label: str = "") -> str:
    """Say what is wrong in the language of the reader, and at a field, by its label."""
    translated = _(problem.sentence)
    return problem.filled_in(translated, label or problem.field, number)


def _options(name: str, choices: Sequence[str], value: str) -> list[Option]:
    if name == "segment":
        words: dict[str, str] = {}
        named = [("", _("Everybody")), *((each, each) for each in segment_names())]
    else:
        words = _words().get(name, {})
        own = LISTS if name == "list" else choices
        named = [(each, words.get(each, each)) for each in own]
    if value not in dict(named):
        named.append((value, words.get(value, value)))
    return [Option(each, label, each == value) for each, label in named]


def _labels(name: str) -> str:
    labels = {
        "from": _("From"),
        "to": _("Before"),
        "interval": _("Interval"),
        "tz": _("Time zone"),
        "segment": _("Segment"),
        "cohort": _("Cohorts by"),
        "mode": _("Came back"),
        "reference": _("Percent of"),
        "subscription_start": _("Subscription start"),
        "recent": _("Last periods"),
        "list": _("Who"),
        "days": _("Days"),
        "q": _("Search names"),
    }
    return labels.get(name, name)


def _presets() -> dict[str, str]:
    names = {
        "7d": _("7 days"),
        "28d": _("28 days"),
        "90d": _("90 days"),
        "month": _("This month"),
        "12mo": _("12 months"),
    }
    return {name: names.get(name, name) for name in PRESETS}


def _words() -> dict[str, dict[str, str]]:
    return {
        "interval": {
            "day": _("Day"),
            "week": _("Week"),
            "month": _("Month"),
            "quarter": _("Quarter"),
            "year": _("Year"),
        },
        "cohort": {"first_seen": _("First seen"), "joined": _("Registered")},
        "mode": {"in": _("In the period"), "in_or_later": _("In it or later")},
        "reference": {"first": _("The whole cohort"), "previous": _("The cell before")},
        "list": {
            "active": _("Active in the range"),
            "recent": _("Seen in the last days"),
            "inactive": _("Not seen in the last days"),
            "never": _("Never seen"),
            "new": _("New"),
            "retained": _("Retained"),
            "resurrected": _("Resurrected"),
            "churned": _("Churned"),
            "cohort": _("Of a cohort"),
        },
    }

"""What the admin of users says about their activity, for those who may see people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist
from django.db.models import OrderBy, QuerySet
from django.forms import Media
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..calendar import WEEK, calendar_start, checked, local, outward, zone_for
from ..conf import conf
from ..insights import active_days, last_seen, last_seen_many
from ..pages import DASH, error_context, error_message, minute, users_in, weeks
from ..sets import CorruptDigest
from ..stores import PrunedSpan, get_store
from ..web import VIEW_PEOPLE, may

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    Changes = ChangeList
else:
    ModelAdmin = Changes = object

LAST_SEEN = "last_seen"
STRIP = "active_year"

#: As many weeks as there are in a year, and the one under way.
WEEKS = 53

#: Where a list keeps the moment on each of its users.
SEEN = "_souvenirs_last_seen"

#: By the index of users and moments; who was never seen comes before everybody else.
BY_LAST_SEEN = OrderBy(get_store().last_moment("pk"), nulls_first=True)


class InactiveFor(admin.SimpleListFilter):
    """The lists of :mod:`souvenirs.querysets`, as a filter."""

    title = _("last seen")
    # No field can be called that.
    parameter_name = "last-seen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        days = ("30", "90", "180", "365")
        return [
            ("recently", gettext("seen within 7 days")),
            *((each, gettext("inactive for %(days)s days") % {"days": each}) for each in days),
            ("never", gettext("never seen")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in dict(self.lookup_choices):
            raise IncorrectLookupParameters
        if value == "recently":
            return users_in("recent", timedelta(days=7), queryset)
        if value == "never":
            return users_in("never", timedelta(), queryset)
        return users_in("inactive", timedelta(days=int(value)), queryset)


class LastSeenChanges(Changes):
    """A list that asks once when the users on its page were last seen."""

    model_admin: LastSeenAdminMixin

    def get_ordering_field(self, field_name: Any) -> Any:
        is_ours = field_name == self.model_admin.last_seen_column
        if is_ours and field_name not in (self.sortable_by or ()):
            return None
        return super().get_ordering_field(field_name)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # The admin reads the same objects again.
        users = list(self.result_list)
        try:
            seen = last_seen_many(users)
        except CorruptDigest as error:
            self.model_admin.message_user(request, error_message(error), messages.ERROR)
            return
        for user in users:
            setattr(user, SEEN, seen[user.pk])


class LastSeenAdminMixin(ModelAdmin):
    """Shows in the admin of a user model when users were there.

    ::

        class MyUserAdmin(LastSeenAdminMixin, UserAdmin):
            pass

    For those who have the permission ``souvenirs.view_people`` there is a column ``last_seen``, a
    filter by it, and on the page of a user ``active_year``, the days of the last 53 weeks. Both
    names can be put elsewhere, in ``list_display`` and in ``fieldsets``. Days and times are those
    of the current time zone.

    The column takes two queries for all users of a page, and a third one for whether it can be
    sorted. It can where one query can answer that: in the database of the souvenirs, and as long as
    none has been pruned. Sorting looks once at the index for each user whom the list is about,
    however few of them are shown.
    """

    @admin.display(description=_("Last seen"), ordering=BY_LAST_SEEN)
    def last_seen(self, user: Any) -> datetime | str:
        """Return when a user of the list was last seen; a dash where nobody can say."""
        seen: datetime | str | None = getattr(user, SEEN, DASH)
        return gettext("never") if seen is None else seen

    @admin.display(description=_("Active days"))
    def active_year(self, user: Any) -> SafeString:
        """Return the drawing of the days on which a user was active."""
        return render_to_string("souvenirs/dashboard/year.html", _year(user))

    @property
    def last_seen_column(self) -> Any:
        """The column as the admin knows it: by its name, unless a field of the model has that."""
        try:
            self.opts.get_field(LAST_SEEN)
        except FieldDoesNotExist:
            return LAST_SEEN
        return self.last_seen

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": ["souvenirs/dashboard.css"]})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        base = super().get_changelist(request, **kwargs)
        if not may(request.user, VIEW_PEOPLE):
            return base
        return type(base.__name__, (LastSeenChanges, base), {})

    def get_list_display(self, request: HttpRequest) -> Any:
        columns, ours = super().get_list_display(request), self.last_seen_column
        if not may(request.user, VIEW_PEOPLE):
            return [column for column in columns if column != ours]
        return columns if ours in columns else [*columns, ours]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        columns, ours = super().get_sortable_by(request), self.last_seen_column
        if ours not in columns or _can_sort(self.get_queryset(request)):
            return columns
        return [column for column in columns if column != ours]

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return [*filters, InactiveFor] if may(request.user, VIEW_PEOPLE) else filters

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if obj is None or not may(request.user, VIEW_PEOPLE):
            return [field for field in fields if field != STRIP]
        return fields if STRIP in fields else [*fields, STRIP]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not may(request.user, VIEW_PEOPLE):
            return list(_without_strip(fieldsets))
        if STRIP in flatten_fieldsets(fieldsets):
            return fieldsets
        # Below whom the form is about, and not below everything that can be changed.
        ours = (_("Activity"), {"fields": [STRIP]})
        return [*fieldsets[:1], ours, *fieldsets[1:]]


def _can_sort(users: QuerySet[Any]) -> bool:
    """Whether the last souvenir in the table is when each of the users was last seen."""
    store = get_store()
    return store.can_join(users.db) and store.pruned(None, None) is None


def _without_strip(fieldsets: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for name, options in fieldsets:
        lines: Sequence[Any] = [
            line if isinstance(line, str) else [field for field in line if field != STRIP]
            for line in options["fields"]
            if line != STRIP
        ]
        yield name, {**options, "fields": lines}


def _year(user: Any) -> dict[str, Any]:
    """What the drawing needs."""
    now = checked(timezone.now(), "now")
    zone = zone_for(now, None)
    today = local(now, zone).date()
    week = calendar_start(now, WEEK, zone, conf.WEEK_START).date()
    first = week - timedelta(weeks=WEEKS - 1)
    # Noon is on every clock.
    noon = datetime.combine(first, time(12), zone)
    context: dict[str, Any] = {"zone": str(zone)}
    try:
        seen = last_seen(user)
        context["last_seen"] = (
            minute(local(checked(seen, "moment"), zone)) if seen else gettext("never")
        )
        context["year"] = weeks(first, today, active_days(user, outward(noon), tz=zone))
    except PrunedSpan:
        context["problem"] = gettext(
            "The active days are unknown in this time zone: a digest of pruned souvenirs spans "
            "midnight."
        )
    except CorruptDigest as error:
        context.update(error_context(error))
    return context

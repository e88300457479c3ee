"""The activity of users in the admin of a user model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
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
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..calendar import WEEK, calendar_start, checked, local, outward, zone_for
from ..checks import NotMigrated, migrated
from ..conf import conf
from ..insights import active_days, last_seen, last_seen_many
from ..pages import DASH, Mount, error_context, error_message, minute, weeks
from ..querysets import inactive, never_seen, recently_seen
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

#: The weeks of a year, and the current one.
WEEKS = 53

#: The attribute of users that holds when they were last seen.
SEEN = "_souvenirs_last_seen"

#: Uses the index of users and moments. Users who were never seen come first.
BY_LAST_SEEN = OrderBy(get_store().last_moment("pk"), nulls_first=True)


class InactiveFor(admin.SimpleListFilter):
    """A filter by the querysets of :mod:`souvenirs.querysets`."""

    title = _("last seen")
    # No field can have this name.
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
            return recently_seen(timedelta(days=7), queryset)
        if value == "never":
            return never_seen(queryset)
        return inactive(timedelta(days=int(value)), queryset)


class LastSeenChanges(Changes):
    """A change list that looks up once when all users on its page were last seen."""

    model_admin: LastSeenAdminMixin

    def get_ordering_field(self, field_name: Any) -> Any:
        is_ours = field_name == self.model_admin.last_seen_column
        if is_ours and field_name not in (self.sortable_by or ()):
            return None
        return super().get_ordering_field(field_name)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # The admin renders the same objects.
        users = list(self.result_list)
        try:
            with migrated():
                seen = last_seen_many(users)
        except (CorruptDigest, NotMigrated) as error:
            self.model_admin.message_user(request, error_message(error), messages.ERROR)
            return
        for user in users:
            setattr(user, SEEN, seen[user.pk])


class LastSeenAdminMixin(ModelAdmin):
    """Shows when users were seen, in the admin of a user model.

    ::

        class MyUserAdmin(LastSeenAdminMixin, UserAdmin):
            pass

    Users with the permission ``souvenirs.view_people`` get a column ``last_seen``, a filter by it,
    and on the page of a user ``active_year``, the active days of the last 53 weeks. To place them
    elsewhere, name them in ``list_display`` and ``fieldsets``. Days and times are in the current
    time zone.

    The column takes two queries per page of the list, and a third one to find out whether it can be
    sorted, which requires that users and souvenirs are in the same database and no souvenirs have
    been pruned. Sorting takes an index lookup for each user in the list, not only for those shown.
    """

    @admin.display(description=_("Last seen"), ordering=BY_LAST_SEEN)
    def last_seen(self, user: Any) -> datetime | str:
        """Return when a user was last seen; a dash if that is unknown."""
        seen: datetime | str | None = getattr(user, SEEN, DASH)
        return gettext("never") if seen is None else seen

    @admin.display(description=_("Active days"))
    def active_year(self, user: Any) -> SafeString:
        """Return the calendar strip of the days on which a user was active."""
        context = _year(user)
        with suppress(NoReverseMatch):  # an admin site without the pages
            context["people_url"] = Mount(self.admin_site).url("people")
        return render_to_string("souvenirs/dashboard/year.html", context)

    @property
    def last_seen_column(self) -> Any:
        """The column: its name, or the method if a field of the model has that name."""
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
        # Below the first section, which identifies the user.
        ours = (_("Activity"), {"fields": [STRIP]})
        return [*fieldsets[:1], ours, *fieldsets[1:]]


def _can_sort(users: QuerySet[Any]) -> bool:
    """Return whether the table of souvenirs suffices to sort users by when they were last seen."""
    store = get_store()
    try:
        with migrated():
            return store.can_join(users.db) and store.pruned(None, None) is None
    except NotMigrated:
        return False


def _without_strip(fieldsets: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for name, options in fieldsets:
        lines: Sequence[Any] = [
            line if isinstance(line, str) else [field for field in line if field != STRIP]
            for line in options["fields"]
            if line != STRIP
        ]
        yield name, {**options, "fields": lines}


def _year(user: Any) -> dict[str, Any]:
    """Return the context of the calendar strip."""
    now = checked(timezone.now(), "now")
    zone = zone_for(now, None)
    today = local(now, zone).date()
    week = calendar_start(now, WEEK, zone, conf.WEEK_START).date()
    first = week - timedelta(weeks=WEEKS - 1)
    # The clock never skips noon.
    noon = datetime.combine(first, time(12), zone)
    context: dict[str, Any] = {"zone": str(zone)}
    try:
        with migrated():
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
    except (CorruptDigest, NotMigrated) as error:
        context.update(error_context(error))
    return context

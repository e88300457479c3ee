"""The pages in the admin, annotations, and stored souvenirs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from ..api import ENDPOINTS
from ..checks import NotMigrated, migrated
from ..models import Annotation, Souvenir, Usage
from ..pages import ROUTES, Mount, error_message, number
from ..web import VIEW_USAGE, may

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """An admin that cannot add, change or delete objects."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    """The pages in place of a change list, and the endpoints that they link to."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, VIEW_USAGE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, VIEW_USAGE)

    def get_urls(self) -> list[URLPattern]:
        mount = {"mount": Mount(self.admin_site)}
        # The index of the admin links to the first of these.
        names = {"souvenirs_usage_changelist": "overview", "souvenirs_dashboard": "overview"}
        names |= {f"souvenirs_{name}": name for name in ROUTES}
        return [
            *(
                path(ROUTES[page][0], self.admin_site.admin_view(ROUTES[page][1]), mount, name=name)
                for name, page in names.items()
            ),
            *(
                path(f"api/{each.name}", each.view(), name=f"souvenirs_api-{each.name}")
                for each in ENDPOINTS
            ),
        ]


@admin.register(Annotation)
class AnnotationAdmin(ModelAdmin):
    """The annotations, latest day first."""

    list_display = ("day", "text", "created")
    date_hierarchy = "day"
    ordering = ("-day", "-pk")
    search_fields = ("text",)


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator that counts and shows only the first rows."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return len(rows.values_list("pk", flat=True)[: self.MOST])


@admin.register(Souvenir)
class SouvenirAdmin(ReadOnlyAdmin):
    """Stored souvenirs, latest first.

    Users are shown by primary key, because their names require the permission to see people.
    """

    list_display = ("when", "user_id", "digested")
    list_display_links = None
    paginator = ShortPaginator
    show_full_result_count = False
    ordering = ("-when",)
    sortable_by = ()
    change_list_template = "souvenirs/dashboard/souvenirs.html"

    class Media:
        css = {"all": ["souvenirs/dashboard.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(None)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        usage = reverse("admin:souvenirs_dashboard", current_app=self.admin_site.name)
        context = {
            "title": _("The latest souvenirs (at most %s)") % number(ShortPaginator.MOST),
            "usage_url": usage if may(request.user, VIEW_USAGE) else "",
        }
        try:
            with migrated():
                return super().changelist_view(request, {**context, **(extra_context or {})})
        except NotMigrated as error:
            self.message_user(request, error_message(error), messages.ERROR)
            return redirect(reverse("admin:index", current_app=self.admin_site.name))

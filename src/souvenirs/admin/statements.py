"""The statements that have been issued, which nobody can change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..calendar import zone_named
from ..statements import Statement, export_statement, recount_statement
from ..web import VIEW_PEOPLE, Reader, Refused, clock_time, may, private
from .usage import ReadOnlyAdmin


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin):
    """The statements, latest first: to read, to print, to recount, and as files.

    A reader who may not see everyone sees none. The file names users.
    """

    list_display = ("issued", "whose", "number", "start", "end", "active_users")
    date_hierarchy = "start"
    search_fields = ("name", "hash")
    sortable_by = ()
    fields = (
        "whose",
        "number",
        "start",
        "end",
        "active_users",
        "plan",
        "quota",
        "issuer",
        "issued",
        "hash",
        "pages",
    )
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, "souvenirs.view_statement") and _sees_everyone(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=gettext_lazy("customer"))
    def whose(self, statement: Statement) -> str:
        return statement.name or _("Everyone")

    @admin.display(description=gettext_lazy("active users"))
    def active_users(self, statement: Statement) -> int:
        count: int = statement.content["active_users"]
        return count

    @admin.display(description=gettext_lazy("plan"))
    def plan(self, statement: Statement) -> Any:
        return self._given(statement, "plan")

    @admin.display(description=gettext_lazy("quota"))
    def quota(self, statement: Statement) -> Any:
        return self._given(statement, "quota")

    @admin.display(description=gettext_lazy("issuer"))
    def issuer(self, statement: Statement) -> Any:
        return self._given(statement, "issuer")

    def _given(self, statement: Statement, name: str) -> Any:
        """Return what whoever issued a statement gave, which may be nothing."""
        given = statement.content[name]
        return self.get_empty_value_display() if given is None else given

    @admin.display(description=gettext_lazy("pages"))
    def pages(self, statement: Statement) -> str:
        """The links to what there is about a statement besides."""
        names = {"print": _("To print"), "recount": _("Recount"), "file": _("File, with users")}
        return format_html_join(
            " · ",
            '<a href="{}">{}</a>',
            ((self._url(page, statement), title) for page, title in names.items()),
        )

    def _url(self, page: str, statement: Statement) -> str:
        name = f"admin:souvenirs_statement_{page}"
        return reverse(name, args=[statement.pk], current_app=self.admin_site.name)

    def get_urls(self) -> list[URLPattern]:
        views = {"print": self.print_view, "recount": self.recount_view, "file": self.file_view}
        return [
            *(
                path(
                    f"<int:pk>/{page}/",
                    self.admin_site.admin_view(view),
                    name=f"souvenirs_statement_{page}",
                )
                for page, view in views.items()
            ),
            *super().get_urls(),
        ]

    def print_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return a page without anything but the statement."""
        statement = self._found(request, pk)
        content = statement.content
        zone = zone_named(content["time_zone"])
        moments = {name: getattr(statement, name) for name in ("start", "end", "issued")}
        context = {
            "title": _("Statement %(number)s") % {"number": statement.number},
            "whose": self.whose(statement),
            "content": content,
            "hash": statement.hash,
            "moments": {name: clock_time(moment, zone) for name, moment in moments.items()},
            "days": sorted(content["days"].items()),
        }
        return private(render(request, "souvenirs/statements/print.html", context))

    def recount_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return what would be different today, in sentences, or why nobody can tell."""
        statement, status = self._found(request, pk), 200
        try:
            sentences = recount_statement(statement).sentences()
        except ValueError as error:  # also PrunedSpan and CorruptDigest
            sentences, status = [str(error)], 409
        text = "\n".join(sentences) + "\n"
        return private(HttpResponse(text, status=status, content_type="text/plain; charset=utf-8"))

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the file of a statement, to those who may see the users behind numbers."""
        statement = self._found(request, pk)
        if not may(request.user, VIEW_PEOPLE):
            raise PermissionDenied
        name = f"statement-{statement.pk}.txt"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        data = export_statement(statement)
        return private(HttpResponse(data, content_type="text/plain", headers=headers))

    def _found(self, request: HttpRequest, pk: int) -> Statement:
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement: Statement | None = self.get_queryset(request).filter(pk=pk).first()
        if statement is None:
            raise Http404
        return statement


def _sees_everyone(user: Any) -> bool:
    """Whether ``SOUVENIRS_VISIBLE_TO`` lets a user see everyone; if it is broken, they do not."""
    try:
        return not Reader(user).is_limited
    except (Refused, ImproperlyConfigured):
        return False

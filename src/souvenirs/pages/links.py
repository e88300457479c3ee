"""The URLs of the pages, under an admin site or in a project's URLconf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..api import Endpoint
from ..calendar import checked, local, utc
from ..web import VIEW_PEOPLE, Parameters, Reader, may

#: The titles of the pages, in the order of the navigation.
PAGES = {
    "overview": _("Overview"),
    "retention": _("Retention"),
    "people": _("People"),
    "groups": _("Groups"),
    "billing": _("Billing periods"),
    "health": _("Health"),
}


@dataclass(frozen=True)
class Mount:
    """The admin site that the pages are mounted under; None if they are included in a URLconf."""

    admin_site: AdminSite | None = None

    def url(self, name: str, query: Mapping[str, Any] | None = None) -> str:
        """Return the URL of a page, or of ``api-`` and a name, with a query string."""
        if self.admin_site is None:
            url = reverse(f"souvenirs:{name}")
        else:
            url = reverse(f"admin:souvenirs_{name}", current_app=self.admin_site.name)
        given = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        return f"{url}?{urlencode(given)}" if given else url

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the context of the base template."""
        if self.admin_site is None:
            return {"base_template": "souvenirs/dashboard/base.html"}
        return {**self.admin_site.each_context(request), "base_template": "admin/base_site.html"}


#: The pages in a project's URLconf.
OUTSIDE = Mount()


@dataclass(frozen=True)
class PageRequest:
    """The parameters, user and URLs of a page, for its links."""

    name: str
    mount: Mount
    parameters: Parameters
    #: The non-empty parameters in the URL.
    query: Mapping[str, str]
    user: Any

    @property
    def reader(self) -> Reader:
        """Who reads the page."""
        return self.parameters.reader

    @property
    def sees_people(self) -> bool:
        return may(self.user, VIEW_PEOPLE)

    @property
    def shared(self) -> dict[str, Any]:
        """The parameters of the range, the time zone and the segment."""
        return {**self.range, **self.common}

    @property
    def common(self) -> dict[str, Any]:
        """The parameters of the time zone and the segment."""
        return {"tz": self.query.get("tz"), "segment": self.parameters.segment}

    @property
    def range(self) -> dict[str, Any]:
        if self.parameters.preset:
            return {"preset": self.parameters.preset}
        return {name: self.query[name] for name in ("from", "to") if name in self.query}

    def here(self, **changes: Any) -> str:
        """Return the URL of this page with other parameters; None removes one."""
        return self.mount.url(self.name, {**self.query, **changes})

    def api(self, endpoint: Endpoint, **query: Any) -> str:
        """Return the URL of an endpoint, with the parameters that it shares with the page."""
        names = endpoint.form.parameters()
        given = {**self.query, "from": "", "to": "", **self._range_so_far, **self.common}
        own = {name: value for name, value in given.items() if name in names}
        return self.mount.url(f"api-{endpoint.name}", {**own, **query})

    @property
    def _range_so_far(self) -> dict[str, Any]:
        """The parameters of the range, cut off at now."""
        shown, now = self.range, utc(checked(timezone.now(), "now"))
        start, end = self.parameters.start, self.parameters.end
        if "to" in shown and start and end and now < utc(end):
            if now < utc(start):
                return {"from": shown["from"], "to": shown["from"]}
            return {"from": shown["from"]}
        return shown

    def people(self, **query: Any) -> str:
        """Return the URL of a list of users; empty without the permission to see people."""
        return self.mount.url("people", {**self.common, **query}) if self.sees_people else ""

    def user_url(self, user: Any) -> str:
        """Return the URL of a user in the admin; empty without one, or without the permission."""
        site, model = self.mount.admin_site, type(user)
        if site is None or not site.is_registered(model):
            return ""
        if not may(self.user, f"{model._meta.app_label}.view_{model._meta.model_name}"):
            return ""
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return reverse(name, args=[quote(user.pk)], current_app=site.name)

    def people_in(self, start: datetime, end: datetime) -> str:
        """Return the URL of the list of users active in ``[start, end)``."""
        return self.people(**{"from": self.written(start), "to": self.written(end)})

    def written(self, moment: datetime) -> str:
        """Return a moment as a parameter: the date if it is midnight."""
        instant = local(checked(moment, "moment"), self.parameters.zone)
        midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        if instant == midnight and not instant.fold:
            return instant.date().isoformat()
        return utc(instant).replace(tzinfo=None).isoformat() + "Z"

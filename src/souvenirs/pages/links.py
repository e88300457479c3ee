"""Where the pages are: under an admin site, or wherever a project has included them."""

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
from ..web import VIEW_PEOPLE, Parameters, may

#: The pages in the order of the navigation, and what they are called.
PAGES = {
    "overview": _("Overview"),
    "retention": _("Retention"),
    "people": _("People"),
    "billing": _("Billing periods"),
    "health": _("Health"),
}


@dataclass(frozen=True)
class Mount:
    """An admin site with the pages under it; None where they stand on their own."""

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
        """Return what the templates around the pages need."""
        if self.admin_site is None:
            return {"base_template": "souvenirs/dashboard/base.html"}
        return {**self.admin_site.each_context(request), "base_template": "admin/base_site.html"}


@dataclass(frozen=True)
class PageRequest:
    """The parameters of a page, its user and its URLs: what every link on it needs."""

    mount: Mount
    parameters: Parameters
    #: The parameters in the URL, without those that are empty.
    query: Mapping[str, str]
    user: Any

    @property
    def sees_people(self) -> bool:
        return may(self.user, VIEW_PEOPLE)

    @property
    def shared(self) -> dict[str, Any]:
        """The range, the zone and the segment, as parameters."""
        return {**self.range, **self.common}

    @property
    def common(self) -> dict[str, Any]:
        """The zone and the segment, as parameters."""
        return {"tz": self.query.get("tz"), "segment": self.parameters.segment}

    @property
    def range(self) -> dict[str, Any]:
        if self.parameters.preset:
            return {"preset": self.parameters.preset}
        return {name: self.query[name] for name in ("from", "to") if name in self.query}

    def api(self, endpoint: Endpoint, **query: Any) -> str:
        """Return the URL of an endpoint, with the parameters of the page that it has too."""
        names = endpoint.form.parameters()
        given = {**self.query, "from": "", "to": "", **self._range_so_far, **self.common}
        own = {name: value for name, value in given.items() if name in names}
        return self.mount.url(f"api-{endpoint.name}", {**own, **query})

    @property
    def _range_so_far(self) -> dict[str, Any]:
        """The range without what is still to come, which no page shows."""
        shown, now = self.range, utc(checked(timezone.now(), "now"))
        start, end = self.parameters.start, self.parameters.end
        if "to" in shown and start and end and now < utc(end):
            if now < utc(start):
                return {"from": shown["from"], "to": shown["from"]}
            return {"from": shown["from"]}
        return shown

    def people(self, **query: Any) -> str:
        """Return the URL of the people behind a number; nothing for who may not see them."""
        return self.mount.url("people", {**self.common, **query}) if self.sees_people else ""

    def user_url(self, user: Any) -> str:
        """Return where the admin shows a user; nothing where it does not, or not to them."""
        site, model = self.mount.admin_site, type(user)
        if site is None or not site.is_registered(model):
            return ""
        if not may(self.user, f"{model._meta.app_label}.view_{model._meta.model_name}"):
            return ""
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return reverse(name, args=[quote(user.pk)], current_app=site.name)

    def people_in(self, start: datetime, end: datetime) -> str:
        """Return the URL of the people active in ``[start, end)``."""
        return self.people(**{"from": self.written(start), "to": self.written(end)})

    def written(self, moment: datetime) -> str:
        """Return a moment as a parameter: the day where that says it all."""
        instant = local(checked(moment, "moment"), self.parameters.zone)
        midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        if instant == midnight and not instant.fold:
            return instant.date().isoformat()
        return utc(instant).replace(tzinfo=None).isoformat() + "Z"

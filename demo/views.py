from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from souvenirs.control import active_users
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_yearly_usage

#: The last year of the history, which ends in August 2026.
RANGE = {"from": "2025-08-01", "to": "2026-08-21"}


def dashboard(request: HttpRequest) -> HttpResponse:
    """Redirect to the pages, for the last year of the history."""
    return redirect(reverse("admin:souvenirs_dashboard", query=RANGE))


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show active users by year, and the visitor's souvenirs of the last week."""
    now = timezone.now()
    earliest = Souvenir.objects.order_by("when").first()
    years = list(calendar_yearly_usage(earliest.when if earliest else now))
    mine = Souvenir.objects.filter(user=request.user, when__gte=now - timedelta(days=7))
    return render(
        request,
        "demo/home.html",
        {
            "years": years[::-1],
            "most": max((year["usage"]["active_users"] or 0 for year in years), default=0) or 1,
            "souvenirs": mine,
            "active_today": len(active_users(start=now - timedelta(days=1), end=now)),
        },
    )

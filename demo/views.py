from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from souvenirs.control import active_users
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_yearly_usage


def dashboard(request: HttpRequest) -> HttpResponse:
    """Redirect to the pages, where they begin."""
    return redirect("admin:souvenirs_dashboard")


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

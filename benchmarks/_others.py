"""Other apps that keep track of users, where they are installed: see requirements.txt."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec

#: Each package's app and middleware.
OTHERS = {
    "django-user-visit": ("user_visit", "user_visit.middleware.UserVisitMiddleware"),
    "django-request": ("request", "request.middleware.RequestMiddleware"),
    "django-tracking2": ("tracking", "tracking.middleware.VisitorTrackingMiddleware"),
}
#: What cannot be measured, and why.
HOPELESS = {"django-last-seen": "its newest version, 0.3, is for Python 2 and cannot be imported"}


def installed() -> list[str]:
    """The packages that are there; the app of each is in INSTALLED_APPS, with its tables."""
    return [name for name, (app, _) in OTHERS.items() if find_spec(app)]


def apps() -> list[str]:
    return [OTHERS[name][0] for name in installed()]


def titled(name: str) -> str:
    return f"{name} {version(name)}"


def left_out() -> str:
    """A sentence on what is not measured."""
    missing = [name for name in OTHERS if name not in installed()]
    reasons = [f"{name}: {why}" for name, why in HOPELESS.items()]
    if missing:
        how = "`pip install -r benchmarks/requirements.txt`"
        reasons.append(f"{', '.join(missing)}: not installed, {how}")
    return f"Left out: {'; '.join(reasons)}."

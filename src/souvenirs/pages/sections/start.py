"""The steps that set the app up, and how far a site has come."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext as _

from ...conf import conf
from ...web import recording_problems


class Step(NamedTuple):
    """A step of the installation, and whether it is done."""

    #: What is known if it is done, and nothing else: that is all that a done step shows.
    name: str
    is_done: bool
    #: How to do it.
    text: str
    #: What is in its way, in English.
    problems: tuple[str, ...] = ()


class Source(NamedTuple):
    """Where history can be imported from, and the command that does it."""

    name: str
    command: str


def steps(*, has_souvenirs: bool, has_digests: bool) -> list[Step]:
    """Return the steps, in the order in which they are taken."""
    problems = tuple(recording_problems())
    first = _("Open any page of the site while signed in. The pages of usage do not count.")
    if not problems and conf.IGNORE_STAFF:
        first = f"{first} {_('Staff users do not count either: SOUVENIRS_IGNORE_STAFF is set.')}"
    return [
        Step(
            _("The settings allow recording"),
            not problems,
            _("The middleware notes the user of each request, at most once an hour by default."),
            problems,
        ),
        Step(_("The first user has been seen"), has_souvenirs, first),
        Step(
            _("The first digest has been made"),
            has_digests,
            _(
                "Run manage.py digest_souvenirs every ten minutes, with cron or a task runner. "
                "Without digests, numbers are as exact, but take longer."
            ),
        ),
    ]


def sources() -> list[Source]:
    """Return the commands that import history."""
    return [
        Source(_("Web access logs, CSV files and JSON lines"), "import_souvenirs access.log"),
        Source(_("The last sign-in of each user"), "import_souvenirs --from last_login"),
        Source(_("The log of the admin"), "import_souvenirs --from admin_log"),
    ]

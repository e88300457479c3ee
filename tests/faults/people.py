"""Make the tables of the site and users who are signed in: ``python -m tests.faults.people 40``.

Prints JSON: the primary key and the session cookie of each. The cookies are good for every process
of the site that has the same database and the same kind of sessions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

from tests.processes import ROOT


class Person(NamedTuple):
    pk: int
    cookie: str


def make_people(environment: dict[str, str], number: int) -> list[Person]:
    """Make the tables and users of the site with this environment, in a process of its own."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.faults.people", str(number)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
    )
    return [Person(*person) for person in json.loads(made.stdout)]


def main(number: int) -> None:
    import django

    django.setup()

    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    users.bulk_create(
        users.model(username=f"user {n}", password=f"!{n}") for n in range(1, number + 1)
    )
    print(json.dumps([(user.pk, f"sessionid={session_of(user)}") for user in users.order_by("pk")]))


def session_of(user) -> str:
    """The key of a new session in which the user is signed in."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Whether the cache lets exactly one of two processes claim a key: it is tried.

This process and a child add the same throwaway keys at the same time, and each key must be won by
one of them. The child is another Python with the site's settings: only another process can tell
whether the cache is shared. The keys are deleted afterwards, and expire if that fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from threading import Timer
from typing import IO, Any

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from ..resilience import time_limited_cache
from .findings import Finding, State, sentence

TITLE = "Claims in the cache"

#: How many keys both processes add.
KEYS = 100

#: How long the processes add keys, in seconds. One ``add`` may take ``SOUVENIRS_TIMEOUT``.
SECONDS = 2

#: How long the child may take altogether, with the time to start, in seconds.
CHILD_SECONDS = 20

#: When the keys expire that were not deleted, in seconds.
EXPIRY = 60

CHILD = "import django; django.setup(); from souvenirs.doctor.cache import contend; contend()"

#: What the lines of the child begin with; others are the site's own.
MARK = "souvenirs_doctor: "

SETTINGS = "DJANGO_SETTINGS_MODULE"

REMEDY = (
    "Name a cache in SOUVENIRS_CACHE_NAME that all processes share, on Redis or Memcached. Counts "
    "are correct without one, but the table grows faster."
)


class Untried(Exception):
    """There is no second process to try the cache."""


def cache() -> Iterator[Finding]:
    """Try the cache of ``SOUVENIRS_CACHE_NAME``."""
    try:
        alias, prefix = conf.CACHE_NAME, f"{conf.CACHE_PREFIX}doctor.{uuid.uuid4().hex}."
    except ImproperlyConfigured:
        return  # a check says so
    try:
        state, message, remedy = _tried(alias, prefix)
    except Untried as error:
        state = State.WARNING
        message = f"The cache {alias!r} could not be tried by a second process: {error}."
        remedy = f"Run the command with manage.py, or set {SETTINGS} in its environment."
    except Exception as error:  # noqa: BLE001 - of whatever backend
        state, message = State.ERROR, f"The cache {alias!r} does not answer: {_named(error)}."
        remedy = (
            "Start it, or correct its entry in CACHES. Without it, every process writes its own "
            "souvenir of each user and window."
        )
    finally:
        with suppress(Exception):
            time_limited_cache(alias).delete_many([f"{prefix}{n}" for n in range(KEYS)])
    yield Finding("cache", TITLE, state, message, remedy, {"cache": alias})


def _tried(alias: str, prefix: str) -> tuple[State, str, str]:
    client = time_limited_cache(alias)
    if not client.add(f"{prefix}0", 1, EXPIRY):
        return State.ERROR, f"The cache {alias!r} refuses a new key.", REMEDY
    if client.add(f"{prefix}0", 1, EXPIRY):
        return State.WARNING, f"The cache {alias!r} stores nothing.", REMEDY
    client.delete(f"{prefix}0")
    if SETTINGS not in os.environ:
        raise Untried(f"{SETTINGS} is not set")
    ours, theirs = _race(alias, prefix)
    tried = range(min(len(ours), len(theirs)))
    both = sum(ours[n] and theirs[n] for n in tried)
    if both == len(tried):
        message = f"The cache {alias!r} is not shared: two processes claimed the same keys."
        return State.WARNING, message, REMEDY
    if both:
        message = (
            f"The cache {alias!r} has no atomic add(): two processes both claimed {both} of "
            f"{len(tried)} keys."
        )
        return State.WARNING, message, REMEDY
    if lost := sum(not (ours[n] or theirs[n]) for n in tried):
        message = f"The cache {alias!r} refused {lost} of {len(tried)} new keys to two processes."
        return State.ERROR, message, REMEDY
    return (
        State.OK,
        f"The cache {alias!r} is shared and atomic: two processes claimed {len(tried)} keys, each "
        "key once.",
        "",
    )


def _race(alias: str, prefix: str) -> tuple[list[bool], list[bool]]:
    """Add the keys in this process and in a child; return which of them each one won."""
    child = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", CHILD, alias, prefix],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = Timer(CHILD_SECONDS, child.kill)
    guard.start()
    with child:
        try:
            _answer(child)
            print("go", file=child.stdin, flush=True)
            ours = claim(alias, prefix)
            return ours, _answer(child)
        finally:
            guard.cancel()
            child.kill()


def _answer(child: subprocess.Popen[str]) -> Any:
    for line in _lines(child.stdout):
        if line.startswith(MARK):
            answer = json.loads(line.removeprefix(MARK))
            if isinstance(answer, str):
                raise ConnectionError(answer)
            return answer
    said = [line.strip() for line in _lines(child.stderr)]
    reason = f": {said[-1].rstrip('.')}" if said else ""
    raise Untried(f"it ended{reason}")


def _lines(pipe: IO[str] | None) -> Iterable[str]:
    return pipe or ()


def contend() -> None:
    """Be the child: add the keys once the parent says so, and print which were won."""
    alias, prefix = sys.argv[1:]
    _say([])
    sys.stdin.readline()
    try:
        answer: list[bool] | str = claim(alias, prefix)
    except Exception as error:  # noqa: BLE001 - of whatever backend
        answer = _named(error)
    _say(answer)


def _say(answer: list[bool] | str) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(answer)}\n")
    sys.stdout.flush()


def claim(alias: str, prefix: str) -> list[bool]:
    """Add the keys, in order, as long as there is time; return whether each one was new."""
    client, end = time_limited_cache(alias), time.monotonic() + SECONDS
    won = []
    for n in range(KEYS):
        won.append(bool(client.add(f"{prefix}{n}", 1, EXPIRY)))
        if time.monotonic() > end:
            break
    return won


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {sentence(error)}"

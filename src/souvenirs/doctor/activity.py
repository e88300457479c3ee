"""Findings of what is recorded: whether it goes on, is digested, and is pruned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ..checks import BEHIND
from ..conf import conf
from ..digests import corrupt_digests
from ..stores import RowCount, get_store
from .findings import Finding, State, about, counted, length, minute

#: How far a souvenir may be in the future, for the clocks of several machines.
AHEAD = timedelta(minutes=5)

#: Without a souvenir for this long, something is wrong even on a small site.
SILENCE = timedelta(days=1)

#: How far pruning may lag behind: it deletes whole hours, perhaps once a day.
SLACK = timedelta(days=2)

#: How many of the latest digests of each level are read.
READ = 48


def recording(alias: str) -> Iterator[Finding]:
    """Tell when the last souvenir was recorded."""
    now = datetime.now(UTC)
    newest = get_store().measures().newest(now + AHEAD)
    title, remedy = "Recording", "Sign in, request a page, and run this command again."
    if not conf.ENABLED:
        message = "SOUVENIRS_ENABLED is False, so nothing is recorded."
        yield Finding("recording", title, State.WARNING, message, "Remove it.")
    elif newest is None:
        message = "No souvenir has been recorded yet."
        yield Finding("recording", title, State.WARNING, message, remedy, {"newest": None})
    else:
        age = max(now - newest, timedelta())
        is_fine = age <= SILENCE
        none = "" if age <= timedelta(hours=1) else "; there is none within the last hour"
        yield Finding(
            "recording",
            title,
            about(State.WARNING, is_fine),
            f"The last souvenir is from {minute(newest)}, {length(age.total_seconds())} ago{none}.",
            "" if is_fine else f"{remedy} If there is none, see the findings above.",
            {"newest": newest.isoformat(), "seconds": round(age.total_seconds())},
        )


def future(alias: str) -> Iterator[Finding]:
    """Find souvenirs in the future."""
    measures, start = get_store().measures(), datetime.now(UTC) + AHEAD
    latest, found = measures.newest(), measures.from_moment(start)
    if not found.rows or latest is None:
        message = "No souvenir is in the future."
        yield Finding("recording", "Future", State.OK, message, "", {"rows": 0})
        return
    yield Finding(
        "recording",
        "Future",
        State.WARNING,
        f"{_number(found)} in the future, the last one from {minute(latest)}.",
        "Synchronize the clocks of all machines, and check the time zone of what was imported. "
        "These souvenirs count once their time has come: delete them if it is wrong.",
        {"rows": found.rows, "last": latest.isoformat()},
    )


def digesting(alias: str) -> Iterator[Finding]:
    """Tell how many souvenirs are not digested, and for how long."""
    store = get_store()
    oldest, waiting = store.oldest_undigested(), store.measures().undigested()
    values = {"rows": waiting.rows, "is_more": waiting.is_estimate}
    title = "Digesting"
    remedy = "Run manage.py digest_souvenirs every few minutes. Counts are correct without it."
    if oldest is None:
        message = "No souvenirs are waiting to be digested."
        yield Finding("digests", title, State.OK, message, "", values)
        return
    lag = max(datetime.now(UTC) - oldest, timedelta())
    is_used = store.has_digests()
    is_fine = lag <= BEHIND if is_used else not waiting.is_estimate
    sentence = f"{_number(waiting)} waiting to be digested, the oldest from {minute(oldest)}, " + (
        f"{length(lag.total_seconds())} ago."
    )
    yield Finding(
        "digests",
        title,
        about(State.WARNING, is_fine),
        sentence if is_used else f"Nothing has been digested: {sentence[0].lower()}{sentence[1:]}",
        "" if is_fine else remedy,
        {**values, "oldest": oldest.isoformat(), "seconds": round(lag.total_seconds())},
    )


def corruption(alias: str) -> Iterator[Finding]:
    """Read the latest digests."""
    found = corrupt_digests(READ)
    if not found:
        message = "The latest digests can be read."
        yield Finding("digests", "Checksums", State.OK, message, "", {"corrupt": 0})
        return
    more = f" ({counted(len(found) - 1, 'more digest')} like this)" if len(found) > 1 else ""
    yield Finding(
        "digests",
        "Checksums",
        State.ERROR,
        f"{found[0]}{more}",
        "Run manage.py digest_souvenirs --rebuild; if their souvenirs have been pruned, restore "
        "the tables from a backup.",
        {"corrupt": len(found)},
    )


def pruning(alias: str) -> Iterator[Finding]:
    """Compare the oldest souvenir with ``SOUVENIRS_KEEP_DAYS``."""
    oldest, title = get_store().measures().oldest(), "Pruning"
    if conf.KEEP_DAYS is None:
        message = "SOUVENIRS_KEEP_DAYS is not set, so souvenirs are kept for ever."
        yield Finding("digests", title, State.OK, message, "", {"keep_days": None})
    elif oldest is None:
        message = "There is nothing to prune."
        yield Finding("digests", title, State.OK, message, "", {"keep_days": conf.KEEP_DAYS})
    else:
        age = datetime.now(UTC) - oldest
        is_fine = age <= timedelta(days=conf.KEEP_DAYS) + SLACK
        yield Finding(
            "digests",
            title,
            about(State.WARNING, is_fine),
            f"SOUVENIRS_KEEP_DAYS is {conf.KEEP_DAYS:g}, and the oldest souvenir is from "
            f"{minute(oldest)}, {length(max(age.total_seconds(), 0))} ago.",
            ""
            if is_fine
            else "Run manage.py digest_souvenirs and then manage.py prune_souvenirs every day.",
            {"keep_days": conf.KEEP_DAYS, "oldest": oldest.isoformat()},
        )


def _number(found: RowCount) -> str:
    more = "More than " if found.is_estimate else ""
    return f"{more}{counted(found.rows, 'souvenir')} {'is' if found.rows == 1 else 'are'}"

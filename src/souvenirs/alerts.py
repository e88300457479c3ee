"""Signs that recording is broken, that users stay away, or that digesting has stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import Any, Literal, NamedTuple

from django.contrib.auth import get_user_model
from django.utils import timezone

from .calendar import DAY, Boundaries, calendar_boundaries, checked, local, outward, utc, zone_for
from .checks import check_agreement, check_digesting
from .conf import conf
from .counting import BY_SETTING, active_users_each, segment_names, users_by
from .digests import status
from .insights import TOLERANCE, expectation, first_bucket
from .sets import CorruptDigest
from .signals import activity_alert
from .stores import PrunedSpan

Kind = Literal["silence", "outlying", "segment", "digests", "undigested", "corrupt"]

WEEK = timedelta(days=7)

#: How many weeks the same hours are looked at, and how many of them there must be.
WEEKS, FEWEST_WEEKS = 8, 4

#: So many users usually come in a time that none is no chance: the probability is exp(-8), 1 in
#: 3,000.
USUAL = 8

#: A user who signed in less than this ago may not have been recorded yet.
RECORDED = timedelta(minutes=1)


#: Said of a part that needs souvenirs that have been pruned.
NOT_ON_BUCKETS = (
    "Days of this time zone begin within buckets whose souvenirs have been pruned, so their active "
    "users are not judged."
)


class Finding(NamedTuple):
    """Something that needs attention, in one sentence, with the numbers in it."""

    kind: Kind
    text: str
    values: dict[str, Any]


@dataclass
class Judgement:
    """What was found, and what could not be judged, in sentences."""

    findings: list[Finding] = field(default_factory=list)
    not_judged: list[str] = field(default_factory=list)


class Limits(NamedTuple):
    """What is still fine; None if it is not judged."""

    #: Windows without a souvenir.
    windows: int = 3
    #: Spreads from the expectation.
    tolerance: float = TOLERANCE
    #: Percent by which the users of a segment fall in a week.
    segment_drop: float | None = None
    #: Undigested souvenirs.
    undigested: int | None = None


def judge(limits: Limits, tz: tzinfo | None = None) -> Judgement:
    """Judge the site as it is now, and send ``activity_alert`` for each finding."""
    judgement = Judgement()
    zone = zone_for(checked(timezone.now(), "now"), tz)
    parts: list[Callable[[], Iterator[Finding | str]]] = [
        lambda: silence(limits.windows, zone),
        lambda: outlying(limits.tolerance, zone),
        lambda: fallen_segments(limits.segment_drop, zone),
        lambda: digesting(limits.undigested),
    ]
    for part in parts:
        for each in _judged(part):
            if isinstance(each, str):
                judgement.not_judged.append(each)
            elif each not in judgement.findings:
                judgement.findings.append(each)
    for finding in judgement.findings:
        activity_alert.send_robust(sender=Finding, finding=finding)
    return judgement


def _judged(part: Callable[[], Iterator[Finding | str]]) -> Iterator[Finding | str]:
    """Generate what is found; users who cannot be counted are a finding, or not judged."""
    try:
        yield from part()
    except CorruptDigest as error:
        text = f"{error} Run manage.py digest_souvenirs --verify."
        yield Finding("corrupt", text, {})
    except PrunedSpan:
        yield NOT_ON_BUCKETS


def silence(windows: int, zone: tzinfo) -> Iterator[Finding | str]:
    """Find a time without souvenirs in which somebody signed in, or in which users usually come.

    That is all that is known of requests: sessions have no time at which they were used.
    """
    now = utc(checked(timezone.now(), "now"))
    seconds = conf.RATELIMIT_SECONDS
    if not seconds:
        yield "SOUVENIRS_RATELIMIT_SECONDS is 0, so there are no windows to be without a souvenir."
        return
    # Windows begin at multiples of their length, and a user who signs in is seen in the window.
    since = now - timedelta(seconds=now.timestamp() % seconds + windows * seconds)
    first = first_bucket()
    if first is None:
        yield "There is no souvenir yet."
        return
    if first > since:
        return
    ranges = [(outward(since), outward(now))]
    starts, ends = (Boundaries(local(each, zone), DAY, zone) for each in (since, now))
    for week in range(1, WEEKS + 1):
        start = starts.boundary(-7 * week)
        if first <= utc(start):
            ranges.append((outward(start), outward(ends.boundary(-7 * week))))
    # A range may begin in a pruned bucket.
    active, *usual = map(len, active_users_each(ranges, rounded=True))
    if active:
        return
    values = {"windows": windows, "since": since}
    began = f"{local(since, zone):%Y-%m-%d %H:%M}"
    signed_in = _signed_in(since, now - RECORDED)
    if signed_in:
        yield Finding(
            "silence",
            f"No souvenir has been left since {began}, although {_users(signed_in)} signed in: "
            "recording is broken.",
            {**values, "signed_in": signed_in},
        )
    elif len(usual) >= FEWEST_WEEKS and median(usual) >= USUAL:
        yield Finding(
            "silence",
            f"No souvenir has been left since {began}; in the same hours of the last {len(usual)} "
            f"weeks, there were {median(usual):.0f} active users.",
            {**values, "usual": median(usual)},
        )


def _signed_in(since: datetime, until: datetime) -> int:
    """Return how many users whose requests count have signed in in a range."""
    model: Any = get_user_model()
    fields = {each.name for each in model._meta.concrete_fields}
    if "last_login" not in fields:
        return 0
    users = model._base_manager.filter(
        last_login__gte=outward(since), last_login__lt=outward(until)
    )
    if conf.IGNORE_STAFF and "is_staff" in fields:
        users = users.filter(is_staff=False)
    found: int = users.count()
    return found


def outlying(tolerance: float, zone: tzinfo) -> Iterator[Finding | str]:
    """Find that the users of the day so far are outlying."""
    found = expectation(tolerance=tolerance, tz=zone)
    if found.reason is not None:
        yield f"The active users of the day are not judged. {found.reason}"
    if found.outlying is not None:
        until = f"{found.end:%H:%M} on {found.start:%A, %Y-%m-%d}"
        values = {name: getattr(found, name) for name in ("end", "active", "low", "high")}
        yield Finding(
            "outlying",
            f"{_users(found.active)} active up to {until}; expected {found.value:,.0f}, and from "
            f"{found.low:,} to {found.high:,} is usual.",
            {**values, "expected": round(found.value or 0, 1)},
        )


def fallen_segments(percent: float | None, zone: tzinfo) -> Iterator[Finding | str]:
    """Find segments with fewer users in the last seven whole days than in the seven before."""
    if percent is None:
        return
    if not segment_names():
        yield "No segment is named in SOUVENIRS_SEGMENTS."
        return
    days = calendar_boundaries(timezone.now(), DAY, zone)
    bounds = [days.boundary(number) for number in (-14, -7, 0)]
    first = first_bucket()
    if first is None or first > utc(bounds[0]):
        yield "The segments are not judged. There are less than 14 whole days of history."
        return
    before, after = ((outward(a), outward(b)) for a, b in (bounds[:2], bounds[1:]))
    for name, sets in users_by(active_users_each([before, after]), BY_SETTING).items():
        was, now = map(len, sets)
        if was and 100 * (was - now) > percent * was:
            fall = 100 * (was - now) / was
            yield Finding(
                "segment",
                f"The active users of segment {name!r} fell by {fall:.0f} % in a week, from "
                f"{was:,} to {now:,}.",
                {"segment": name, "before": was, "active": now},
            )


def digesting(most: int | None) -> Iterator[Finding | str]:
    """Find that digesting has stopped, that digests are missing, or souvenirs undigested."""
    progress = status()
    for message in [*check_digesting(progress), *check_agreement()]:
        yield Finding("digests", str(message.msg), {"check": message.id})
    if most is not None and progress.souvenirs_waiting > most:
        yield Finding(
            "undigested",
            f"{progress.souvenirs_waiting:,} souvenirs are undigested, more than {most:,}.",
            {"undigested": progress.souvenirs_waiting},
        )


def _users(number: int) -> str:
    return f"{number:,} user{'' if number == 1 else 's'}"

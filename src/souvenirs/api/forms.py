"""What each kind of answer of the API may be asked for."""

from __future__ import annotations

from ..web import (
    BY,
    COHORT,
    DAYS_OF_LIST,
    EXCLUSIVE,
    FORMAT,
    LIST,
    MODE,
    PAGE,
    PER_PAGE,
    RANGE,
    REFERENCE,
    SEGMENT,
    SUBSCRIPTION_START,
    TABLE,
    TZ,
    WINDOW,
    Form,
    interval,
)

USAGE = Form(
    "usage",
    (*RANGE, interval("month"), TZ, SUBSCRIPTION_START, SEGMENT, BY, EXCLUSIVE, FORMAT),
    preset="12mo",
)
SERIES = Form(
    "series", (*RANGE, interval("day"), TZ, WINDOW, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="28d"
)
RETENTION = Form(
    "retention",
    (*RANGE, interval("month"), TZ, COHORT, MODE, REFERENCE, SEGMENT, BY, EXCLUSIVE, FORMAT),
    preset="12mo",
)
GROWTH = Form(
    "growth", (*RANGE, interval("month"), TZ, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="12mo"
)
PEOPLE = Form(
    "people", (*RANGE, TZ, SEGMENT, LIST, DAYS_OF_LIST, PAGE, PER_PAGE, FORMAT), preset="28d"
)
STICKINESS = Form(
    "stickiness", (*RANGE, interval("month"), TZ, SEGMENT, BY, EXCLUSIVE, FORMAT), preset="12mo"
)
BUSY = Form("busy", (*RANGE, TZ, SEGMENT, FORMAT), preset="28d")
HEALTH = Form("health", (TZ, TABLE, FORMAT))

FORMS = (USAGE, SERIES, RETENTION, GROWTH, STICKINESS, BUSY, PEOPLE, HEALTH)

"""Charts in SVG, with every coordinate computed here.

No style attributes are needed: widths are attributes of SVG, and colours are classes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from math import ceil
from typing import Any, NamedTuple

from django.utils.translation import ngettext

from ..calendar import Incomplete
from .formats import day, incomplete_word, number

#: The height of a chart, and the width of each of its points.
HEIGHT = 100
STEP = 10


class Paths(NamedTuple):
    """The ``d`` of the SVG paths of a line; each can be empty."""

    #: Through the values of complete periods.
    whole: str
    #: From there through those of incomplete periods.
    unfinished: str
    #: A point that has no line because it is the only one.
    dot: str
    #: The last point, if its period is incomplete.
    ring: str


class Line(NamedTuple):
    """A line with its name; a value of None leaves a gap."""

    name: str
    values: Sequence[int | None]

    @property
    def last(self) -> str:
        return number(self.values[-1]) if self.values else ""


@dataclass(frozen=True)
class Chart:
    """Lines over the same labels."""

    id: str
    title: str
    labels: Sequence[str]
    lines: Sequence[Line]
    #: Why the period of each label is incomplete; only the last ones can be.
    incomplete: Sequence[Incomplete | None]

    @property
    def width(self) -> str:
        return str(max(len(self.labels) - 1, 1) * STEP)

    @property
    def left(self) -> int:
        """The left edge: the first point is at 0, or in the middle if it is the only one."""
        return -STEP // 2 if len(self.labels) == 1 else 0

    @property
    def ticks(self) -> list[int]:
        """The numbers on the vertical axis, from 0."""
        return ticks(max((value or 0 for line in self.lines for value in line.values), default=0))

    @property
    def scale(self) -> list[str]:
        """The ticks from top to bottom, as text."""
        return [number(tick) for tick in reversed(self.ticks)]

    @property
    def grid(self) -> str:
        """The ``d`` of an SVG path with a line at each tick but 0."""
        top = self.ticks[-1]
        lines = (HEIGHT - _scaled(tick, top, HEIGHT) for tick in self.ticks[1:])
        return "".join(f"M{self.left} {y:g}h{self.width}" for y in lines)

    @property
    def paths(self) -> list[Paths]:
        """The paths of each line."""
        unfinished = sum(map(bool, self.incomplete))
        return [paths(line.values, self.ticks[-1], unfinished) for line in self.lines]

    @property
    def marked(self) -> list[str]:
        """The labels, with those of incomplete periods marked."""
        return list(map(marked, self.labels, self.incomplete))

    @property
    def axis(self) -> list[str]:
        return axis(self.labels)

    @property
    def data_id(self) -> str:
        return f"{self.id}-data"

    @property
    def data(self) -> dict[str, Any]:
        """The labels and values, for the script that shows the ones under the pointer."""
        return {"labels": self.marked, "lines": [list(line.values) for line in self.lines]}


def ticks(most: int) -> list[int]:
    """Return two to five evenly spaced round numbers, from 0 to ``most`` or more."""
    sizes = (digit * 10**power for power in count() for digit in (1, 2, 5))
    size = next(size for size in sizes if size * 4 >= most)
    return [size * place for place in range(max(ceil(most / size), 1) + 1)]


class Bar(NamedTuple):
    """A part of a stack, with its class and its coordinates in SVG."""

    kind: str
    x: str
    y: str
    height: str


class Stack(NamedTuple):
    """The parts of one period, above and below zero; the title is their text alternative."""

    title: str
    bars: Sequence[Bar]
    complete: bool = True


@dataclass(frozen=True)
class Bars:
    """Stacks on one scale, with zero in the middle."""

    title: str
    labels: Sequence[str]
    #: The class and the name of each part.
    parts: Sequence[tuple[str, str]]
    stacks: Sequence[Stack]
    top: float

    @property
    def width(self) -> str:
        return str(max(len(self.labels), 1) * STEP)

    @property
    def axis(self) -> list[str]:
        return axis(self.labels)


def bars(
    title: str,
    labels: Sequence[str],
    parts: Sequence[tuple[str, str]],
    values: Sequence[Sequence[int | None]],
    incomplete: Sequence[Incomplete | None],
) -> Bars:
    """Return stacks of the values of each period; the last part is below zero.

    ``incomplete`` is why each period is incomplete. What is None of such a period is not in its
    title.
    """
    top = max((max(sum(v or 0 for v in each[:-1]), each[-1] or 0) for each in values), default=0)
    # Of zeros only, the scale is still from -1 to 1.
    top = top or 1
    stacks = []
    labels = list(map(marked, labels, incomplete))
    for place, (label, each, why) in enumerate(zip(labels, values, incomplete, strict=True)):
        said = ", ".join(
            f"{name} {number(value)}"
            for (_kind, name), value in zip(parts, each, strict=True)
            if value is not None or why is None
        )
        stacks.append(Stack(f"{label}: {said}", _stacked(place, parts, each, top), why is None))
    return Bars(title, labels, parts, stacks, top)


def _stacked(
    place: int, parts: Sequence[tuple[str, str]], values: Sequence[int | None], top: float
) -> list[Bar]:
    half = HEIGHT / 2
    drawn = []
    level = half
    for (kind, _name), value in zip(parts, values, strict=True):
        height = _scaled(value, top, half)
        is_below = kind == parts[-1][0]
        level = half if is_below else level - height
        if height:
            drawn.append(Bar(kind, str(place * STEP + 1), f"{level:g}", f"{height:g}"))
    return drawn


def _scaled(value: float | None, top: float, height: float) -> float:
    return round((value or 0) / top * height, 2) if top else 0


def marked(label: str, incomplete: Incomplete | None) -> str:
    """Return the label of a period, marked if the period is incomplete."""
    return f"{label} {incomplete_word(incomplete)}" if incomplete else label


class Day(NamedTuple):
    """A day, with its coordinates in SVG."""

    title: str
    x: str
    y: str


class Weeks(NamedTuple):
    """A calendar strip: a column for each week, with the active days."""

    title: str
    #: The ``d`` of an SVG path around all days.
    path: str
    days: Sequence[Day]
    width: str
    height: str
    axis: Sequence[str]


def weeks(first: date, last: date, active: Collection[date]) -> Weeks:
    """Return the strip from ``first``, the first day of a week, to ``last``, inclusive."""
    count = (last - first).days + 1
    places = [divmod(number, 7) for number in range(count)]
    title = ngettext(
        "Active on %(days)s day since %(start)s",
        "Active on %(days)s days since %(start)s",
        len(active),
    )
    return Weeks(
        title=title % {"days": number(len(active)), "start": day(first)},
        path="".join(f"M{x * STEP + 1} {y * STEP + 1}h8v8h-8z" for x, y in places),
        days=[
            Day(day(each), str(x * STEP + 1), str(y * STEP + 1))
            for each in sorted(active)
            for x, y in [places[(each - first).days]]
        ],
        width=str((places[-1][0] + 1) * STEP),
        height=str(7 * STEP),
        axis=axis([day(first + timedelta(days=number)) for number in range(count)]),
    )


def paths(
    values: Sequence[float | None], top: float, unfinished: int, height: int = HEIGHT
) -> Paths:
    """Return the paths of a line through the values, from 0 to ``top``, with gaps.

    The last ``unfinished`` values are of incomplete periods.
    """
    points = [
        None if value is None else f"{place * STEP} {height - _scaled(value, top, height):g}"
        for place, value in enumerate(values)
    ]
    whole = len(points) - unfinished
    rest = max(whole - 1, 0) if unfinished else whole
    known = [point for point in points if point is not None]
    # Nearly nothing, with round ends.
    last = f"M{known[-1]}h0.01" if known else ""
    return Paths(
        _path(points[:whole]),
        _path(points[rest:]),
        dot=last if len(known) == 1 and not unfinished else "",
        ring=last if unfinished else "",
    )


def _path(points: Iterable[str | None]) -> str:
    """Return the ``d`` of an SVG path through the points, with gaps."""
    steps = []
    pen = "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        steps.append(f"{pen}{point}")
        pen = "L"
    return " ".join(steps)


def axis(labels: Sequence[str]) -> list[str]:
    """Return up to five evenly spaced labels, including the first and the last."""
    if len(labels) <= 5:
        return list(labels)
    return [labels[round((len(labels) - 1) * part / 4)] for part in range(5)]

"""Charts in SVG, with every coordinate computed here.

No style attributes are needed: widths are attributes of SVG, and colours are classes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import count, groupby
from math import ceil
from typing import Any, NamedTuple

from django.utils.translation import ngettext

from ..calendar import Incomplete
from .formats import day, incomplete_word, number, percent

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
    values: Sequence[float | None]


class Mark(NamedTuple):
    """Something that happened in the period at a place, with what is said of it."""

    place: int
    title: str


class Expected(NamedTuple):
    """The value that the last, incomplete, period is expected to have, and its limits."""

    value: float
    low: float
    high: float
    #: What the legend calls it, and how the three are written.
    name: str
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines over the same labels; of shares, values are from 0 to 1."""

    id: str
    title: str
    labels: Sequence[str]
    lines: Sequence[Line]
    #: Why the period of each label is incomplete; only the last ones can be.
    incomplete: Sequence[Incomplete | None]
    is_share: bool = False
    #: An earlier time, period by period, with its labels.
    before: Line | None = None
    labels_before: Sequence[str] = ()
    marks: Sequence[Mark] = ()
    expected: Expected | None = None
    #: More data for the script, see :attr:`data`.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> str:
        return str(max(len(self.labels) - 1, 1) * STEP)

    @property
    def left(self) -> int:
        """The left edge: the first point is at 0, or in the middle if it is the only one."""
        return -STEP // 2 if len(self.labels) == 1 else 0

    @cached_property
    def ticks(self) -> list[int]:
        """The numbers on the vertical axis, from 0; of shares, percentages."""
        lines = [*self.lines, *([self.before] if self.before else [])]
        most = max((value or 0 for line in lines for value in line.values), default=0)
        if self.expected:
            most = max(most, self.expected.high)
        return ticks(most * 100 if self.is_share else most)

    @property
    def top(self) -> float:
        return self.ticks[-1] / 100 if self.is_share else self.ticks[-1]

    @property
    def scale(self) -> list[str]:
        """The ticks from top to bottom, as text."""
        written = (lambda tick: percent(tick / 100)) if self.is_share else number
        return [written(tick) for tick in reversed(self.ticks)]

    @property
    def grid(self) -> str:
        """The ``d`` of an SVG path with a line at each tick but 0."""
        top = self.ticks[-1]
        lines = (HEIGHT - _scaled(tick, top, HEIGHT) for tick in self.ticks[1:])
        return "".join(f"M{self.left} {y:g}h{self.width}" for y in lines)

    @property
    def paths(self) -> list[Paths]:
        """The paths of each line."""
        return [paths(line.values, self.top, self._unfinished) for line in self.lines]

    @property
    def _unfinished(self) -> int:
        return sum(map(bool, self.incomplete))

    @property
    def area(self) -> str:
        """The ``d`` of the area below an only line, up to the last complete period."""
        complete = self.incomplete.count(None)
        return area(self.lines[0].values[:complete], self.top) if len(self.lines) == 1 else ""

    @property
    def paths_before(self) -> Paths:
        """The paths of the earlier time, whose last period is as old as that of the lines."""
        values = self.before.values if self.before else []
        return paths(values, self.top, self._unfinished)

    @property
    def paths_expected(self) -> tuple[str, str]:
        """The ``d`` of SVG paths: from the lower to the upper limit, and the expected value."""
        if not self.expected:
            return "", ""
        x = (len(self.labels) - 1) * STEP
        value, low, high = (
            f"{HEIGHT - _scaled(each, self.top, HEIGHT):g}" for each in self.expected[:3]
        )
        return f"M{x} {low}V{high}", f"M{x} {value}h0.01"

    @property
    def notes(self) -> str:
        """The ``d`` of an SVG path with a line at each mark."""
        return _notes(self.marks, 0)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The name and the last value of each line."""
        return [(line.name, self._last(line)) for line in self.lines]

    @property
    def last_before(self) -> str:
        return self._last(self.before) if self.before else ""

    def _last(self, line: Line) -> str:
        value = line.values[len(self.labels) - 1] if self.labels else None
        return percent(value, 1) if self.is_share else number(value)

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
        """What the script shows of the period under the pointer, and where its links lead."""
        lines = [{"name": line.name, "values": self._rounded(line)} for line in self.lines]
        if self.before:
            labels = list(self.labels_before)
            values = self._rounded(self.before)
            lines.append({"name": self.before.name, "values": values, "labels": labels})
        marks = [[mark.place, mark.title] for mark in self.marks]
        expected = [self.expected.name, self.expected.text] if self.expected else None
        return {
            "labels": self.marked,
            "lines": lines,
            "share": self.is_share,
            "marks": marks,
            "expected": expected,
            **self.more,
        }

    def _rounded(self, line: Line) -> list[float | None]:
        if not self.is_share:
            return list(line.values)
        return [None if value is None else round(value, 4) for value in line.values]


def ticks(most: float) -> list[int]:
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
    """Stacks on one scale; the zero line is as high as the stacks below it need."""

    id: str
    title: str
    labels: Sequence[str]
    #: The class and the name of each part.
    parts: Sequence[tuple[str, str]]
    stacks: Sequence[Stack]
    #: The largest number above zero, and below it.
    top: int
    bottom: int
    #: The height of each stack above zero, then each part.
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()
    #: More data for the script, see :attr:`data`.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> str:
        return str(max(len(self.labels), 1) * STEP)

    @property
    def zero(self) -> float:
        """The height of the zero line, from above."""
        return _zero(self.top, self.bottom)

    @property
    def notes(self) -> str:
        """The ``d`` of an SVG path with a line at each mark."""
        return _notes(self.marks, STEP // 2)

    @property
    def axis(self) -> list[str]:
        return axis(self.labels)

    @property
    def data_id(self) -> str:
        return f"{self.id}-data"

    @property
    def data(self) -> dict[str, Any]:
        """What the script shows of the period under the pointer, and where its links lead."""
        return {
            "labels": self.labels,
            "lines": [{"name": line.name, "values": line.values} for line in self.lines],
            "bars": True,
            "pending": [not stack.complete for stack in self.stacks],
            "marks": [[mark.place, mark.title] for mark in self.marks],
            **self.more,
        }


def _notes(marks: Sequence[Mark], inset: int) -> str:
    """Return the ``d`` of an SVG path with a line at each period that has a mark."""
    places = dict.fromkeys(mark.place for mark in marks)
    return "".join(f"M{place * STEP + inset} 0V{HEIGHT}" for place in places)


def bars(
    title: str,
    labels: Sequence[str],
    parts: Sequence[tuple[str, str]],
    values: Sequence[Sequence[int | None]],
    incomplete: Sequence[Incomplete | None],
    marks: Sequence[Mark] = (),
    *,
    id: str = "souvenirs-bars",
    total: str = "",
    more: Mapping[str, Any] | None = None,
) -> Bars:
    """Return stacks of the values of each period; the last part is below zero.

    ``total`` is the name of the sum of the parts above zero. ``incomplete`` is why each period is
    incomplete. What is None of such a period is not in its title.
    """
    top = max((sum(value or 0 for value in each[:-1]) for each in values), default=0)
    bottom = max((each[-1] or 0 for each in values), default=0)
    # Of zeros only, there is a scale nevertheless.
    top = top or int(not bottom)
    stacks = []
    labels = list(map(marked, labels, incomplete))
    for place, (label, each, why) in enumerate(zip(labels, values, incomplete, strict=True)):
        said = ", ".join(
            f"{name} {number(value)}"
            for (_kind, name), value in zip(parts, each, strict=True)
            if value is not None or why is None
        )
        drawn = _stacked(place, parts, each, top, bottom)
        stacks.append(Stack(f"{label}: {said}", drawn, why is None))
    lines = [Line(total, [_sum(each[:-1]) for each in values])]
    lines += [Line(name, [each[n] for each in values]) for n, (_, name) in enumerate(parts)]
    return Bars(id, title, labels, parts, stacks, top, bottom, lines, marks, more or {})


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _zero(top: int, bottom: int) -> float:
    return round(top / (top + bottom) * HEIGHT, 2)


def _stacked(
    place: int,
    parts: Sequence[tuple[str, str]],
    values: Sequence[int | None],
    top: int,
    bottom: int,
) -> list[Bar]:
    drawn = []
    zero, above = _zero(top, bottom), 0
    for (kind, _name), value in zip(parts, values, strict=True):
        height = _scaled(value, top + bottom, HEIGHT)
        level = zero
        if kind != parts[-1][0]:
            above += value or 0
            level = _scaled(top - above, top + bottom, HEIGHT)
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


def area(values: Sequence[float | None], top: float) -> str:
    """Return the ``d`` of an SVG path around the area between 0 and the values, with gaps."""
    parts = []
    places = list(enumerate(values))
    for is_known, run in groupby(places, lambda each: each[1] is not None):
        points = [f"{x * STEP} {HEIGHT - _scaled(value, top, HEIGHT):g}" for x, value in run]
        if is_known:
            first, last = points[0].split()[0], points[-1].split()[0]
            parts.append(f"M{first} {HEIGHT}L{'L'.join(points)}L{last} {HEIGHT}Z")
    return "".join(parts)


def axis(labels: Sequence[str]) -> list[str]:
    """Return up to five evenly spaced labels, including the first and the last."""
    if len(labels) <= 5:
        return list(labels)
    return [labels[round((len(labels) - 1) * part / 4)] for part in range(5)]

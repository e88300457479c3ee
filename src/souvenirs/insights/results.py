"""Base classes and computation of the results of insights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

from ..counting import ActiveUsers, By, BySegment, active_users_each, members_if_any


class Options(TypedDict, total=False):
    """Keyword arguments of every insight, see :mod:`souvenirs.insights`; for its overloads."""

    tz: str | tzinfo | None
    users: Any
    exclusive: bool


class PeriodOptions(Options, total=False):
    """Keyword arguments of every insight about the periods of a range."""

    interval: str


class Insight(ABC):
    """An immutable result, with the users behind its numbers as of the time of the query.

    ``pandas.DataFrame(insight.rows())`` converts it to a data frame.
    """

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of a table, as flat dicts with the same keys."""

    def to_dict(self) -> dict[str, Any]:
        """Return a dict with the name of the insight, its arguments and its rows."""
        return {"insight": type(self).__name__, **self._common(), "rows": self.rows()}

    def _common(self) -> dict[str, Any]:
        return {}


I = TypeVar("I", bound=Insight)  # noqa: E741


@dataclass(frozen=True)
class Segmented(BySegment[I], Insight):
    """An insight for each segment, by name, and for everyone."""

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of everyone, whose ``segment`` is None, and those of each segment."""
        named: list[tuple[str | None, I]] = [(None, self.everyone), *self.segments.items()]
        return [{"segment": name, **row} for name, insight in named for row in insight.rows()]

    def to_dict(self) -> dict[str, Any]:
        """Return :meth:`Insight.to_dict` of everyone, with the rows of every segment."""
        return {**self.everyone.to_dict(), "rows": self.rows()}


T = TypeVar("T")


class Plan(NamedTuple, Generic[T]):
    """The ranges to read for a result, and the function that computes it from their users."""

    ranges: Sequence[tuple[datetime | None, datetime | None]]
    make: Callable[[Sequence[ActiveUsers]], T]


def results_of(plans: Sequence[Plan[Any]], users: Any = None) -> list[Any]:
    """Return the result of each plan, all from one reading, so that they are consistent."""
    sets = active_users_each([each for plan in plans for each in plan.ranges], users)
    results = []
    for plan in plans:
        results.append(plan.make(sets[: len(plan.ranges)]))
        sets = sets[len(plan.ranges) :]
    return results


def segmented(
    make: Callable[[Sequence[ActiveUsers]], I],
    sets: Sequence[ActiveUsers],
    by: By | None,
    exclusive: bool,
) -> I | Segmented[I]:
    """Return the insight computed from the sets; with ``by``, a result for each segment too."""
    sets, groups = members_if_any(list(sets), by, exclusive)
    if groups is None:
        return make(sets)
    parts = {name: make([users & group for users in sets]) for name, group in groups.items()}
    return Segmented(parts, make(sets))


def ratio(part: float | None, whole: float | None) -> float | None:
    """Return ``part / whole``; None if either is unknown or the whole is 0."""
    return None if part is None or not whole else part / whole

"""Base classes and computation of the results of insights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, Generic, NamedTuple, TypeAlias, TypedDict, TypeVar, cast

from ..counting import ActiveUsers, By, BySegment, active_users_each, members_if_any
from ..stores import ActiveGroups, ActiveSet, Memberships

#: What an insight counts: users, or groups of them.
Active: TypeAlias = ActiveSet[Any]


class Options(TypedDict, total=False):
    """Keyword arguments of every insight, see :mod:`souvenirs.insights`; for its overloads."""

    tz: str | tzinfo | None
    users: Any
    exclusive: bool


class PeriodOptions(Options, total=False):
    """Keyword arguments of every insight about the periods of a range."""

    interval: str


class OptionsOf(Options, total=False):
    """Keyword arguments of an insight that counts users or groups of them."""

    of: str | None


class PeriodOptionsOf(PeriodOptions, total=False):
    """Keyword arguments of an insight that counts users or groups of them in periods."""

    of: str | None


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


@dataclass(frozen=True)
class Counted(Insight):
    """An insight about users, or with ``of`` about groups of them, like organizations."""

    #: The field of the user model whose values are counted; None if users are.
    of: str | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return :meth:`Insight.to_dict`, with ``of`` if groups are counted."""
        found = super().to_dict()
        return (
            found if self.of is None else {"insight": found.pop("insight"), "of": self.of, **found}
        )

    def _as_users(self, found: Active) -> ActiveUsers:
        if self.of is not None:
            raise TypeError(f"This insight counts groups by {self.of!r}: call groups().")
        return cast(ActiveUsers, found)

    def _as_groups(self, found: Active) -> ActiveGroups:
        if self.of is None:
            raise TypeError("This insight counts users: call users(), or pass of.")
        # The union of no sets has no names.
        return cast(ActiveGroups, found) if found else ActiveGroups()


I = TypeVar("I", bound=Insight)  # noqa: E741
C = TypeVar("C", bound=Counted)


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
    """The ranges to read for a result, and the function that computes it from their users.

    Some results can be computed from groups of users in place of these.
    """

    ranges: Sequence[tuple[datetime | None, datetime | None]]
    make: Callable[[Sequence[Any]], T]


#: Reads the users of ranges, like :func:`souvenirs.counting.active_users_each`.
Reader: TypeAlias = Callable[[Sequence[tuple[datetime | None, datetime | None]], Any], Any]


def results_of(
    plans: Sequence[Plan[Any]], users: Any = None, *, read: Reader = active_users_each
) -> list[Any]:
    """Return the result of each plan, all from one reading, so that they are consistent."""
    sets = read([each for plan in plans for each in plan.ranges], users)
    results = []
    for plan in plans:
        results.append(plan.make(sets[: len(plan.ranges)]))
        sets = sets[len(plan.ranges) :]
    return results


def segmented(
    make: Callable[[Sequence[Any]], I],
    sets: Sequence[ActiveUsers],
    by: By | None,
    exclusive: bool,
) -> I | Segmented[I]:
    """Return the insight computed from the sets; with ``by``, a result for each segment too."""
    sets, groups = members_if_any(list(sets), by, exclusive)
    return _of_each(make, sets, groups)


def counted(
    make: Callable[[Sequence[Any]], C],
    sets: Sequence[ActiveUsers],
    by: By | None,
    exclusive: bool,
    of: str | None,
) -> C | Segmented[C]:
    """Return :func:`segmented` of the users, or with ``of`` of the groups that they belong to.

    Raises ValueError if ``of`` is not a field.
    """
    if of is None:
        return segmented(make, sets, by, exclusive)
    sets, segments = members_if_any(list(sets), by, exclusive)
    # Last, when the sets have their final form.
    same, memberships = Memberships.read([*sets, *(segments or {}).values()], of)
    segments = segments and dict(zip(segments, same[len(sets) :], strict=True))

    def make_of_groups(sets: Sequence[ActiveUsers]) -> C:
        return replace(make([memberships.groups_of(users) for users in sets]), of=of)

    return _of_each(make_of_groups, same[: len(sets)], segments)


def _of_each(
    make: Callable[[Sequence[ActiveUsers]], I],
    sets: Sequence[ActiveUsers],
    segments: Mapping[str, ActiveUsers] | None,
) -> I | Segmented[I]:
    if segments is None:
        return make(sets)
    parts = {name: make([users & group for users in sets]) for name, group in segments.items()}
    return Segmented(parts, make(sets))


def ratio(part: float | None, whole: float | None) -> float | None:
    """Return ``part / whole``; None if either is unknown or the whole is 0."""
    return None if part is None or not whole else part / whole

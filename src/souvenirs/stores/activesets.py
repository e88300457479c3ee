"""Immutable sets of keys that hold numbers, and combine without looking any key up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from operator import and_, or_, sub, xor
from typing import Any, Generic, Self, TypeVar

from ..sets import UserSet

#: What gives numbers their keys. The sets of one reading share it.
Context = TypeVar("Context")


class ActiveSet(Set[Hashable], Generic[Context]):
    """An immutable set, whose members have a number and a key each.

    ``len()``, iteration over keys, ``& | - ^``, the comparisons and ``==`` work as on a frozenset
    of keys.
    """

    __slots__ = ("_context", "_numbers")

    _numbers: UserSet
    _context: Context

    @classmethod
    @abstractmethod
    def comparable(cls, sets: Sequence[Self]) -> tuple[list[UserSet], Context]:
        """Return the numbers of the members of each set, in a context that all of them share."""

    @classmethod
    @abstractmethod
    def _made_of(cls, members: Iterable[Any]) -> Self:
        """Return a set of this kind, which may be any operand of its operators."""

    def _operand(self, members: Iterable[Any]) -> Self:
        """Return the set that is to be combined with this one."""
        return self._made_of(members)

    @abstractmethod
    def _keys_of(self, numbers: UserSet) -> Iterator[Hashable]:
        """Generate the keys of some of the numbers, in their order."""

    @abstractmethod
    def _key_of_each(self) -> dict[int, Hashable]:
        """Return the keys of the members by their numbers, in the order of these."""

    @classmethod
    def of(cls, numbers: UserSet, context: Context) -> Self:
        """Return the set of the members with these numbers in a context."""
        found = cls.__new__(cls)
        found._numbers, found._context = numbers, context
        return found

    def page(self, start: int, stop: int) -> list[Hashable]:
        """Return the keys at positions ``[start, stop)``, in the order of the numbers."""
        return list(self._keys_of(UserSet.from_ids(self._numbers.page(start, stop))))

    @property
    def pks(self) -> frozenset[Hashable]:
        """The keys of the members."""
        return frozenset(self)

    def __iter__(self) -> Iterator[Hashable]:
        return self._keys_of(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __hash__(self) -> int:
        return hash(self.pks)

    def __eq__(self, other: object) -> bool:
        return self._compared(UserSet.__eq__, frozenset.__eq__, other)

    def __le__(self, other: Set[Any]) -> bool:
        return self._compared(UserSet.__le__, frozenset.__le__, other)

    def __lt__(self, other: Set[Any]) -> bool:
        return self <= other and self != other

    def __ge__(self, other: Set[Any]) -> bool:
        return self._compared(lambda one, two: two <= one, frozenset.__ge__, other)

    def __gt__(self, other: Set[Any]) -> bool:
        return self >= other and self != other

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether no member is in both sets."""
        return not self & other

    def __and__(self, other: Iterable[Any]) -> Self:
        return self._combined(and_, other)

    def __or__(self, other: Iterable[Any]) -> Self:
        return self._combined(or_, other)

    def __sub__(self, other: Iterable[Any]) -> Self:
        return self._combined(sub, other)

    def __xor__(self, other: Iterable[Any]) -> Self:
        return self._combined(xor, other)

    # Those of Set ask for each member of the other set, which may take a query each.
    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rsub__(self, other: Iterable[Any]) -> Self:
        return self._operand(other) - self if self._is_operand(other) else NotImplemented

    @classmethod
    def union(cls, sets: Iterable[Self]) -> Self:
        """Return the union of the sets, much faster than a chain of ``|``."""
        numbers, context = cls.comparable(list(sets))
        return cls.of(UserSet.union(numbers), context)

    @classmethod
    def aligned(cls, sets: Sequence[Self]) -> list[Self]:
        """Return the same sets, prepared to be combined many times, with one look-up in all."""
        numbers, context = cls.comparable(sets)
        return [cls.of(each, context) for each in numbers]

    def count_common(self, other: Self) -> int:
        """Return ``len(self & other)`` without building that set."""
        (one, two), _ = self.comparable([self, other])
        return one.count_common(two)

    def count_common_each(self, others: Sequence[Self]) -> list[int]:
        """Return :meth:`count_common` with each of the others, much faster than one by one."""
        (one, *numbers), _ = self.comparable([self, *others])
        return [one.count_common(two) for two in numbers]

    def count_union(self, other: Self) -> int:
        """Return ``len(self | other)`` without building that set."""
        (one, two), _ = self.comparable([self, other])
        return one.count_union(two)

    @classmethod
    def first_keys(
        cls, sets: Iterable[Self], limit: int, skip: int = 0
    ) -> list[tuple[int, Hashable]]:
        """Return the first keys of disjoint sets, each with the position of its set.

        Up to ``limit`` in all, in the order of :meth:`page`, with one look-up. The first ``skip``
        members of the first set are left out.
        """
        numbers, context = cls.comparable(list(sets))
        chosen: list[tuple[int, int]] = []
        for place, members in enumerate(numbers):
            passed = skip if place == 0 else 0
            page = members.page(passed, passed + limit - len(chosen))
            chosen += [(place, number) for number in page]
        keys = cls.of(UserSet.from_ids(number for _, number in chosen), context)._key_of_each()
        return [(place, keys[number]) for place, number in chosen if number in keys]

    def _combined(
        self, operator: Callable[[UserSet, UserSet], UserSet], other: Iterable[Any]
    ) -> Self:
        if not self._is_operand(other):
            # An operator returns this for an operand that it does not take.
            return NotImplemented  # type: ignore[no-any-return]
        (one, two), context = self.comparable([self, self._operand(other)])
        return self.of(operator(one, two), context)

    def _is_operand(self, other: object) -> bool:
        """Whether it is an iterable, and not a set of another kind: users are no groups."""
        return isinstance(other, type(self) if isinstance(other, ActiveSet) else Iterable)

    def _compared(
        self,
        of_numbers: Callable[[UserSet, UserSet], bool],
        of_keys: Callable[[frozenset[Any], frozenset[Any]], bool],
        other: object,
    ) -> bool:
        if isinstance(other, type(self)):
            (one, two), _ = self.comparable([self, other])
            return of_numbers(one, two)
        if not isinstance(other, Set) or not self._is_operand(other):
            return NotImplemented  # type: ignore[no-any-return]
        return of_keys(self.pks, frozenset(other))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)}>"

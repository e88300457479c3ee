"""Numbers lent to users who have none, so that sets of one reading can be combined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from functools import cached_property
from typing import Any

from ..sets import LAST_NUMBER, UserSet
from .numbers import Numbered, as_it_is


class Loan:
    """Numbers lent to users who have none: the greatest there are, in the order of their keys.

    ``keys`` are as stored, and become primary keys by ``convert`` when they are needed. ``loan`` is
    one to extend: its users keep the numbers that they have been lent.
    """

    def __init__(
        self,
        keys: Iterable[Any] = (),
        convert: Callable[[Any], Hashable] = as_it_is,
        loan: Loan | None = None,
    ) -> None:
        self.stored, self.convert, self.loan = sorted(keys, key=str), convert, loan
        self.first: int = (loan.first if loan else LAST_NUMBER + 1) - len(self.stored)

    @cached_property
    def number_of(self) -> dict[Hashable, int]:
        """The numbers by primary key."""
        own = {self.convert(key): number for key, number in self.number_of_stored.items()}
        return {**self.loan.number_of, **own} if self.loan else own

    @cached_property
    def number_of_stored(self) -> dict[Any, int]:
        """The numbers by key as stored, without those of the loan that this one extends."""
        return {key: number for number, key in enumerate(self.stored, self.first)}

    def keys_in(self, users: UserSet) -> dict[int, Hashable]:
        """Return the keys of the users in a set to whom numbers are lent, by these numbers."""
        if not users or users.max() < self.first:
            return {}
        end = self.first + len(self.stored)
        lent = users & UserSet.from_range(self.first, end)
        keys = {number: self.convert(self.stored[number - self.first]) for number in lent}
        return {**keys, **self.loan.keys_in(users)} if self.loan else keys


#: What sets share to whose users no number is lent.
NO_LOAN = Loan()


def extended(loan: Loan, found: Collection[Numbered]) -> Loan:
    """Return the loan, with numbers for those of these users who have neither one nor the other."""
    keys = frozenset().union(*(users.stored for users in found))
    return Loan(keys, next(iter(found)).convert, loan) if keys else loan

"""What would be different in a statement if it were issued now, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth import get_user_model

from ..calendar import Bounds, zone_named
from ..stores import ActiveUsers, get_store, users_left_by
from .customers import Customer, users_alias
from .drafts import Draft, Terms, moment_of_text
from .table import Statement, statement_users

#: Why users would be counted now.
ADDED = {
    "late": "souvenirs of the period were left after the statement had been issued",
    "joined": "they became members of the customer afterwards",
    "unknown": "their souvenirs have been pruned",
}

#: Why users would not be counted any more.
REMOVED = {
    "left": "they are no longer members of the customer",
    "deleted": "their accounts have been deleted, so that they are members of nothing",
    "gone": "their souvenirs of the period are gone",
}


@dataclass(frozen=True)
class Recount:
    """A statement, and what it would be if it were issued now."""

    statement: Statement
    #: What the statement would say.
    draft: Draft
    #: The users who would be counted now, by the reason: ``late``, ``joined`` or ``unknown``.
    added: Mapping[str, ActiveUsers]
    #: Those who would not be any more: ``left``, ``deleted`` or ``gone``.
    removed: Mapping[str, ActiveUsers]
    #: The number of users who have been erased since, of whom nothing is known.
    erased: int

    @property
    def days(self) -> dict[str, tuple[int, int]]:
        """The number of users then and now, of each local day on which it differs."""
        then, now = self.statement.content["days"], self.draft.content["days"]
        return {day: (then[day], now[day]) for day in then if then[day] != now[day]}

    @property
    def differs(self) -> bool:
        """Whether any figure or user would be different."""
        users = [*self.added.values(), *self.removed.values()]
        return bool(self.erased or self.days or any(users))

    def sentences(self) -> list[str]:
        """Return what would be different and why, in sentences."""
        then = self.statement.content["active_users"]
        said = [f"Then {then}, now {self.draft.content['active_users'] or 0} active users."]
        for sign, found, reasons in (("+", self.added, ADDED), ("-", self.removed, REMOVED)):
            said += [
                f"{sign}{len(users)} {reason}: {reasons[reason]}."
                for reason, users in found.items()
                if users
            ]
        if self.erased:
            said.append(f"-{self.erased} erased: nothing is known about them.")
        said += [f"{day}: then {then}, now {now}." for day, (then, now) in self.days.items()]
        return said if self.differs else [*said, "Nothing is different."]


def recount_statement(statement: Statement) -> Recount:
    """Return what would be different if a statement were issued now, and why; nothing is changed.

    A statement has no other history than its users, so the reasons are concluded from what there is
    now. Of users who are no longer active in the period, it is only known that their souvenirs are
    gone. Raises PrunedSpan and CorruptDigest as :func:`souvenirs.control.active_users` does, and
    ValueError if the field of the customer does not exist any more.
    """
    content = statement.content
    customer = Customer.of_content(content)
    terms = Terms(
        customer,
        moment_of_text(content["start"]),
        moment_of_text(content["end"]),
        zone_named(content["time_zone"]),
        content["coverage"]["grace_days"],
        content["plan"],
        content["quota"],
        content["issuer"],
    )
    draft = terms.draft()
    then, now = ActiveUsers.aligned([statement_users(statement), draft.users])
    bounds = terms.start, terms.end
    return Recount(
        statement,
        draft,
        added=_added(now - then, customer, bounds, statement.last_souvenir),
        removed=_removed(then - now, bounds),
        erased=content["active_users"] - len(then),
    )


def _added(
    users: ActiveUsers, customer: Customer, bounds: Bounds, last: int
) -> dict[str, ActiveUsers]:
    seen, by_then = users_left_by(get_store().primary(), users, bounds, last)
    # Without a customer, there is nothing to join: what had a number was not yet committed.
    joined = by_then if customer.of else ActiveUsers()
    return {"late": seen - joined, "joined": joined, "unknown": users - seen}


def _removed(users: ActiveUsers, bounds: Bounds) -> dict[str, ActiveUsers]:
    [active] = get_store().primary().users_each([bounds], users)
    accounts = get_user_model()._default_manager.using(users_alias())
    existing = ActiveUsers(users.among(accounts))
    return {"left": active & existing, "deleted": active - existing, "gone": users - active}

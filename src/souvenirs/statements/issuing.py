"""Drafts, and statements that are issued."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from ..stores import committing, get_store, last_souvenir, lock_statements, locking, retried
from .customers import Customer
from .drafts import Draft, Terms, TooEarly
from .table import Statement, Statements


class AlreadyIssued(ValueError):
    """There is a statement of the customer about the period; it is the ``statement``."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        content = statement.content
        whose = "everyone" if content["customer"] is None else repr(content["customer"]["label"])
        super().__init__(
            f"Statement {statement.number} of {whose}, from {content['start']} to "
            f"{content['end']}, was issued at {content['issued']}: it cannot be issued again."
        )


def draft_statement(
    group: Any,
    period: Any,
    *,
    of: str | None = None,
    tz: str | tzinfo | None = None,
    grace: int | None = None,
    label: str | None = None,
    plan: str | None = None,
    quota: int | None = None,
    issuer: str | None = None,
) -> Draft:
    """Return what :func:`issue_statement` would say now, also about a period that is under way.

    Nothing is stored. Raises what that function raises, but not TooEarly and AlreadyIssued.
    """
    customer = Customer.found(group, of, label)
    return Terms.checked(customer, period, tz, grace, plan, quota, issuer).draft()


def issue_statement(
    group: Any,
    period: Any,
    *,
    of: str | None = None,
    tz: str | tzinfo | None = None,
    grace: int | None = None,
    early: bool = False,
    label: str | None = None,
    plan: str | None = None,
    quota: int | None = None,
    issuer: str | None = None,
) -> Statement:
    """Store the statement of a customer about a period, and return it.

    ``group`` is the customer, an object or a key, and ``of`` the field of the user model whose
    value it is, see :func:`souvenirs.control.active_groups`; None means everyone. ``period`` is a
    pair of datetimes, ``[start, end)``, or a row of a report. ``tz`` is the time zone of its days;
    by default the named zone of the start, else the current one.

    ``grace`` is the number of days after the period that are left for late imports,
    ``SOUVENIRS_STATEMENT_GRACE_DAYS`` by default. ``label`` is the name of the customer, by default
    that of the group; ``plan``, ``quota`` and ``issuer`` are written down as they are given.

    The users are read from the database that is written to, and counted as by
    :func:`souvenirs.control.active_users`; those of a customer are its members as of now.

    Raises AlreadyIssued if there is a statement of the customer about the same period. Raises
    TooEarly before the days for late imports are over, unless ``early`` is true, and if nothing was
    recorded before the end of the period. Raises ValueError or TypeError for a group that does not
    exist, a period that is empty or cut off, and other arguments that are wrong; PrunedSpan and
    CorruptDigest as :func:`souvenirs.control.active_users` does; and RuntimeError inside a
    transaction, also one of a site without autocommit.
    """
    # Outermost, because without autocommit even a query begins a transaction.
    with committing():
        customer = Customer.found(group, of, label)
        terms = Terms.checked(customer, period, tz, grace, plan, quota, issuer)
        return _issued(customer, terms, early=early)


def _issued(customer: Customer, terms: Terms, *, early: bool) -> Statement:
    table, store = Statements(), get_store().primary()

    def work() -> Statement:
        with locking(table.alias):
            lock_statements(table.alias)
            there = table.of_period(customer, terms.start, terms.end)
            if there is not None:
                raise AlreadyIssued(there)
            # Before the users are read: whoever is seen after that may be among them, or late.
            last = last_souvenir(store)
            draft = terms.draft()
            is_known = draft.content["active_users"] is not None
            if draft.obstacle is not None and not (early and is_known):
                raise TooEarly(draft.obstacle)
            return table.add(customer, draft, last)

    return retried(work)

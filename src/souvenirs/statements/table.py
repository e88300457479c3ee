"""The tables of statements and of their leaves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import router
from django.db.models import Max, QuerySet
from django.utils import timezone

from ..calendar import checked, outward
from ..models import Statement, StatementLeaf
from ..statementfile import (
    SALT,
    InvalidStatement,
    Leaf,
    StatementFile,
    canonical,
    check_follows,
    customer_of,
    hash_of,
    lines_of,
    root_of,
    verified,
)
from ..stores import ActiveUsers, Contended, primary_keys
from .customers import Customer, identity_of
from .drafts import Draft, moment_of_text, shown

#: The rows in an SQL statement.
BATCH = 2_000


class Statements:
    """The tables of statements, in the database that a router names for them."""

    def __init__(self) -> None:
        self.alias = router.db_for_write(Statement)

    def of_period(self, customer: Customer, start: datetime, end: datetime) -> Statement | None:
        """Return the statement of a customer about exactly this period."""
        return self._of(customer).filter(start=outward(start), end=outward(end)).first()

    def add(self, customer: Customer, draft: Draft, last_souvenir: int) -> Statement:
        """Store a draft as the next statement of its customer, under the lock of statements."""
        keys: list[Any] = list(draft.users)
        if len(keys) != len(draft.users):
            raise Contended("Some of the users have just been erased.")
        leaves = sorted(
            ((Leaf.of(str(key), secrets.token_bytes(SALT)), key) for key in keys),
            key=lambda each: each[0].hash,
        )
        last = self._of(customer).aggregate(last=Max("number"))["last"] or 0
        before = self._of(customer).filter(number=last).first()
        now = checked(timezone.now(), "now")
        content = {
            **draft.content,
            "active_users": len(keys),
            "issued": shown(now),
            "number": last + 1,
            "previous": None if before is None else before.hash,
            "root": root_of([leaf.hash for leaf, _ in leaves]),
        }
        body = canonical(content)
        statement = Statement(
            **_columns_of(content),
            body=body.decode(),
            hash=hash_of(body),
            last_souvenir=last_souvenir,
        )
        statement.save(using=self.alias, force_insert=True)
        StatementLeaf.objects.using(self.alias).bulk_create(
            (
                StatementLeaf(statement=statement, hash=leaf.hash, salt=leaf.salt, user_id=key)
                for leaf, key in leaves
            ),
            batch_size=BATCH,
        )
        return statement

    def _of(self, customer: Customer) -> QuerySet[Statement]:
        return Statement.objects.using(self.alias).filter(customer=customer.identity)


def _columns_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the columns have of the content, to find statements by."""
    label = "" if content["customer"] is None else content["customer"]["label"]
    moments = {name: moment_of_text(content[name]) for name in ("start", "end", "issued")}
    return {
        "customer": identity_of(*customer_of(content)),
        "name": label[: Statement._meta.get_field("name").max_length],
        "number": content["number"],
        **{name: outward(moment) for name, moment in moments.items()},
    }


def issued_statements() -> QuerySet[Statement]:
    """Return the statements that have been issued, the latest first, as a lazy queryset."""
    return Statement.objects.using(router.db_for_write(Statement))


def faults_of_stored() -> Iterator[tuple[Statement, str | None]]:
    """Generate each statement with what is wrong with it as it is stored; None if it is intact.

    They are verified as their files are, each against the one before it of the same customer.
    """
    statements = issued_statements().order_by("customer", "number")
    for _, chain in groupby(statements, attrgetter("customer")):
        before: StatementFile | None = None
        for statement in chain:
            fault: str | None = None
            try:
                file = verified(export_statement(statement))
                _check_columns(statement, file.content)
                if before is not None:
                    check_follows(file, before)
                before = file
            except InvalidStatement as error:
                before, fault = None, str(error)
            yield statement, fault


def _check_columns(statement: Statement, content: Mapping[str, Any]) -> None:
    for name, value in _columns_of(content).items():
        if getattr(statement, name) != value:
            raise InvalidStatement(f"The column {name} is not what the content says.")


def statement_users(statement: Statement) -> ActiveUsers:
    """Return the users of a statement, without those who have been erased since."""
    keys = _leaves(statement).filter(user__isnull=False).values_list("user_id", flat=True)
    return ActiveUsers(keys.iterator())


def statement_row(statement: Statement) -> dict[str, Any]:
    """Return a statement as a row with its ID and hash, without its days and its coverage."""
    content = statement.content
    customer = content["customer"] or {"of": None, "key": None, "label": None}
    return {
        "id": statement.pk,
        "customer": customer["label"],
        "of": customer["of"],
        "key": customer["key"],
        **{
            name: content[name]
            for name in (
                "number",
                "start",
                "end",
                "time_zone",
                "active_users",
                "plan",
                "quota",
                "issuer",
                "issued",
                "previous",
            )
        },
        "hash": statement.hash,
    }


def export_statement(statement: Statement, only: Iterable[Any] | None = None) -> bytes:
    """Return the file of a statement, see :mod:`souvenirs.statementfile`.

    It names all users who have not been erased; with ``only``, which are users or primary keys, no
    others than these. Every such file verifies. Raises ValueError for one that is not a user, and
    TypeError for text or anything else that is no iterable of users.
    """
    named = None if only is None else set(map(str, primary_keys(only)))
    rows = _leaves(statement).values_list("hash", "salt", "user_id").iterator()
    leaves = sorted(
        (_leaf(hash, salt, user, named) for hash, salt, user in rows), key=lambda leaf: leaf.hash
    )
    return b"".join(lines_of(statement.body.encode(), statement.hash, leaves))


def _leaf(hash: Any, salt: Any, user: Any, named: set[str] | None) -> Leaf:
    if user is None or (named is not None and str(user) not in named):
        return Leaf(bytes(hash))
    # Only an erased user has no salt; else somebody has changed the row, and no file verifies.
    return Leaf(bytes(hash), bytes(salt or b""), str(user))


def _leaves(statement: Statement) -> QuerySet[StatementLeaf]:
    leaves = StatementLeaf.objects.using(router.db_for_write(Statement))
    return leaves.filter(statement=statement.pk)

"""The customer of a statement: a group of users, or everyone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import F

from ..statementfile import canonical
from ..stores import ActiveUsers, GroupField, counts_as_group, in_order


@dataclass(frozen=True)
class Customer:
    """The users with a value of a field; without a field, everyone."""

    #: The field of the user model, through any relations; empty for everyone.
    of: str = ""
    key: Any = ""
    label: str = ""

    @classmethod
    def found(cls, group: Any, of: str | None, label: str | None = None) -> Customer:
        """Return the customer that a caller names, by an object or a key.

        Raises ValueError if there is no such customer, or its label cannot be stored, and TypeError
        for a label that is not text.
        """
        if group is None:
            if of is not None or label is not None:
                raise ValueError(
                    "A statement of everyone has neither of= nor label=: name the group."
                )
            return EVERYONE
        if of is None:
            raise ValueError(
                f"of is missing: name the field of the user model of which {group!r} is a value, "
                "such as of='organization'."
            )
        field = GroupField.named(of)
        key = field.parsed(group)
        if not counts_as_group(key):
            raise ValueError(f"{key!r} is no group: it means that a user has none.")
        there = _object(field, key)
        if there is None and not field.users_in(key, users_alias()):
            raise ValueError(f"There is no group {key!r} by {of!r}, and no user in it.")
        shown = label if label is not None else str(key if there is None else there)
        return cls(of, key, _checked_label(shown))

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Customer:
        """Return the customer of a statement, who need not exist any more."""
        named = content["customer"]
        if named is None:
            return EVERYONE
        key = GroupField.named(named["of"]).parsed(named["key"])
        return cls(named["of"], key, named["label"])

    @property
    def content(self) -> dict[str, str] | None:
        """What a statement says about the customer."""
        if not self.of:
            return None
        return {"of": self.of, "key": str(self.key), "label": self.label}

    @property
    def identity(self) -> str:
        """What the statements of the customer have in common."""
        return identity_of(self.of, str(self.key))

    def members(self) -> ActiveUsers | None:
        """Return the users of the customer as of now; None for everyone."""
        if not self.of:
            return None
        return ActiveUsers(GroupField.named(self.of).users_in(self.key, users_alias()))


EVERYONE = Customer()


def identity_of(of: str, key: str) -> str:
    """Return what the statements of a customer have in common, by its field and its key."""
    return hashlib.sha256(canonical([of, key])).hexdigest()


def users_alias() -> str:
    """The database with the users that is not a replica."""
    return router.db_for_write(get_user_model())


def group_keys(of: str) -> list[Any]:
    """Return the keys of all groups with a user, by a field of the user model, in order."""
    field = GroupField.named(of)
    users = get_user_model()._default_manager.using(users_alias()).order_by()
    keys = set(users.values_list(F(field.path), flat=True).iterator())
    return in_order(filter(counts_as_group, keys))


def _object(field: GroupField, key: Any) -> Any:
    if field.model is None:
        return None
    objects = field.model._default_manager.using(router.db_for_write(field.model))
    found = objects.filter(**{field.key: key})
    # Compared here: a collation may take two keys for the same.
    return next((each for each in found if getattr(each, field.key) == key), None)


def _checked_label(label: Any) -> str:
    if not isinstance(label, str):
        raise TypeError(f"label must be text, not {label!r}.")
    if re.search("[\0\ud800-\udfff]", label):
        raise ValueError(f"label has half a character or NUL: {label!a}.")
    return label

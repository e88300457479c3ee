"""Whether the reader of a mail may see people, by the accounts that have the address."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router

from ..web import VIEW_PEOPLE, may


def may_see_people(address: str) -> bool:
    """Return whether a user has this email address, and all who have it may see people.

    An address that a database takes for the same, such as one that differs in an accent, is
    another one; if a user has it, nobody is named.
    """
    field = _email_field()
    if field is None:
        return False
    model = get_user_model()
    users = model._base_manager.using(router.db_for_write(model)).filter(
        **{f"{field}__iexact": address}
    )
    found = list(users)
    same = [str(getattr(user, field)).lower() == address.lower() for user in found]
    return bool(found) and all(same) and all(may(user, VIEW_PEOPLE) for user in found)


def _email_field() -> str | None:
    model: Any = get_user_model()
    name = model.get_email_field_name() if hasattr(model, "get_email_field_name") else "email"
    try:
        return str(model._meta.get_field(name).name)
    except FieldDoesNotExist:
        return None

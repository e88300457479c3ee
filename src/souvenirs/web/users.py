"""The names of users."""

from __future__ import annotations

from typing import Any


def name_of(user: Any) -> str:
    """Return the username as text; its field may hold a number or None."""
    name = user.get_username()
    return "" if name is None else str(name)

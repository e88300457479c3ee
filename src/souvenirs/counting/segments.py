"""Groups of users by name: staff, plans, tenants.

``SOUVENIRS_SEGMENTS`` names them, in order. Each is a ``Q`` over the user model, a queryset of
users, or a function, or its dotted path, that takes nothing and returns one of these or users or
primary keys in any iterable::

    SOUVENIRS_SEGMENTS = {"staff": Q(is_staff=True), "pro": "shop.segments.pro"}

Segments may overlap. Numbers of segments do not add up to that of everyone, because a user of two
counts once in each; with ``exclusive`` every user belongs to the first segment that has them.
Membership is that of the moment of asking: it says who is in a group today, not who was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from ..conf import conf
from .activeusers import ActiveUsers

#: ``"segment"``: those of the setting; or groups by name; or a field of the user model, followed
#: like ``"groups__name"``, whose values are the names.
By: TypeAlias = str | Mapping[str, Any]

SETTING = "segment"

T = TypeVar("T")


@dataclass(frozen=True)
class BySegment(Mapping[str, T], Generic[T]):
    """The same for each segment, by name and in order, and for everyone.

    Unless they are exclusive, segments overlap: numbers of the segments do not add up to that of
    everyone. A user of two segments is in both, and once in everyone.
    """

    segments: Mapping[str, T]
    everyone: T

    def __getitem__(self, name: str) -> T:
        return self.segments[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)


def groups_by(by: By, exclusive: bool = False) -> dict[str, ActiveUsers]:
    """Return the users of each segment by its name, in order.

    With ``exclusive`` a user is in the first of them only. A field that nobody has a value of gives
    no segments; ValueError is raised where none are named or there is no such field, and
    ImproperlyConfigured for a setting that names no users.
    """
    groups = _groups_by(by)
    return _first_match(groups) if exclusive else groups


def groups_if_any(by: By | None, exclusive: bool) -> dict[str, ActiveUsers] | None:
    """Return what :func:`groups_by` returns; None where nobody asks for segments.

    Raises ValueError also where they are to be exclusive, but there is no ``by``.
    """
    if by is not None:
        return groups_by(by, exclusive)
    if exclusive:
        raise ValueError("exclusive is about segments: say which ones with by.")
    return None


def _groups_by(by: By) -> dict[str, ActiveUsers]:
    if isinstance(by, Mapping):
        named = {str(name): _users_of(name, group) for name, group in by.items()}
    elif by == SETTING:
        named = {name: segment(name) for name in segment_names()}
    else:
        return _by_field(by)
    if not named:
        raise ValueError(f"by {by!r} gives no segments: name some in SOUVENIRS_SEGMENTS.")
    return named


def segment_names() -> list[str]:
    """Return the names in ``SOUVENIRS_SEGMENTS``, in order.

    Raises ImproperlyConfigured if the setting is not a dict with non-empty strings as keys.
    """
    return list(conf.SEGMENTS)


def segment(name: str) -> ActiveUsers:
    """Return the users of a segment in ``SOUVENIRS_SEGMENTS``, active or not.

    Raises ValueError for a name that is not there, and ImproperlyConfigured for one that names no
    users.
    """
    names = segment_names()
    if name not in names:
        known = f"one of {', '.join(names)}" if names else "named in SOUVENIRS_SEGMENTS"
        raise ValueError(f"{name!r} is not a segment: it must be {known}.")
    try:
        return _users_of(name, conf.SEGMENTS[name])
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(f"SOUVENIRS_SEGMENTS[{name!r}]: {error}") from error


def segment_given(name: str) -> Any:
    """Return what names the users of a segment in ``SOUVENIRS_SEGMENTS``, not asked for them yet.

    Raises ImproperlyConfigured where that names no users, as far as can be told without asking.
    """
    user_model = get_user_model()
    try:
        group = _imported(name, conf.SEGMENTS[name])
    except ValueError as error:
        raise ImproperlyConfigured(f"SOUVENIRS_SEGMENTS[{name!r}]: {error}") from error
    if isinstance(group, QuerySet) and not issubclass(group.model, user_model):
        raise ImproperlyConfigured(
            f"SOUVENIRS_SEGMENTS[{name!r}] is a queryset of {group.model._meta.label}: "
            f"give one of {user_model._meta.label}."
        )
    if not (isinstance(group, Q | QuerySet) or callable(group)):
        raise ImproperlyConfigured(
            f"SOUVENIRS_SEGMENTS[{name!r}] should be a Q, a queryset, a function or its dotted "
            f"path, not {group!r}."
        )
    return group


def _users_of(name: object, group: Any) -> ActiveUsers:
    group = _imported(name, group)
    if callable(group):
        group = group()
    if isinstance(group, Q):
        try:
            group = get_user_model()._default_manager.filter(group)
        except (FieldError, ValidationError) as error:
            raise ValueError(f"Segment {name!r} cannot be asked for: {error}") from error
    return ActiveUsers(group)


def _imported(name: object, group: Any) -> Any:
    """What a segment is; where it is a dotted path, what that names."""
    if not isinstance(group, str):
        return group
    try:
        return import_string(group)
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"Segment {name!r} is {group!r}, which cannot be imported.") from error


def _by_field(path: str) -> dict[str, ActiveUsers]:
    """The users by each value of a field; who has none, or an empty one, is in no segment."""
    try:
        if not isinstance(path, str):
            raise FieldError
        rows = get_user_model()._default_manager.order_by().values_list(path, "pk").distinct()
        members: dict[str, list[Any]] = {}
        for value, pk in rows:
            if value not in (None, ""):
                members.setdefault(str(value), []).append(pk)
    except FieldError:
        raise ValueError(
            f"by must be {SETTING!r}, groups by name, or a field of "
            f"{get_user_model()._meta.label}, not {path!r}."
        ) from None
    return {name: ActiveUsers(members[name]) for name in sorted(members)}


def _first_match(groups: Mapping[str, ActiveUsers]) -> dict[str, ActiveUsers]:
    taken = ActiveUsers()
    first: dict[str, ActiveUsers] = {}
    for name, users in groups.items():
        first[name] = users - taken
        taken |= users
    return first


def restricted(users: Iterable[Any] | None, segment_name: str | None) -> Any:
    """Return the group ``users``, or those of them in a segment; None for everybody."""
    if segment_name is None:
        return users
    members = segment(segment_name)
    return members if users is None else members & users

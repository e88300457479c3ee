"""Segments: named groups of users, like staff, plans or tenants.

``SOUVENIRS_SEGMENTS`` names them, in order. A segment is a ``Q`` over the user model, a queryset of
users, or a function or its dotted path. The function takes no arguments and returns a ``Q``, a
queryset, or an iterable of users or primary keys::

    SOUVENIRS_SEGMENTS = {"staff": Q(is_staff=True), "pro": "shop.segments.pro"}

The setting may also be a function, or its dotted path, that returns such a dict: it is called for
each question, so that a new segment needs no deployment.

Segments may overlap. Their counts need not add up to the total, because a user of two segments
counts once in each; with ``exclusive`` a user belongs to the first matching segment only.
Membership is always as of now, also for periods in the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from django.contrib.auth import get_user_model
from django.core.exceptions import (
    FieldDoesNotExist,
    FieldError,
    ImproperlyConfigured,
    ValidationError,
)
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from ..conf import conf, segments_by_name, shown
from ..stores import (
    ActiveUsers,
    Group,
    common_users,
    group_of,
    members_among,
    members_by,
    queryset_of,
)
from .listed import listed_value

#: ``"segment"`` for the segments in the setting; or groups by name; or the path of a field of the
#: user model, like ``"groups__name"``, whose values are the names.
By: TypeAlias = str | Mapping[str, Any]

#: The value of ``by`` for the segments in ``SOUVENIRS_SEGMENTS``.
BY_SETTING = "segment"

#: The name of a group of users, as a segment, is the group's own after this.
GROUP = "group:"

T = TypeVar("T")


class InvalidSegment(ImproperlyConfigured):
    """A segment in ``SOUVENIRS_SEGMENTS`` cannot be evaluated."""

    def __init__(self, name: str, error: Exception) -> None:
        # Our own errors are sentences. Others may need their name: KeyError.
        kind = "" if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: "
        super().__init__(f"SOUVENIRS_SEGMENTS[{name!r}]: {kind}{error}")
        self.name = name


class InvalidSegments(ImproperlyConfigured):
    """The function in ``SOUVENIRS_SEGMENTS`` does not return segments."""


@dataclass(frozen=True)
class BySegment(Mapping[str, T], Generic[T]):
    """A result for each segment, by name and in order, and for everyone.

    Unless segments are exclusive, their counts need not add up to that of ``everyone``: a user of
    two segments counts in both, but only once in ``everyone``.
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
    """Return all users of each segment by name, in order.

    With ``exclusive`` a user is in the first matching segment only. A field without values gives no
    segments. Raises ValueError for an empty dict, an empty setting or an unknown field, and
    ImproperlyConfigured for an invalid setting.
    """
    _, groups = _members_by(None, by)
    return first_match(groups) if exclusive else groups


def groups_among(users: QuerySet[Any], by: str) -> dict[str, ActiveUsers]:
    """Return :func:`groups_by` of these users only, without segments that have none of them.

    A segment in ``SOUVENIRS_SEGMENTS`` that cannot be evaluated is left out, too.
    """
    if by == BY_SETTING:
        found = segments_among_users(users)
        return {name: ActiveUsers(queryset_of(group)) for name, group in found.items()}
    _, groups = _by_field(None, by, users)
    return groups


def segments_among_users(users: QuerySet[Any]) -> dict[str, Group]:
    """Return these users by segment in ``SOUVENIRS_SEGMENTS``, without segments that have none.

    A segment that cannot be evaluated is left out, because it may be that of others. Raises
    InvalidSegments.
    """
    found: dict[str, Group] = {}
    for name, definition in segment_definitions().items():
        with suppress(InvalidSegment), _evaluation_of(name):
            group = common_users(users, group_of(_group(name, definition)))
            if queryset_of(group).exists():
                found[name] = group
    return found


def groups_if_any(by: By | None, exclusive: bool) -> dict[str, ActiveUsers] | None:
    """Return :func:`groups_by`, or None without ``by``.

    Raises ValueError also for ``exclusive`` without ``by``.
    """
    check_exclusive(by, exclusive)
    return None if by is None else groups_by(by, exclusive)


def check_exclusive(by: By | None, exclusive: bool) -> None:
    """Raise ValueError for ``exclusive`` without ``by``."""
    if exclusive and by is None:
        raise ValueError("exclusive requires by, which names the segments.")


def members_if_any(
    sets: list[ActiveUsers], by: By | None, exclusive: bool
) -> tuple[list[ActiveUsers], dict[str, ActiveUsers] | None]:
    """Return the same sets and, with ``by``, the users of each segment to compare them with.

    Users who are in none of the sets may be missing. Raises what :func:`groups_if_any` raises.
    """
    check_exclusive(by, exclusive)
    if by is None:
        return sets, None
    sets, groups = _members_by(sets, by)
    return sets, first_match(groups) if exclusive else groups


def users_by(sets: Sequence[ActiveUsers], by: By) -> dict[str, list[ActiveUsers]]:
    """Return the users of each segment in each of the sets, by name and in order.

    Raises what :func:`groups_by` raises.
    """
    same, groups = _members_by(list(sets), by)
    return {name: [users & group for users in same] for name, group in groups.items()}


def segments_among(
    sets: Sequence[ActiveUsers],
) -> list[tuple[str, list[ActiveUsers] | InvalidSegment]]:
    """Return the users of each segment in each of the sets, by name and in order.

    A segment that cannot be evaluated has its error instead. Raises InvalidSegments.
    """
    found: list[tuple[str, list[ActiveUsers] | InvalidSegment]] = []
    for name, definition in segment_definitions().items():
        try:
            with _evaluation_of(name):
                [users] = users_by(sets, {name: definition}).values()
            found.append((name, users))
        except InvalidSegment as error:
            found.append((name, error))
    return found


def _members_by(
    sets: list[ActiveUsers] | None, by: By
) -> tuple[list[ActiveUsers], dict[str, ActiveUsers]]:
    evaluation: Callable[[Any], AbstractContextManager[None]] = nullcontext
    if isinstance(by, Mapping):
        definitions = by
    elif by == BY_SETTING:
        definitions, evaluation = segment_definitions(), _evaluation_of
    else:
        return _by_field(sets, by)
    if not definitions:
        raise ValueError(f"by {by!r} gives no segments: name some in SOUVENIRS_SEGMENTS.")
    groups: dict[Any, Any] = {}
    for name, definition in definitions.items():
        with evaluation(name):
            group = _group(name, definition)
            is_lazy = isinstance(group, QuerySet) and sets is not None
            groups[name] = group_of(group) if is_lazy else ActiveUsers(group)
    if sets is not None:
        # Querysets last, when the sets have their final form.
        lazy = [name for name, group in groups.items() if isinstance(group, QuerySet)]
        known = [name for name in groups if name not in lazy]
        aligned = ActiveUsers.aligned([*sets, *(groups[name] for name in known)])
        sets, members = aligned[: len(sets)], aligned[len(sets) :]
        groups.update(zip(known, members, strict=True))
        for name in lazy:
            with evaluation(name):
                sets, groups[name] = members_among(sets, groups[name])
    return sets or [], {str(name): group for name, group in groups.items()}


def segment_definitions() -> Mapping[str, Any]:
    """Return the definitions in ``SOUVENIRS_SEGMENTS`` by name, in order.

    Raises InvalidSegments if the setting is a function that raises an error or returns anything
    but a dict with non-empty strings as keys, and ImproperlyConfigured for a setting of another
    kind.
    """
    found = conf.SEGMENTS
    if isinstance(found, Mapping):
        return found
    try:
        found = found()
    except Exception as error:
        raise InvalidSegments(
            f"The function in SOUVENIRS_SEGMENTS raised {type(error).__name__}: {error}"
        ) from error
    try:
        return segments_by_name(found)
    except ValueError as reason:
        raise InvalidSegments(
            "The function in SOUVENIRS_SEGMENTS should return a dict of segments by name, not "
            f"{shown(found)}{reason}."
        ) from reason


def has_fixed_segments() -> bool:
    """Whether ``SOUVENIRS_SEGMENTS`` is a dict, whose names are known without calling anything."""
    return isinstance(conf.SEGMENTS, Mapping)


def segment_names() -> list[str]:
    """Return the names in ``SOUVENIRS_SEGMENTS``, in order.

    Raises what :func:`segment_definitions` raises.
    """
    return list(segment_definitions())


def has_groups() -> bool:
    """Whether the users of this site have groups."""
    try:
        get_user_model()._meta.get_field("groups")
    except FieldDoesNotExist:
        return False
    return True


def _groups() -> QuerySet[Any]:
    field: Any = get_user_model()._meta.get_field("groups")
    found: QuerySet[Any] = field.related_model._default_manager.all()
    return found


def group_names(limit: int, among: QuerySet[Any] | None = None) -> list[str]:
    """Return the names of up to ``limit`` groups of users, in order; ``among`` are their users."""
    if not has_groups():
        return []
    names = _groups().order_by("name").values_list("name", flat=True)
    if among is not None:
        field = "groups__name"
        named = queryset_of(among).filter(**{f"{field}__isnull": False})
        names = named.order_by(field).values_list(field, flat=True).distinct()
    return [str(name) for name in names[:limit]]


def is_group(name: str, among: QuerySet[Any] | None = None) -> bool:
    """Whether a segment is a group of users, or those with a value of a listed field.

    Of groups ``among`` has users; of a value, somebody has to have it in any case.
    """
    if among is None and name.startswith(GROUP) and has_groups():
        return _groups().filter(name=name.removeprefix(GROUP)).exists()
    members = _members(name)
    return members is not None and queryset_of(among).filter(members).exists()


def _members(name: str) -> Q | None:
    """Return the condition of ``group:`` and a name, or of a listed field, a colon and a value."""
    if name.startswith(GROUP) and has_groups():
        return Q(groups__name=name.removeprefix(GROUP))
    return listed_value(name)


def segment(name: str) -> ActiveUsers:
    """Return the users of a segment in ``SOUVENIRS_SEGMENTS``, or of a group, active or not.

    Raises ValueError for an unknown name, and InvalidSegment for one that cannot be evaluated.
    """
    group = restricted(None, name)
    with _evaluation_of(name):
        return ActiveUsers(group)


def check_segment(name: str, definition: Any) -> None:
    """Raise InvalidSegment if a segment cannot be evaluated; reads at most one user of a query."""
    with _evaluation_of(name):
        group = _group(name, definition)
        ActiveUsers(group[:1] if isinstance(group, QuerySet) else group)


@contextmanager
def _evaluation_of(name: str) -> Iterator[None]:
    """Raise InvalidSegment for whatever the site's own function or query raises."""
    try:
        yield
    except Exception as error:
        raise InvalidSegment(name, error) from error


def check_definition(name: str, definition: Any) -> None:
    """Raise ImproperlyConfigured if a segment is found to be invalid without evaluating it."""
    user_model = get_user_model()
    try:
        group = _imported(name, definition)
    except ValueError as error:
        raise ImproperlyConfigured(f"SOUVENIRS_SEGMENTS[{name!r}]: {error}") from error
    if isinstance(group, QuerySet) and not issubclass(group.model, user_model):
        raise ImproperlyConfigured(
            f"SOUVENIRS_SEGMENTS[{name!r}] is a queryset of {group.model._meta.label}: "
            f"pass one of {user_model._meta.label}."
        )
    if not (isinstance(group, Q | QuerySet) or callable(group)):
        raise ImproperlyConfigured(
            f"SOUVENIRS_SEGMENTS[{name!r}] should be a Q, a queryset, a function or its dotted "
            f"path, not {group!r}."
        )


def _group(name: object, group: Any) -> Any:
    """Return the queryset, or the users or primary keys, of a definition."""
    group = _imported(name, group)
    if callable(group):
        group = group()
    if group is None:
        # For users of a group, None means everyone.
        message = "users must be a queryset or an iterable of users or primary keys, not None."
        raise TypeError(message)
    if isinstance(group, Q):
        try:
            group = get_user_model()._default_manager.filter(group)
        except (FieldError, ValidationError) as error:
            raise ValueError(f"Segment {name!r} is not a valid query: {error}") from error
    return group


def _imported(name: object, group: Any) -> Any:
    """Return the definition of a segment, imported if it is a dotted path."""
    if not isinstance(group, str):
        return group
    try:
        return import_string(group)
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"Segment {name!r} is {group!r}, which cannot be imported.") from error


def _by_field(
    sets: list[ActiveUsers] | None, path: str, among: Group = None
) -> tuple[list[ActiveUsers], dict[str, ActiveUsers]]:
    """Return the users of a group by each value of a field, except those whose value is empty."""
    try:
        if not isinstance(path, str):
            raise FieldError
        same, found = members_by(sets or [], queryset_of(among), path, has_others=sets is None)
    except FieldError:
        raise ValueError(
            f"by must be {BY_SETTING!r}, groups by name, or a field of "
            f"{get_user_model()._meta.label}, not {path!r}."
        ) from None
    named: dict[str, ActiveUsers] = {}
    for value, members in found.items():
        if value not in (None, ""):
            # Two values may have the same name.
            others = named.get(str(value))
            named[str(value)] = members if others is None else others | members
    return same, {name: named[name] for name in sorted(named)}


def most_active(
    groups: Mapping[str, ActiveUsers], active: ActiveUsers, top: int | None
) -> dict[str, ActiveUsers]:
    """Return up to ``top`` groups, or all, with the most active users first.

    Groups with equally many stay in their order.
    """
    counts = active.count_common_each(list(groups.values()))
    first = sorted(zip(counts, groups, strict=True), key=lambda each: -each[0])
    return {name: groups[name] for _, name in first[:top]}


def first_match(groups: Mapping[str, ActiveUsers]) -> dict[str, ActiveUsers]:
    """Return the groups, with each user only in the first that contains them."""
    taken = ActiveUsers()
    first: dict[str, ActiveUsers] = {}
    for name, users in groups.items():
        first[name] = users - taken
        taken |= users
    return first


def restricted(users: Iterable[Any] | None, segment_name: str | None) -> Any:
    """Return the users of a group who are in a segment, if it is given; None means all users.

    A segment is a name in ``SOUVENIRS_SEGMENTS``, or ``group:`` and the name of a group of users,
    or a field in ``SOUVENIRS_GROUP_BY``, a colon and a value that users have. One that is a query
    is returned as its queryset. Raises ValueError for an unknown name, and InvalidSegment for a
    segment that cannot be evaluated.
    """
    if segment_name is None:
        return users
    if users is not None:
        return segment(segment_name) & users
    try:
        definitions = segment_definitions()
    except InvalidSegments as error:
        raise InvalidSegment(segment_name, ValueError(error)) from error
    if segment_name not in definitions and is_group(segment_name):
        return group_of(get_user_model()._default_manager.filter(_members(segment_name)))
    if segment_name not in definitions:
        known = f"one of {', '.join(definitions)}" if definitions else "named in SOUVENIRS_SEGMENTS"
        raise ValueError(f"{segment_name!r} is not a segment: it must be {known}.")
    with _evaluation_of(segment_name):
        return group_of(_group(segment_name, definitions[segment_name]))

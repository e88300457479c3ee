"""Groups of users, like organizations, which are active when one of their users is.

A group is a value of a field of the user model, through any relations: the primary key of an
organization, or the name of a plan. A user may be in several groups, or in none: null and the empty
text are no groups. Membership is as of now, also for activity in the past.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, TypeVar, cast

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ValidationError
from django.db.models import F, Model, QuerySet

from ..sets import UserSet
from .activesets import ActiveSet
from .activeusers import ActiveUsers
from .groups import members_by

A = TypeVar("A", bound=ActiveSet[Any])

#: With fewer users than this for each group, the groups of each user are looked up.
FEW = 2


class GroupField(NamedTuple):
    """The field whose values are the groups."""

    #: The path from the user model, like ``"organization__plan"``.
    path: str
    #: What the groups are objects of, and the field that has their keys; None for other values.
    model: type[Model] | None = None
    key: str = ""

    @classmethod
    def named(cls, path: str) -> GroupField:
        """Return the field at a path. Raises ValueError if the user model has none."""
        users = get_user_model()._default_manager.all()
        try:
            found = F(path).resolve_expression(users.query)
        except (FieldError, AttributeError, TypeError):
            raise ValueError(
                f"of must be a field of {users.model._meta.label} or of a related model, "
                f"not {path!r}."
            ) from None
        target: Any = getattr(found, "target", None)
        if getattr(target, "name", None) == "password":
            raise ValueError(f"of is {path!r}, a password, which nobody may see.")
        if getattr(target, "is_relation", False):
            return cls(path, target.related_model, target.target_field.attname)
        if getattr(target, "primary_key", False):
            return cls(path, target.model, target.attname)
        return cls(path)

    def key_of(self, group: Any) -> Any:
        """Return the key of a group, given as an object or by its key.

        Raises ValueError for an object of another model.
        """
        if not isinstance(group, Model):
            return group
        if self.model is None:
            raise ValueError(f"Groups by {self.path!r} are values of a field, not {group!r}.")
        if not isinstance(group, self.model._meta.concrete_model or self.model):
            label = self.model._meta.label
            raise ValueError(f"Groups by {self.path!r} are objects of {label}, not {group!r}.")
        return getattr(group, self.key)

    def parsed(self, group: Any) -> Any:
        """Return the key of a group, also if the key is given as text.

        Raises ValueError for what cannot be a key, and for an object of another model.
        """
        column: Any = F(self.path).resolve_expression(get_user_model()._default_manager.all().query)
        try:
            return column.output_field.to_python(self.key_of(group))
        except (ValidationError, TypeError, ValueError):
            raise ValueError(f"{group!r} is not a value of {self.path!r}.") from None

    def users_in(self, key: Any, alias: str) -> list[Any]:
        """Return the primary keys of the users in a group, from a database of the site.

        Compared here: a collation may take two groups for the same.
        """
        users = get_user_model()._default_manager.using(alias).filter(**{self.path: key})
        rows = users.order_by().values_list("pk", F(self.path)).iterator()
        return list({user: None for user, group in rows if group == key})


class Names:
    """The keys of groups by their numbers, which are their positions."""

    def __init__(self, field: GroupField | None = None, keys: Iterable[Hashable] = ()) -> None:
        self.field, self.keys = field, tuple(keys)

    @cached_property
    def number_of(self) -> Mapping[Hashable, int]:
        return {key: number for number, key in enumerate(self.keys)}


#: Of a set without groups.
NO_NAMES = Names()


class ActiveGroups(ActiveSet[Names]):
    """An immutable set of groups of users, like organizations.

    ``len()``, ``in`` (an object or its key), iteration over keys in ascending order, ``& | - ^``,
    the comparisons and ``==`` work as on a frozenset of keys. A key is the value of the field that
    groups the users: for a relation, that of the related object. The operators also accept a
    queryset, or any iterable of objects or keys.
    """

    __slots__ = ()

    def __init__(self, groups: Iterable[Any] = ()) -> None:
        found = self._made_of(groups)
        self._numbers, self._context = found._numbers, found._context

    @classmethod
    def of(cls, numbers: UserSet, context: Names | None = None) -> ActiveGroups:
        """Return the set of the groups with these numbers."""
        return super().of(numbers, context or NO_NAMES)

    @classmethod
    def _made_of(cls, members: Iterable[Any], field: GroupField | None = None) -> ActiveGroups:
        """Return the set of these groups, which may be objects or keys."""
        if isinstance(members, ActiveGroups):
            return members
        if isinstance(members, str | bytes | ActiveSet) or not isinstance(members, Iterable):
            raise TypeError(f"Groups must be an iterable of objects or keys, not {members!r}.")
        keys = in_order({_key(field, group) for group in members})
        return cls.of(UserSet.from_range(0, len(keys)), Names(field, keys))

    def _operand(self, members: Iterable[Any]) -> ActiveGroups:
        return self._made_of(members, self._context.field)

    @classmethod
    def comparable(cls, sets: Sequence[ActiveSet[Any]]) -> tuple[list[UserSet], Names]:
        """Return the numbers of the groups of each set, with names that all of them share.

        Raises ValueError for groups by different fields.
        """
        given: dict[int, Names] = {id(each._context): each._context for each in sets if each}
        if len(given) < 2:
            return [each._numbers for each in sets], next(iter(given.values()), NO_NAMES)
        fields = dict.fromkeys(names.field for names in given.values() if names.field)
        if len(fields) > 1:
            paths = " and ".join(repr(field.path) for field in fields)
            raise ValueError(f"Groups by {paths} cannot be combined.")
        keys = set(chain.from_iterable(names.keys for names in given.values()))
        names = Names(next(iter(fields), None), in_order(keys))
        return [
            UserSet.from_ids(names.number_of[key] for key in each) if each else UserSet()
            for each in sets
        ], names

    def __contains__(self, group: object) -> bool:
        try:
            key = _key(self._context.field, group)
        except ValueError:
            return False
        return isinstance(key, Hashable) and self._context.number_of.get(key) in self._numbers

    def __eq__(self, other: object) -> bool:
        # Also for groups by different fields, which cannot be combined.
        return self.pks == other.pks if isinstance(other, ActiveGroups) else super().__eq__(other)

    __hash__ = ActiveSet.__hash__

    def objects(self) -> QuerySet[Any]:
        """Return the groups as a lazy queryset of the model that the field refers to.

        It can be filtered, ordered and sliced further. Groups that have been deleted since are in
        the set, but not in the queryset. Raises TypeError if the field is not a relation.
        """
        field = self._context.field
        if field is None or field.model is None:
            raise TypeError("These groups are not objects: they are the values of a field.")
        return field.model._default_manager.filter(**{f"{field.key}__in": list(self)})

    def _keys_of(self, numbers: UserSet) -> Iterator[Hashable]:
        return (self._context.keys[number] for number in numbers)

    def _key_of_each(self) -> dict[int, Hashable]:
        return {number: self._context.keys[number] for number in self._numbers}


class Memberships:
    """The users of each group, as of one reading."""

    def __init__(self, field: GroupField, members: Mapping[Hashable, ActiveUsers]) -> None:
        self.field = field
        self.members = {key: members[key] for key in in_order(members)}
        self._names = Names(field, self.members)
        self._numbers, _ = ActiveUsers.comparable(list(self.members.values()))
        #: How often a group was compared with a set; the groups of each user pay off after more
        #: comparisons than they have members.
        self._compared, self._size = 0, sum(map(len, self._numbers))

    @classmethod
    def read(
        cls, sets: Sequence[ActiveUsers], of: str, *, has_others: bool = False
    ) -> tuple[list[ActiveUsers], Memberships]:
        """Return the same sets, and the groups of their users; ``has_others``: of all users.

        Raises ValueError if ``of`` is not a field.
        """
        field = GroupField.named(of)
        everyone = get_user_model()._default_manager.all()
        same, found = members_by(sets, everyone, of, has_others=has_others)
        groups = {key: users for key, users in found.items() if counts_as_group(key)}
        return same, cls(field, groups)

    def groups_of(self, users: ActiveUsers) -> ActiveGroups:
        """Return the groups of which one of the users is a member.

        The set must be one of those that were read, or have been made of them.
        """
        numbers = users._numbers
        found: Iterable[int]
        self._compared += len(self._numbers)
        is_known = "_groups_of_each" in self.__dict__ or self._compared > self._size
        if is_known and len(numbers) < FEW * len(self._numbers):
            found = set(chain.from_iterable(self._groups_of_each.get(n, ()) for n in numbers))
        else:
            found = [n for n, own in enumerate(self._numbers) if not own.isdisjoint(numbers)]
        return ActiveGroups.of(UserSet.from_ids(found), self._names)

    def members_among(self, users: ActiveUsers | None) -> dict[Hashable, ActiveUsers]:
        """Return the members of each group; with ``users``, these, of the groups that have any.

        The users must be one of the sets that were read, or have been made of them.
        """
        if users is None:
            return dict(self.members)
        own = {key: members & users for key, members in self.members.items()}
        return {key: members for key, members in own.items() if members}

    @cached_property
    def _groups_of_each(self) -> Mapping[int, tuple[int, ...]]:
        """The numbers of the groups of each user."""
        groups: dict[int, tuple[int, ...]] = {}
        for group, members in enumerate(self._numbers):
            for user in members:
                groups[user] = (*groups.get(user, ()), group)
        return groups


def last_common(
    members: Mapping[Hashable, ActiveUsers], sets: Sequence[ActiveUsers]
) -> dict[Hashable, tuple[int, ActiveUsers]]:
    """Return the position of the last set with a member of each group, and its members in that set.

    Groups of which no set has a member are left out.
    """
    numbers, loan = ActiveUsers.comparable([*sets, *members.values()])
    own = numbers[len(sets) :]
    anybody = UserSet.union(numbers[: len(sets)])
    left = dict(zip(members, own, strict=True))
    left = {key: each for key, each in left.items() if not each.isdisjoint(anybody)}
    found: dict[Hashable, tuple[int, ActiveUsers]] = {}
    for place in reversed(range(len(sets))):
        for key in [key for key, each in left.items() if not each.isdisjoint(numbers[place])]:
            found[key] = place, ActiveUsers.of(left.pop(key) & numbers[place], loan)
    return found


def kind_of(sets: Sequence[ActiveSet[Any]]) -> type[ActiveSet[Any]]:
    """Return what the sets are sets of; users, if there are none."""
    return type(sets[0]) if sets else ActiveUsers


def union(sets: Sequence[A]) -> A:
    """Return the union of sets of one kind; without any, an empty set of users."""
    return cast(A, kind_of(sets).union(sets))


def counts_as_group(key: Hashable) -> bool:
    """Whether a value of a field is a group: null and the empty text are none."""
    return key not in (None, "")


def _key(field: GroupField | None, group: Any) -> Any:
    """Return the key of a group; of an object, its primary key if the field is unknown."""
    return field.key_of(group) if field else getattr(group, "pk", group)


def in_order(keys: Iterable[Hashable]) -> list[Any]:
    """Return the keys in ascending order; as text, if they cannot be compared."""
    try:
        return sorted(keys)
    except TypeError:
        return sorted(keys, key=str)

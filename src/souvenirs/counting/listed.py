"""The fields by which readers may group and filter users: ``SOUVENIRS_GROUP_BY``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.text import capfirst

from ..conf import conf
from ..sql import exactly

TEXTS = (models.CharField, models.TextField)

#: The kinds of fields whose values can be written in a URL and read back.
WRITABLE = (*TEXTS, models.IntegerField, models.BooleanField, models.DateField, models.UUIDField)

#: The integers that every engine can compare with a column.
INTEGERS = range(-(2**63), 2**63)


class ListedField(NamedTuple):
    """A field of the user model or of a related model, whose values are groups of users."""

    #: The path from the user model, like ``"organization__name"``.
    path: str
    #: The last field of the path; of a relation, the field that it refers to.
    field: Any

    @classmethod
    def at(cls, path: str) -> ListedField:
        """Return the field at a path.

        Raises ValueError if there is none, or if its values must not or cannot be shown.
        """
        users = get_user_model()._base_manager.all()
        try:
            found: Any = F(path).resolve_expression(users.query)
            field = found.target
        except (FieldError, AttributeError):
            raise ValueError(
                f"{path!r} is not a field of {users.model._meta.label} or of a related model"
            ) from None
        while field.is_relation:
            field = field.target_field
        if field.name == "password":
            raise ValueError(f"{path!r} is a password, which nobody may see")
        if not isinstance(field, WRITABLE) or isinstance(field, models.DateTimeField):
            raise ValueError(
                f"{path!r} is a {type(field).__name__}: list fields of text, integers, booleans, "
                "dates, UUIDs, or relations"
            )
        return cls(path, field)

    def having(self, text: str) -> Q | None:
        """Return the condition that the value is the one with this text; None if there is none.

        The empty text is that of null and of the empty text.
        """
        if not text:
            empty = Q(**{f"{self.path}__isnull": True})
            return empty | exactly(self.path, "") if isinstance(self.field, TEXTS) else empty
        try:
            value = self.field.to_python(text)
        except ValidationError:
            return None
        if isinstance(self.field, TEXTS):
            return None if "\0" in text else exactly(self.path, value)
        if isinstance(value, int) and value not in INTEGERS:
            return None
        return Q(**{self.path: value})

    def identifies_users(self) -> bool:
        """Whether a value belongs to one user: it is unique, or an email address."""
        *relations, field = self._steps()
        if not all(map(_has_one_user, relations)):
            return False
        is_unique = bool(getattr(field, "unique", False))
        return is_unique or _has_one_user(field) or isinstance(field, models.EmailField)

    def label(self) -> str:
        """Return the name of the field for readers; of a related model, after that of the model."""
        *relations, field = self._steps()
        name = getattr(field, "verbose_name", None) or field.related_model._meta.verbose_name
        related = relations[-1].related_model._meta.verbose_name if relations else ""
        return capfirst(f"{related} {name}".strip())

    def _steps(self) -> list[Any]:
        """Return the relations of the path, and the field at its end."""
        model: Any = get_user_model()
        steps: list[Any] = []
        for name in self.path.split("__"):
            steps.append(model._meta.pk if name == "pk" else model._meta.get_field(name))
            model = steps[-1].related_model
        return steps


def _has_one_user(relation: Any) -> bool:
    """Whether a related object is that of one user."""
    return bool(relation.one_to_one or relation.one_to_many)


def listed_fields() -> list[str]:
    """Return the paths in ``SOUVENIRS_GROUP_BY``, in order.

    Raises ImproperlyConfigured if one of them cannot be listed.
    """
    for path in conf.GROUP_BY:
        check_listed(path)
    return list(conf.GROUP_BY)


def field_labels() -> dict[str, str]:
    """Return the label of each path in ``SOUVENIRS_GROUP_BY``, in order; one that is not unique is
    the path.

    None of an invalid setting, of which a system check tells.
    """
    try:
        labels = {path: ListedField.at(path).label() for path in listed_fields()}
    except ImproperlyConfigured:
        return {}
    counts = Counter(labels.values())
    return {path: label if counts[label] == 1 else path for path, label in labels.items()}


def check_listed(path: str) -> ListedField:
    """Return the field at a path. Raises ImproperlyConfigured if it cannot be listed."""
    try:
        return ListedField.at(path)
    except ValueError as error:
        raise ImproperlyConfigured(f"SOUVENIRS_GROUP_BY: {error}.") from None


def fields_that_identify_users() -> Sequence[str]:
    """Return the paths in ``SOUVENIRS_GROUP_BY`` whose values identify users."""
    return [path for path in listed_fields() if ListedField.at(path).identifies_users()]


def listed_value(name: str) -> Q | None:
    """Return the condition of a segment that is a listed field, a colon and a value; else None."""
    path, colon, text = name.partition(":")
    return ListedField.at(path).having(text) if colon and path in listed_fields() else None

"""Indexes that not all engines support."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class FalseIndex(models.Index):
    """A partial index of the rows whose first field is false, on the other fields.

    On engines without partial indexes, an index of all rows on all fields.
    """

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Any:
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        flag, *fields = self.fields
        index = models.Index(fields=fields, name=self.name, condition=models.Q(**{flag: False}))
        return index.create_sql(model, schema_editor, using, **kwargs)


class SetIndex(models.Index):
    """A partial index of the rows whose first field is not null; elsewhere, of all rows."""

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Any:
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        is_set = models.Q(**{f"{self.fields[0]}__isnull": False})
        index = models.Index(fields=self.fields, name=self.name, condition=is_set)
        return index.create_sql(model, schema_editor, using, **kwargs)

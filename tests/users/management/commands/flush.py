"""How transactional tests empty the database."""

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import connections, transaction

#: What ``migrate`` fills. Django empties these tables too and fills them again after each test,
#: which takes longer than most of the tests.
KEPT = {model._meta.db_table for model in (ContentType, Permission)}


class Command(flush.Command):
    """Empty the tables that have rows, except for content types and permissions."""

    def handle(self, **options):
        connection = connections[options["database"]]
        filled = self.filled(connection)
        if filled:
            self.empty(connection, filled)

    def filled(self, connection):
        tables = connection.introspection.django_table_names(
            only_existing=True, include_views=False
        )
        quote = connection.ops.quote_name
        found = [
            f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {quote(table)})"
            for table in tables
            if table not in KEPT
        ]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(found))
            return [table for [table] in cursor.fetchall()]

    def empty(self, connection, tables):
        # PostgreSQL truncates a table only together with those that refer to it.
        statements = connection.ops.sql_flush(
            self.style, tables, allow_cascade=connection.vendor == "postgresql"
        )
        with (
            connection.constraint_checks_disabled(),
            transaction.atomic(using=connection.alias),
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

"""What a statement costs: to issue, to export, to verify and to recount, and to erase a user from.

The statement is about everyone, in all days of the site.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from _common import NAME, TITLES, answering, machine, ms, print_table, scratch, site_arguments
from _data import settle
from count import made_up
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from souvenirs.digests import Digester
from souvenirs.statementfile import verified
from souvenirs.statements import export_statement, issue_statement, recount_statement
from souvenirs.stores import erase_from_statements, get_store

T = TypeVar("T")


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Statements\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in {options.days} days, digested. "
        "Each once.\n"
    )
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        for engine in engines:
            with scratch(engine, options.keep) as connection:
                made_up(connection, options, Path(folder))
                print_table(
                    [TITLES[engine], "cost"],
                    [[name, value] for name, value in measured(connection, options).items()],
                )


def arguments() -> argparse.Namespace:
    return site_arguments(__doc__, rows=1_000_000, users=200_000, days=31).parse_args()


def measured(connection: BaseDatabaseWrapper, options: argparse.Namespace) -> dict[str, str]:
    """The rows of the table."""
    for _ in Digester().run():
        pass
    settle(connection)
    now = timezone.now()
    period = now - timedelta(days=options.days), now
    issued, statement = timed(lambda: issue_statement(None, period, early=True, grace=0))
    settle(connection)
    exported, data = timed(lambda: export_statement(statement))
    read, file = timed(lambda: verified(data))
    recounted, recount = timed(lambda: recount_statement(statement))
    assert not recount.differs
    erased, leaves = timed(lambda: erase_from_statements(next(iter(recount.draft.users))))
    assert leaves == 1
    users = len(file.users)
    sizes = {each.table: each.size for each in get_store().measures().tables()}
    size = sizes["souvenirs_statementleaf"]
    return {
        f"issue a statement of {users:,} users": ms(issued),
        f"export its file, {len(data) / 1e6:,.1f} MB": ms(exported),
        "verify the file": ms(read),
        "recount": ms(recounted),
        "erase a user from it": ms(erased),
        "bytes a leaf": "-" if size is None else f"{size / users:,.0f}",
    }


def timed(work: Callable[[], T]) -> tuple[float, T]:
    began = perf_counter()
    found = work()
    return perf_counter() - began, found


if __name__ == "__main__":
    main()

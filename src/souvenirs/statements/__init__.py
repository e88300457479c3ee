"""The active users that a customer is billed for, stored once, and their proof.

A statement is about a *customer*, a group of users like an organization, or about everyone, and
about a period that is over. Its content and its users are stored, and never change, except that a
user who is erased is dropped from it: the count stays. :mod:`souvenirs.statementfile` describes the
file of a statement, and verifies it without Django.
"""

from .customers import group_keys
from .drafts import Draft, TooEarly
from .issuing import AlreadyIssued, draft_statement, issue_statement
from .recounting import Recount, recount_statement
from .table import (
    Statement,
    export_statement,
    faults_of_stored,
    issued_statements,
    statement_row,
    statement_users,
)

__all__ = [
    "AlreadyIssued",
    "Draft",
    "Recount",
    "Statement",
    "TooEarly",
    "draft_statement",
    "export_statement",
    "faults_of_stored",
    "group_keys",
    "issue_statement",
    "issued_statements",
    "recount_statement",
    "statement_row",
    "statement_users",
]

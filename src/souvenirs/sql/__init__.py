"""SQL that Django does not write: many values in one statement, partial indexes."""

from .indexes import FalseIndex
from .parameters import Rank, values_table

__all__ = [
    "FalseIndex",
    "Rank",
    "values_table",
]

"""SQL that Django does not write: many values in one statement, partial indexes."""

from .converters import converter
from .exactly import exactly
from .indexes import FalseIndex, SetIndex
from .parameters import Field, Rank, values_table

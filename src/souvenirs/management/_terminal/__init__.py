"""Tables, charts and progress as text, with or without a terminal."""

from .columns import column_chart
from .display import BLOCKS, BOLD, CYAN, GREEN, RED, Display, can_encode, printable, resampled
from .numbers import NO_VALUE, Value, number, percent, pluralize
from .progress import Progress
from .tables import FittedTable, TextTable

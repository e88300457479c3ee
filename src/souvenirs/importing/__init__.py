"""Import of history from files and from Django's own tables."""

from .formats import FORMATS, format_of, parser_of
from .importer import BAD_LINE, Importer, Stopped, Summary
from .lines import Reading, open_readings
from .tables import TABLES

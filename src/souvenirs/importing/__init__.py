"""Import of history from files and from Django's own tables."""

from .files import open_entries
from .formats import FORMATS, format_of, parser_of
from .importer import BAD_LINE, Importer, Stopped, Summary
from .lines import Entry, Unreadable
from .mapping import mapping_of
from .tables import TABLES
from .users import NO_USER

"""Files, read in one step."""

import pytest

from souvenirs.importing.files import open_text
from souvenirs.importing.lines import BadLine, read_lines
from tests.conftest import at

MOMENT = at(2016, 1, 31, 10, 30)
WHEN = "2016-01-31T10:30:00Z"


def read(lines, parser):
    """Return the records; of a bad line, its number and message."""
    return [
        (number, str(entry)) if isinstance(entry, BadLine) else entry
        for number, entry in read_lines(lines, parser)
    ]


def read_file(path, parser):
    with open_text(str(path)) as (lines, _):
        return read(lines, parser)


def reason(parser, line):
    """Return why a line is bad."""
    with pytest.raises(BadLine) as error:
        parser(line)
    return str(error.value)

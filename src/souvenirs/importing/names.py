"""The escape rules of names: how servers and programs spell a user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

#: What programs write where there is no user, in lower case.
NOBODY = {"", "-", "nan", "null", "none", "\\n", "<na>", "anonymoususer"}

#: A name without any of these has one spelling.
SPECIAL = re.compile(r'[\\%+"]|\.0+$')

#: How web servers escape bytes other than printable ASCII; Apache also escapes quotes.
ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')


def spellings(name: str) -> Iterator[str]:
    """Yield what a name can stand for, as written first.

    Quotes around it are delimiters; a web server escapes bytes with backslashes, a URL with percent
    signs, and spaces with ``+``, as IIS does; a table with gaps has whole numbers as ``1.0``. An
    escape of bytes that are not UTF-8 stands for nothing.
    """
    yield name
    if not SPECIAL.search(name):
        return
    if re.fullmatch(r"[0-9]+\.0+", name):
        yield name.partition(".")[0]
    plain = name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name
    try:
        plain = ESCAPE.sub(lambda m: m[2] or bytes([int(m[1], 16)]), plain.encode()).decode()
        yield plain
        yield unquote(plain, errors="strict")
        yield unquote_plus(plain, errors="strict")
    except UnicodeError:
        return

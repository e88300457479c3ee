"""Web access logs: the Common Log Format and its extensions."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from datetime import tzinfo
from itertools import islice
from threading import current_thread, main_thread
from typing import NoReturn

from .lines import BadLine, Record, Unreadable
from .mapping import object_in
from .times import parse_time
from .w3c import Section

#: Characters of a line in which its user and its time are searched for. Servers accept no longer
#: requests by default.
SEARCHED = 8_192

#: The longest search for a user in a line, in seconds of processor time.
SECONDS = 1.0

#: Times in brackets that are tried: others can stand before the one of the access log.
TRIED = 4

#: Nearly all lines: an address, no ident, a user and a time.
COMMON = re.compile(r'\S+ - ([^\s"\\]+) \[(\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4})\] "')

#: A time in brackets: of an access log, in ISO 8601 or a Unix timestamp.
BRACKETS = re.compile(
    r" \[(\d\d/[^][]{1,40}|\d{4}-\d\d-\d\d[^][]{0,40}|\d{10}(?:\d{3})?(?:\.\d+)?)\](?=\s|$)"
)

#: The end of an address, in version 4 or 6; its last numbers may be removed for privacy.
ADDRESS = r"""(?:(?:\.(?:\d{1,3}|[xX*]+)){3}|::[\da-fA-F:.]*|(?::[\da-fA-F]{1,4}){7})
              (?:%\w+)?\]?(?::\d+)?["']?"""
HOST = r"(?:[A-Za-z_][\w.-]*(?::\d+)?|unix:\S*|-)"

#: What stands before the time, if it has an address. Anything may stand before that: a virtual
#: host, the prefix of a log collector, more addresses.
WITH_ADDRESS = re.compile(
    rf""".*{ADDRESS}\ -\ (?P<user>.*)
         |.*{ADDRESS}\ [^\s"]+\ (?P<word>\S+)
         |\S*{ADDRESS}\ [^\s"]+\ (?P<words>.+)""",
    re.VERBOSE,
)
#: The same with a host name for the address, which can only be known by its place.
WITH_HOST = re.compile(
    rf"""(?:.*[:|]\ +|{HOST}\ )?{HOST}\ -\ (?P<user>.*)
         |\S*\.\S*\ [^\s"]+\ (?P<word>\S+)""",
    re.VERBOSE,
)

#: The keys under which log collectors keep a line.
LINE_KEYS = ("log", "message", "MESSAGE", "msg", "textPayload")

DIRECTIVE = re.compile(r"#([A-Za-z-]+):\s*(.*)")

#: What no name has: more of the line was taken for one.
NO_NAME = re.compile(r' ["[]|^- | -$')

NOT_A_LOG = "not an access log line"


class LogParser:
    """A parser of web access logs in the Common Log Format, an extension of it, or that of the W3C.

    The user is the authenticated one, or the first group of ``user_regex``, searched for in the
    first SEARCHED characters of the line, for SECONDS at most. ``names`` are those of the fields
    with the user and the time of a W3C log, by the keys ``user`` and ``when``; ``zone`` is the time
    zone of times without a UTC offset. Raises ValueError if ``user_regex`` is not a regular
    expression with a group.
    """

    def __init__(
        self,
        zone: tzinfo,
        names: dict[str, str] | None = None,
        user_regex: str | None = None,
    ) -> None:
        self._zone = zone
        self._names = names or {}
        self._find = _compiled(user_regex).search if user_regex else None
        self._date = ""
        self._section: Section | None = None

    def __call__(self, line: str) -> Record | None:
        line = line.strip()
        if line.startswith("#"):
            self._direct(line)
            return None
        if self._section is not None:
            return self._section.record(line, self._find and _found(self._find, line))
        if self._names:
            raise Unreadable("--map names fields, which an access log line does not have")
        if line.startswith("{"):
            return self(_unwrapped(line))
        common = COMMON.match(line)
        user: str | None
        user, time = common.groups() if common else self._searched(line[:SEARCHED])
        if self._find:
            user = _found(self._find, line)
        return Record(None if user == "-" else user or None, parse_time(time, self._zone))

    def _direct(self, line: str) -> None:
        """Obey a directive of a W3C log; others than these are of no interest."""
        directive = DIRECTIVE.match(line)
        if directive is None:
            raise BadLine(NOT_A_LOG)
        key, value = directive.groups()
        if key.lower() == "date":
            self._date = value.split(" ")[0]
        if key.lower() == "fields":
            self._section = Section(value, self._date, self._names, self._find is None)

    def _searched(self, line: str) -> tuple[str, str]:
        """Return the user and the time of a line with more in it than usual; raises BadLine."""
        line = line.replace("\t", " ")
        brackets = list(islice(BRACKETS.finditer(line), TRIED))
        for found in brackets:
            user = _user_of(line[: found.start()], line.startswith(' "', found.end()))
            if user is not None:
                return user, found[1]
        if brackets and self._find:
            return "", brackets[0][1]
        raise BadLine(NOT_A_LOG)


def _user_of(start: str, is_request: bool) -> str | None:
    """Return the user at the end of what stands before the time; None if its shape is another.

    Only if a request follows, a host name and an ident can be told from other words.
    """
    found = WITH_ADDRESS.fullmatch(start) or (is_request and WITH_HOST.fullmatch(start))
    if not found or (found["user"] is None and not is_request):
        return None
    user = next(group for group in found.groups() if group is not None)
    return None if NO_NAME.search(user) else user


def _found(find: Callable[[str], re.Match[str] | None], line: str) -> str | None:
    """Return the user that a regular expression finds in a line; raises BadLine."""
    found = _search(find, line[:SEARCHED])
    if found is None and len(line) > SEARCHED:
        raise BadLine(f"its first {SEARCHED:,} characters do not match --user-regex")
    return found[1] if found else None


def _search(find: Callable[[str], re.Match[str] | None], text: str) -> re.Match[str] | None:
    """Return what a regular expression finds; raises Unreadable if that takes too long.

    The time may grow exponentially with the text. Python interrupts a search for a signal, and
    handles signals in the main thread; elsewhere, and on Windows, there is no limit.
    """
    if not hasattr(signal, "setitimer") or current_thread() is not main_thread():
        return find(text)
    try:
        before = signal.signal(signal.SIGVTALRM, _give_up)
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            return find(text)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
    except TimeoutError:
        raise Unreadable(
            "--user-regex takes more than a second: avoid repetitions of repetitions, like (a+)+"
        ) from None


def _give_up(*_: object) -> NoReturn:
    raise TimeoutError


def _unwrapped(line: str) -> str:
    """Return the line of a log that a log collector has put into a JSON object; raises BadLine."""
    data = object_in(line)
    for key in LINE_KEYS:
        if isinstance(data.get(key), str):
            return str(data[key])
    raise BadLine(NOT_A_LOG)


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ValueError(f"{regex!r} is not a regular expression: {error}.") from None
    if not pattern.groups:
        raise ValueError(f"{regex!r} has no group for the user, as in '/users/(\\d+)/'.")
    return pattern

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from datetime import UTC
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from souvenirs.importing import logs
from souvenirs.importing.lines import BadLine, Record, Unreadable, read_lines
from souvenirs.importing.logs import LogParser
from tests.importing.entries import MOMENT, read, reason

TIME = "[31/Jan/2016:10:30:00 +0000]"
REQUEST = '"GET /a HTTP/1.1" 200 5'

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("line", "user"),
    [
        (f"1.2.3.4 - ann {TIME} {REQUEST}", "ann"),
        (f'1.2.3.4 - ann {TIME} {REQUEST} "http://a/" "Mozilla/5.0 (X11; [en])"', "ann"),
        (f'1.2.3.4 - ann {TIME} {REQUEST} "-" "-" www.example.com 443 - - + "-" 12 %', "ann"),
        (f"a.example.com:443 1.2.3.4 - ann {TIME} {REQUEST}", "ann"),
        (f"a.example.com:443 1.2.3.4 - - {TIME} {REQUEST}", None),
        (f"1.2.3.4:5678 - ann {TIME} {REQUEST}", "ann"),
        (f"2001:db8::1 - ann {TIME} {REQUEST}", "ann"),
        (f"::1 - ann lee {TIME} {REQUEST}", "ann lee"),
        (f"1.2.3.4 ident ann {TIME} {REQUEST}", "ann"),
        (f"1.2.3.4 - ann@example.com {TIME} {REQUEST}", "ann@example.com"),
        (f"1.2.3.4 - ann lee {TIME} {REQUEST}", "ann lee"),
        (f'1.2.3.4 - "ann lee" {TIME} {REQUEST}', '"ann lee"'),
        (f'1.2.3.4 - "" {TIME} {REQUEST}', '""'),
        (f"1.2.3.4 -  {TIME} {REQUEST}", None),
        (f"1.2.3.4 - - {TIME} {REQUEST}", None),
        (f'1.2.3.4 - "-" {TIME} {REQUEST}', '"-"'),
        (f"1.2.3.4 - J\\xC3\\xBCrgen {TIME} {REQUEST}", r"J\xC3\xBCrgen"),
        (f"1.2.3.4 - Jürgen {TIME} {REQUEST}", "Jürgen"),
        (f'1.2.3.4 - ann {TIME} "GET /[31/Feb/2016:10:30:00 +0000] HTTP/1.1" 404 5', "ann"),
        (f"1.2.3.4 - ann {TIME}", "ann"),
    ],
)
def test_a_log_line_has_the_authenticated_user(line, user):
    assert LogParser(UTC)(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    "line",
    ["user_id,when", "1.2.3.4 - ann", "ann [31/Jan/2016:10:30:00 +0000]", "[error] no such file"],
)
def test_anything_but_an_access_log_line_is_a_bad_line(line):
    assert reason(LogParser(UTC), line) == "not an access log line"


@pytest.mark.parametrize(
    ("regex", "user"),
    [
        (r"^(\S+)", "1.2.3.4"),
        (r"[?&]user=(\d+)", "17"),
        (r"(?P<user>seventeen)?user=", None),
        (r"user=(\d*)\D?17", None),
        (r"no such (thing)", None),
        (r" (-) ann", None),
    ],
)
def test_a_regular_expression_can_find_the_user(regex, user):
    line = f'1.2.3.4 - ann {TIME} "GET /?user=17 HTTP/1.1" 200 5'
    assert LogParser(UTC, None, regex)(line) == Record(user, MOMENT)


def test_a_bad_regular_expression_is_refused():
    with pytest.raises(ValueError, match=r"^'\(a' is not a regular expression: .*\.$"):
        LogParser(UTC, None, "(a")


def test_a_regular_expression_without_a_group_is_refused():
    with pytest.raises(ValueError, match=r"^'users/.d' has no group for the user"):
        LogParser(UTC, None, "users/.d")


# What stands before the address


@pytest.mark.parametrize(
    "prefix",
    [
        "www.example.com ",
        "www.example.com:443 ",
        "localhost ",
        "Jan 23 16:00:02 web1 nginx: ",
        "<190>Jan  3 16:00:02 web1 nginx[123]: ",
        "<190>1 2018-01-23T16:00:02.003Z web1 nginx 123 - - ",
        '<190>1 2018-01-23T16:00:02+00:00 web1 nginx - ID47 [id@1 a="b"] ',
        "2018-01-23T16:00:02.123456789Z stdout F ",
        "web-1  | ",
        "web_1 | ",
        "access.log:",
        "access.log.1:17:",
        "1454236200123 ",
        "[2016-01-31 10:30:00 +0000] [12345] [INFO] ",
        "2016-01-31 10:30:00,123 - gunicorn.access - INFO - ",
        "2016-01-31 10:30:00 - ",
        "INFO:gunicorn.access:",
        "10.0.0.1 ",
        "203.0.113.1, 198.51.100.2, ",
        "203.0.113.1 - ",
        "[2001:db8::1]:443 ",
        "16:00:02 ",
        '"',
    ],
)
@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::1", "::1", "1:2:3:4:5:6:7:8"])
@pytest.mark.parametrize(
    ("name", "user"), [("ann", "ann"), ("-", None), ("ann lee", "ann lee"), ("a - b", "a - b")]
)
def test_anything_may_stand_before_an_address(prefix, address, name, user):
    line = f"{prefix}{address} - {name} {TIME} {REQUEST}"
    assert LogParser(UTC)(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.10:5678",
        "[2001:db8::1]:5678",
        "fe80::1%eth0",
        "192.0.2.x",
        "192.0.x.x",
        '"192.0.2.10"',
        "host.example.com",
        "www.example.com host.example.com",
        "localhost",
        "unix:",
        "-",
        "Jan 23 16:00:02 web1 nginx: host.example.com",
        "web-1  | host.example.com",
    ],
)
@pytest.mark.parametrize(("name", "user"), [("ann", "ann"), ("-", None), ("ann lee", "ann lee")])
def test_an_address_may_be_a_host_or_incomplete(address, name, user):
    line = f"{address} - {name} {TIME} {REQUEST}"
    assert LogParser(UTC)(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    ("start", "user"),
    [
        ("192.0.2.10 ident ann", "ann"),
        ("192.0.2.10 www.example.com ann", "ann"),  # as lighttpd has it
        ("192.0.2.10 www.example.com ann lee", "ann lee"),
        ("192.0.2.10 10.0.0.1 ann", "ann"),
        ("Jan 23 16:00:02 web1 lighttpd: 192.0.2.10 www.example.com -", None),
        ("host.example.com ident ann", "ann"),
    ],
)
def test_an_ident_is_one_word(start, user):
    assert LogParser(UTC)(f"{start} {TIME} {REQUEST}") == Record(user, MOMENT)


def test_tabs_may_separate_the_words():
    line = f"192.0.2.10 - ann {TIME} {REQUEST}".replace(" ", "\t")
    assert LogParser(UTC)(line.replace(":00\t+", ":00 +")) == Record("ann", MOMENT)


@pytest.mark.parametrize(
    "time",
    ["31/Jan/2016:10:30:00.000 +0000", "2016-01-31T10:30:00+00:00", "1454236200", "1454236200.000"],
)
def test_the_time_in_brackets_may_be_in_another_notation(time):
    assert LogParser(UTC)(f"192.0.2.10 - ann [{time}] {REQUEST}") == Record("ann", MOMENT)


@pytest.mark.parametrize(
    "line",
    [
        f"started worker process {TIME}",
        f"worker started now {TIME} {REQUEST}",
        f"INFO - started {TIME}",
        f"haproxy[14389]: 10.0.1.2:33317 {TIME} http-in static/srv1",
        f"79a59df900b949e5 bucket {TIME} 192.0.2.3 79a59df900b949e5 3E57427F3EXAMPLE",
        f"sshd: connection from 192.0.2.10 port 22 {TIME}",
        f'192.0.2.10 - - [bad] "GET /{TIME} {TIME} HTTP/1.1" 200 5',
        "192.0.2.10 - ann [Sun Jan 31 2016] GET",
        "192.0.2.10 - ann [31/Jan/2016",
        f"192.0.2.10 ann {TIME} {REQUEST}",
        f"{'x' * 9000} 192.0.2.10 - ann {TIME} {REQUEST}",
        f"192.0.2.10 - - ann {TIME} {REQUEST}",
        f"192.0.2.10 - ann - {TIME} {REQUEST}",
        "# a comment",
        '{"level": "info"}',
    ],
)
def test_a_line_whose_shape_is_not_known_is_bad(line):
    assert reason(LogParser(UTC), line) == "not an access log line"


@pytest.mark.parametrize("key", ["log", "message", "MESSAGE"])
def test_a_log_collector_may_have_put_the_line_into_json(key):
    line = f'192.0.2.10 - \\"ann {TIME} {REQUEST}\n'
    document = json.dumps({key: line, "stream": "stdout"})
    assert LogParser(UTC)(document) == Record('\\"ann', MOMENT)


def test_a_regular_expression_needs_a_time_and_no_more():
    line = f"79a59df900b949e5 bucket {TIME} 192.0.2.3 arn:aws:iam::1:user/ann"
    assert LogParser(UTC, None, r"user/(\w+)")(line) == Record("ann", MOMENT)
    assert reason(LogParser(UTC, None, r"user/(\w+)"), "user/ann") == "not an access log line"


def test_a_regular_expression_is_searched_for_in_the_start_of_a_line():
    start = f"192.0.2.10 - - {TIME} "
    parser = LogParser(UTC, None, "user=(ann)")
    assert parser(start.ljust(8192 - 8, "x") + "user=ann").user == "ann"
    assert parser(start.ljust(8192, "x")).user is None
    text = "its first 8,192 characters do not match --user-regex"
    assert reason(parser, start.ljust(8192 - 7, "x") + "user=ann") == text


def test_a_search_without_end_is_stopped(monkeypatch):
    """In processor time, so that a busy machine stops no other search."""
    monkeypatch.setattr(logs, "SECONDS", 0.05)
    handler = signal.getsignal(signal.SIGVTALRM)
    parser = LogParser(UTC, None, r"(?:x+)+ (ann)")
    for _ in range(2):
        with pytest.raises(Unreadable) as error:
            parser(f"{'x' * 60} - ann {TIME}")
        assert str(error.value) == (
            "--user-regex takes more than a second: avoid repetitions of repetitions, like (a+)+"
        )
        assert parser(f"1.2.3.4 - bob {TIME} x ann").user == "ann"
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert signal.getsignal(signal.SIGVTALRM) == handler


def test_a_search_outside_the_main_thread_has_no_limit():
    """Only the main thread can be interrupted."""
    found = []
    line = f"1.2.3.4 - bob {TIME} ann"
    thread = Thread(target=lambda: found.append(LogParser(UTC, None, "(ann)")(line).user))
    thread.start()
    thread.join()
    assert found == ["ann"]


@pytest.mark.parametrize(
    "part",
    [
        "[12/ ",
        f" {TIME}",
        "1.2.3.4 - ",
        "::1 ",
        ' "',
        "- - ",
        "a.b | ",
        ":",
        "[31/Jan/2016:10:30:00 +0000 ",
    ],
)
@pytest.mark.parametrize("regex", [None, r" - (.+?) \[x"])
def test_the_time_for_a_line_does_not_grow_with_its_square(part, regex):
    """A line 32 times as long takes less than 32 * 32 / 4 times as long."""
    parser = LogParser(UTC, None, regex)
    durations = []
    for length in (32_768, 1024 * 1024):
        line = (part * (length // len(part) + 1))[:length]
        calls, start = 0, time.process_time()
        # The clock may be as coarse as this.
        while (spent := time.process_time() - start) < 0.02:
            with suppress(BadLine):
                parser(line)
            calls += 1
        durations.append(spent / calls)
    assert durations[1] < durations[0] * 256


# The Extended Log Format of the W3C


FIELDS = "#Fields: date time cs-method cs-uri-stem cs-username c-ip"
LINE = "2016-01-31 10:30:00 GET / ann 192.0.2.1"


@pytest.mark.parametrize(
    ("fields", "line", "user"),
    [
        (FIELDS, LINE, "ann"),
        (FIELDS, LINE.replace("ann", "-"), None),
        (FIELDS, LINE.replace("ann", "ann+lee"), "ann+lee"),
        (FIELDS.replace(":", ":\t"), LINE.replace(" ", "\t"), "ann"),
        ("#Fields: date-time,cs-username", "2016-01-31T10:30:00.000Z,ann", "ann"),
        ("#Fields: date-time,x,cs-username", '2016-01-31T10:30:00Z,"a, b",ann', "ann"),
        ("#fields: x cs-username date time", '"a b" ann 2016-01-31 10:30:00', "ann"),
        ("#Fields: x\tcs-username\tdate\ttime", '"a b"\tann\t2016-01-31\t10:30:00', "ann"),
        ("#Fields: time date cs-username", "10:30:00 2016-01-31 ann", "ann"),
        ("#Fields: date time cs-username x", '2016-01-31 10:30:00 ann "', "ann"),
    ],
)
def test_a_log_of_the_w3c_names_its_fields(fields, line, user):
    assert read([fields, line], LogParser(PARIS)) == [Record(user, MOMENT)]


def test_the_fields_may_change():
    lines = [
        "#Software: X",
        FIELDS,
        LINE,
        "#Fields: cs-username date time",
        "bob 2016-01-31 10:30:00",
    ]
    users = [entry.user for _, entry in read_lines(lines, LogParser(UTC))]
    assert users == ["ann", "bob"]


def test_a_directive_may_have_the_date():
    lines = ["#Date: 31-Jan-2016 00:00:00", "#Fields: time cs-username", "10:30:00 ann"]
    assert read(lines, LogParser(UTC)) == [Record("ann", MOMENT)]
    lines[0] = "#Date: 2016-01-31 00:00:00"
    assert read(lines, LogParser(UTC)) == [Record("ann", MOMENT)]


@pytest.mark.parametrize(
    ("fields", "line", "text"),
    [
        (FIELDS, LINE + " more", "the number of values is 7, not 6"),
        (FIELDS, "2016-01-31 10:30:00 GET", "the number of values is 3, not 6"),
        (FIELDS, LINE.replace("10:30", "10:60"), "'2016-01-31 10:60:00' is not a time"),
        (FIELDS, LINE.replace("GET", f'"{"a " * 100_000}"'), "not separated values: field larger"),
        (
            FIELDS.replace("cs-username ", ""),
            LINE,
            "#Fields has no field cs-username; use --map user=FIELD,when=FIELD",
        ),
        ("#Fields: time cs-username", "10:30:00 ann", "#Fields has no field date; use --map"),
        ("#Fields: a", "a", "#Fields has no field cs-username and no field date-time; use --map"),
    ],
)
def test_a_line_that_does_not_fit_the_fields_is_bad(fields, line, text):
    [(number, why)] = read([fields, line], LogParser(UTC))
    assert number == 2
    assert why.startswith(text)


def test_fields_can_be_mapped():
    parser = LogParser(UTC, {"user": "x-user", "when": "x-timestamp"})
    lines = ["#Fields: x-timestamp x-user", "1454236200.000 ann"]
    assert read(lines, parser) == [Record("ann", MOMENT)]


def test_a_regular_expression_finds_users_in_a_log_of_the_w3c():
    parser = LogParser(UTC, None, r"/users/(\d+)")
    lines = ["#Fields: date time x", "2016-01-31 10:30:00 /users/7", "2016-01-31 10:30:00 /"]
    assert read(lines, parser) == [Record("7", MOMENT), Record(None, MOMENT)]


def test_other_logs_have_no_fields_to_map():
    text = reason(LogParser(UTC, {"user": "x"}), f"192.0.2.10 - ann {TIME} {REQUEST}")
    assert text == "--map names fields, which an access log line does not have"

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, timedelta

import pytest

from souvenirs.importing.formats import csv_parser, log_parser
from souvenirs.importing.lines import Record, Unreadable, open_text, read_lines
from tests.conftest import at
from tests.importing.reading import MOMENT, WHEN, read, read_file


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """Write bytes to a file, plain and gzipped, and return its path."""

    def write_file(content):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return write_file


@pytest.mark.parametrize(
    "content",
    [
        b"user_id,when\n1,2016-01-31T10:30:00Z\n",
        b"user_id,when\r\n1,2016-01-31T10:30:00Z\r\n",
        b"user_id,when\r1,2016-01-31T10:30:00Z\r",
        b"user_id,when\n1,2016-01-31T10:30:00Z",
        b"\xef\xbb\xbfuser_id,when\n1,2016-01-31T10:30:00Z\n",
        b'\xef\xbb\xbf"user_id","when"\r\n"1","2016-01-31T10:30:00Z"\r\n',
    ],
    ids=["LF", "CRLF", "CR", "no end of line", "byte order mark", "as Excel has it"],
)
def test_any_line_ending_is_read(write, content):
    assert read_file(write(content), csv_parser(None, UTC)) == [Record("1", MOMENT)]


def test_bytes_that_are_not_utf_8_are_replaced(write):
    path = write(f"user_id,when\nM\xfcller,{WHEN}\nMuller,{WHEN}\n".encode("latin-1"))
    records = read_file(path, csv_parser(None, UTC))
    assert [record.user for record in records] == ["M\ufffdller", "Muller"]


def test_an_empty_file_has_no_lines(write):
    assert read_file(write(b""), csv_parser(None, UTC)) == []


def test_the_position_grows_to_the_size_of_the_file(write):
    path = write(b"".join(b"%s\n" % os.urandom(40).hex().encode() for _ in range(10_000)))
    with open_text(str(path)) as (lines, position):
        next(lines)
        start = position()
        for _ in lines:
            pass
        assert start < position() == path.stat().st_size


@contextmanager
def standard_input(monkeypatch, content):
    buffer = io.BufferedReader(io.BytesIO(content))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(buffer, encoding="ascii"))
        yield


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_read_like_a_file(monkeypatch, pack):
    content = b"\xef\xbb\xbf" + f"user_id,when\r\nJürgen,{WHEN}\r\n".encode()
    with standard_input(monkeypatch, pack(content)):
        assert read_file("-", csv_parser(None, UTC)) == [Record("Jürgen", MOMENT)]


def test_standard_input_stays_open(monkeypatch):
    with standard_input(monkeypatch, b"user_id,when\n"):
        read_file("-", csv_parser(None, UTC))
        assert sys.stdin.buffer.read() == b""


def test_the_position_in_a_pipe_is_unknown(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a\nb\n",))
    writer.start()
    with open_text(str(tmp_path / "pipe")) as (lines, position):
        assert (list(lines), position()) == (["a\n", "b\n"], 0)
    writer.join()


# Lines


def test_lines_are_numbered_as_in_an_editor():
    lines = ["user_id,when\n", "\n", "1,never\n", f"1,{WHEN}\n", "2,never\n"]
    numbers = [number for number, _ in read_lines(lines, csv_parser(None, UTC))]
    assert numbers == [3, 4, 5]


@pytest.mark.parametrize("line", ["\n", "", "  \t\r\n", "\0\0\n"])
def test_empty_lines_are_skipped(line):
    assert read([line, f"1,{WHEN}\n", line], csv_parser(["user_id", "when"], UTC)) == [
        Record("1", MOMENT)
    ]


def test_nul_characters_are_ignored():
    line = "\0" * 4096 + '1.2.3.4 - a\0nn [31/Jan/2016:10:30:00 +0000] "GET / HTTP/1.1" 200 5'
    assert read([line], log_parser()) == [Record("ann", MOMENT)]


def broken(content):
    """Yield the lines of a damaged gzipped file."""
    with gzip.open(io.BytesIO(content), "rt") as lines:
        yield from lines


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda zipped: zipped[:-2000], "ended before"),
        (lambda zipped: zipped[:-8] + b"\0" * 8, "CRC check failed"),
        (lambda zipped: zipped[:20_000] + b"\xff" * 500 + zipped[20_500:], "Error -3"),
        (lambda zipped: zipped + b"and more", "Not a gzipped file"),
    ],
    ids=["truncated", "wrong sum", "corrupt", "followed by something else"],
)
def test_a_damaged_file_is_read_up_to_the_damage(damage, words):
    text = "".join(f"{n},{at(2016, 1, 1) + timedelta(seconds=n**2)}\n" for n in range(5000))
    lines = broken(damage(gzip.compress(text.encode())))
    *before, (number, last) = read_lines(lines, csv_parser(["user_id", "when"], UTC))
    assert [reading.user for _, reading in before] == [str(n) for n in range(number - 1)]
    assert len(before) > 1000
    assert isinstance(last, Unreadable)
    assert words in str(last)

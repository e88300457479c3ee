from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, timedelta
from functools import partial

import pytest

from souvenirs.importing.cells import CellParser
from souvenirs.importing.files import open_text
from souvenirs.importing.lines import LONGEST, Record, Unreadable, read_lines
from souvenirs.importing.logs import LogParser
from tests.conftest import at
from tests.importing.entries import MOMENT, WHEN, read, read_file


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
    assert read_file(write(content), CellParser(UTC)) == [Record("1", MOMENT)]


def test_bytes_that_are_not_utf_8_are_replaced(write):
    path = write(f"user_id,when\nM\xfcller,{WHEN}\nMuller,{WHEN}\n".encode("latin-1"))
    records = read_file(path, CellParser(UTC))
    assert [record.user for record in records] == ["M\ufffdller", "Muller"]


def test_an_empty_file_has_no_lines(write):
    assert read_file(write(b""), CellParser(UTC)) == []


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
        assert read_file("-", CellParser(UTC)) == [Record("Jürgen", MOMENT)]


def test_standard_input_stays_open(monkeypatch):
    with standard_input(monkeypatch, b"user_id,when\n"):
        read_file("-", CellParser(UTC))
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
    numbers = [number for number, _ in read_lines(lines, CellParser(UTC))]
    assert numbers == [3, 4, 5]


@pytest.mark.parametrize("line", ["\n", "", "  \t\r\n", "\0\0\n"])
def test_empty_lines_are_skipped(line):
    assert read([line, f"1,{WHEN}\n", line], CellParser(UTC, columns=["user_id", "when"])) == [
        Record("1", MOMENT)
    ]


def test_byte_order_marks_between_joined_files_are_ignored(write):
    file = f"user_id,when\n1,{WHEN}\n".encode("utf-8-sig")
    entries = read_file(write(file + file), CellParser(UTC))
    assert entries[0] == entries[2] == Record("1", MOMENT)
    assert entries[1][1].startswith("'when' is not a time")


def test_nul_characters_are_ignored():
    line = "\0" * 4096 + '1.2.3.4 - a\0nn [31/Jan/2016:10:30:00 +0000] "GET / HTTP/1.1" 200 5'
    assert read([line], LogParser(UTC)) == [Record("ann", MOMENT)]


PACK = {"gz": gzip.compress, "bz2": partial(bz2.compress, compresslevel=1), "xz": lzma.compress}


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("suffix", ["", ".gz", ".log"])
def test_a_compressed_file_is_known_from_its_content(tmp_path, pack, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(pack(f"user_id,when\n1,{WHEN}\n".encode()))
    assert read_file(path, CellParser(UTC)) == [Record("1", MOMENT)]


@pytest.mark.parametrize(
    ("start", "name", "program"),
    [
        (b"PK\x03\x04", "ZIP", "unzip -p"),
        (b"\x04\x22\x4d\x18", "LZ4", "lz4 -dc"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x -so"),
    ],
)
def test_a_compression_that_python_does_not_know_is_named(tmp_path, start, name, program):
    path = tmp_path / "file.csv"
    path.write_bytes(start + b"...")
    with pytest.raises(Unreadable) as error, open_text(str(path)):
        pass
    assert str(error.value) == (
        f"it is compressed with {name}, which this Python cannot unpack; pipe it: "
        f"{program} FILE | python manage.py import_souvenirs - --format FORMAT"
    )


DAMAGES = [
    ("gz", lambda packed: packed[:-2000], "ended before"),
    ("gz", lambda packed: packed[:-8] + b"\0" * 8, "CRC check failed"),
    ("gz", lambda packed: packed[:20_000] + b"\xff" * 500 + packed[20_500:], "Error -3"),
    ("gz", lambda packed: packed + b"and more", "Not a gzipped file"),
    ("bz2", lambda packed: packed[:-2000], "ended before"),
    ("bz2", lambda packed: packed[:-4] + b"\0" * 4, "Invalid data"),
    ("xz", lambda packed: packed[:-2000], "ended before"),
    ("xz", lambda packed: packed[:-2000] + b"\xff" * 500 + packed[-1500:], "Corrupt"),
]


@pytest.mark.parametrize(("kind", "damage", "words"), DAMAGES)
def test_a_damaged_file_is_read_up_to_the_damage(tmp_path, kind, damage, words):
    lines = [f"{n},{at(2016, 1, 1) + timedelta(seconds=n**2)}\n" for n in range(5000)]
    path = tmp_path / "file"
    path.write_bytes(damage(PACK[kind]("".join(lines).encode())))
    with open_text(str(path)) as (text, _):
        *before, (number, last) = read_lines(text, CellParser(UTC, columns=["user_id", "when"]))
    assert [entry.user for _, entry in before] == [str(n) for n in range(number - 1)]
    assert len(before) > 1000
    assert isinstance(last, Unreadable)
    assert words in str(last)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b", b"\x1f\x8b\x08\0", b"BZh9\0\0", b"\xfd7zXZ\0\0\0"]
)
def test_a_file_damaged_at_its_start_cannot_be_read(tmp_path, content):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"^the rest of the file cannot be read: "):
        read_file(path, CellParser(UTC))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_encoding_of_a_file_is_known_from_its_start(write, encoding):
    path = write(f"user_id,when\r\nJürgen,{WHEN}\r\n".encode(encoding))
    assert read_file(path, CellParser(UTC)) == [Record("Jürgen", MOMENT)]


@pytest.mark.parametrize(("encoding", "given"), [("cp1252", "cp1252"), ("utf-16", "cp1252")])
def test_an_encoding_can_be_given(write, encoding, given):
    """A byte order mark knows better."""
    path = write(f"user_id,when\nJürgen,{WHEN}\n".encode(encoding))
    with open_text(str(path), given) as (lines, _):
        assert read(lines, CellParser(UTC)) == [Record("Jürgen", MOMENT)]


# Long lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_longest_line_has_one_mebibyte(tmp_path, end):
    path = tmp_path / "file"
    last = f"1,{WHEN}"
    lines = [last + " " * (LONGEST - len(last)), last + " " * (LONGEST + 1 - len(last)), last]
    path.write_text(end.join(lines), newline="")
    parser = CellParser(UTC, columns=["user_id", "when"])
    record = Record("1", MOMENT)
    assert read_file(path, parser) == [record, (2, "longer than 1 MiB"), record]


@pytest.mark.parametrize("length", [LONGEST + 1, LONGEST + 2, 2 * LONGEST + 2, 3 * LONGEST + 5])
def test_lines_after_a_long_one_keep_their_numbers(tmp_path, length):
    path = tmp_path / "file"
    path.write_text("\n".join(["x" * length, f"1,{WHEN}", "\0" * length, "bad"]))
    parser = CellParser(UTC, columns=["user_id", "when"])
    entries = read_file(path, parser)
    assert entries == [
        (1, "longer than 1 MiB"),
        Record("1", MOMENT),
        (3, "longer than 1 MiB"),
        (4, "the number of cells is 1, not 2"),
    ]


def memory_of(path):
    tracemalloc.start()
    [(number, text)] = read_file(path, CellParser(UTC))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (number, text) == (1, "longer than 1 MiB")
    return peak


def test_memory_does_not_grow_with_a_line(tmp_path):
    peaks = []
    for mebibytes in (2, 32):
        path = tmp_path / f"{mebibytes}.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(mebibytes):
                file.write(b"\0" * LONGEST)
        peaks.append(memory_of(path))
    assert peaks[1] < peaks[0] + 3 * LONGEST


def test_a_name_is_no_longer_than_any_user(tmp_path):
    parser = CellParser(UTC, columns=["user_id", "when"])
    lines = [f"{'x' * 1000},{WHEN}", f"{'x' * 1001},{WHEN}"]
    assert read(lines, parser) == [
        Record("x" * 1000, MOMENT),
        (2, "its user has more than 1,000 characters"),
    ]

"""Files as lines of text: plain or compressed, in the encoding that they are in."""

from __future__ import annotations

import codecs
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

from .lines import LONGEST, Entry, Parser, Unreadable, read_lines


class Compression(NamedTuple):
    """A compression: how its files begin and are named, and what unpacks them."""

    name: str
    start: bytes
    suffix: str
    #: The module of Python, whose ``open()`` takes a file; empty if there is none.
    module: str
    program: str


COMPRESSIONS = [
    Compression("gzip", b"\x1f\x8b", ".gz", "gzip", "gzip -dc"),
    Compression("bzip2", b"BZh", ".bz2", "bz2", "bzip2 -dc"),
    Compression("xz", b"\xfd7zXZ\0", ".xz", "lzma", "xz -dc"),
    Compression("Zstandard", b"\x28\xb5\x2f\xfd", ".zst", "compression.zstd", "zstd -dc"),
    Compression("LZ4", b"\x04\x22\x4d\x18", ".lz4", "", "lz4 -dc"),
    Compression("ZIP", b"PK\x03\x04", ".zip", "", "unzip -p"),
    Compression("compress", b"\x1f\x9d", ".z", "", "uncompress -c"),
    Compression("7-Zip", b"7z\xbc\xaf\x27\x1c", ".7z", "", "7z x -so"),
]

#: The byte order marks; that of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@contextmanager
def open_entries(
    path: str, parser: Parser, encoding: str | None = None
) -> Iterator[tuple[Iterator[tuple[int, Entry]], Callable[[], int]]]:
    """Open a file like :func:`open_text`; yields entries like :func:`read_lines` in its place."""
    with open_text(path, encoding) as (lines, position):
        yield read_lines(lines, parser), position


@contextmanager
def open_text(
    path: str, encoding: str | None = None
) -> Iterator[tuple[Iterator[str], Callable[[], int]]]:
    """Open a plain or compressed file as lines of text; ``-`` is standard input.

    Yields the lines, and a function that returns how many bytes of the file have been read, 0 if
    that is unknown. A line of more than LONGEST characters ends after one more. A byte order mark
    is removed, and goes before ``encoding``, which is UTF-8 by default; bytes that it does not have
    become replacement characters. Raises Unreadable for a file that cannot be unpacked; the lines
    do where it is damaged.
    """
    raw: Any
    with (
        nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as raw,
        _unpacked(raw) as stream,
    ):
        with _damages():
            start = stream.peek(64)[:64]
        text = TextIOWrapper(stream, _encoding(start, encoding), errors="replace")
        try:
            yield _lines(text), raw.tell if raw.seekable() else lambda: 0
        finally:
            text.detach()  # keeps standard input open


def _unpacked(raw: Any) -> Any:
    start = raw.peek(8)
    for compression in COMPRESSIONS:
        if start.startswith(compression.start):
            try:
                return import_module(compression.module).open(raw)
            except (ImportError, ValueError):  # the latter for no name
                raise Unreadable(
                    f"it is compressed with {compression.name}, which this Python cannot unpack; "
                    f"pipe it: {compression.program} FILE | "
                    "python manage.py import_souvenirs - --format FORMAT"
                ) from None
    return nullcontext(raw)


def _encoding(start: bytes, given: str | None) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    if given is None and len(start) > 1:
        # Of ASCII characters in UTF-16, every other byte is NUL.
        for encoding, some, none in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
            if 0 not in start[some::2] and not any(start[none::2]):
                return encoding
    return given or "utf-8"


def _lines(text: TextIOWrapper) -> Iterator[str]:
    with _damages():
        while line := text.readline(LONGEST + 1):
            yield line
            rest = line
            while len(rest) > LONGEST and not rest.endswith("\n"):
                rest = text.readline(LONGEST + 1)


@contextmanager
def _damages() -> Iterator[None]:
    """Raise Unreadable where a file is damaged."""
    try:
        yield
    except (
        OSError,
        EOFError,
        zlib.error,
        _error_of("lzma", "LZMAError"),
        _error_of("compression.zstd", "ZstdError"),
    ) as error:
        raise Unreadable(f"the rest of the file cannot be read: {error}") from error


def _error_of(module: str, name: str) -> type[Exception]:
    """Return the error of a module, which a Python can be without."""
    return getattr(sys.modules.get(module), name, EOFError)

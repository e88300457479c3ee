"""Sets of users by number, and the checked bytes in which they are stored.

A set is a 32-bit Roaring bitmap: two bytes for a user of a sparse set, one bit in a dense one. No
other module depends on that.

The bytes are a header (format, number of users, checksum) and the bitmap in Roaring's portable
format. A bitmap with one bit flipped is often a valid bitmap of other users, so nothing is decoded
before its checksum has been verified. The checksum also covers the :class:`Label`, so the bytes of
another digest do not match. It detects accidents, not forgeries.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from operator import and_, or_, sub, xor
from typing import Any, NamedTuple

from pyroaring import FrozenBitMap
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from ..calendar import EPOCH, MICROSECOND

#: The greatest number of a user.
LAST_NUMBER = 2**32 - 1

#: A set is dense if it contains at least one in this many of the numbers up to its greatest.
DENSE = 64

FORMAT = b"USR\x01"
#: Format, number of users, checksum.
HEADER = struct.Struct("<4sqQ")

#: The numbers in a container of Roaring's portable format, and its size as a bitmap.
CONTAINER, BITMAP_SIZE = 2**16, 2**13
#: A container with more numbers than this is stored as a bitmap.
MOST_IN_ARRAY = 4096
#: The first two bytes if there are containers of runs.
HAS_RUNS = 12347
#: With runs, the places of the containers are only stored if there are at least this many.
LEAST_PLACED = 4

#: The bits of a byte, each as a byte.
FLAGS = [bytes(byte >> place & 1 for place in range(8)) for byte in range(256)]


class CorruptDigest(ValueError):
    """The stored bytes of a digest are damaged or belong to another digest."""


class Label(NamedTuple):
    """The digest in which a set is stored: its kind, its cell, and how often it was written."""

    kind: str
    level: int
    #: Aware, in any time zone.
    start: datetime
    version: int


class UserSet:
    """An immutable set of users by their numbers, from 0 to 2**32 - 1.

    ``len()``, ``in``, iteration in ascending order, ``& | - ^``, ``<=``, ``==`` and ``hash()`` work
    as on a frozenset, but with other UserSets only.
    """

    __slots__ = ("_bitmap",)

    def __init__(self) -> None:
        self._bitmap = FrozenBitMap()

    @classmethod
    def _of(cls, bitmap: FrozenBitMap) -> UserSet:
        users = cls.__new__(cls)
        users._bitmap = bitmap
        return users

    @classmethod
    def from_ids(cls, ids: Iterable[int]) -> UserSet:
        """Return the set of these numbers, which may come in any order and repeatedly.

        An ``array("I")``, or a memoryview of one, is the fastest. Raises TypeError for anything
        but an int (bools and raw bytes included), and ValueError for a number out of range.
        """
        return cls._of(FrozenBitMap(_packed(ids)))

    @classmethod
    def from_range(cls, start: int, stop: int) -> UserSet:
        """Return the set of the numbers from ``start`` up to, but without, ``stop``."""
        return cls._of(FrozenBitMap(range(start, stop)))

    @classmethod
    def union(cls, sets: Iterable[UserSet]) -> UserSet:
        """Return the union of the sets, much faster than a chain of ``|``."""
        bitmaps = [users._bitmap for users in sets]
        return cls._of(FrozenBitMap.union(*bitmaps)) if bitmaps else cls()

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, label: Label) -> UserSet:
        """Return the set that :meth:`to_bytes` wrote under an equal label.

        Raises CorruptDigest, and nothing else, for any other bytes.
        """
        if len(data) < HEADER.size:
            raise _corrupt(label, f"it is too short, {len(data)} bytes")
        # A view, because a slice would copy megabytes.
        body = memoryview(data)[HEADER.size :]
        form, count, checksum = HEADER.unpack_from(data)
        if form != FORMAT:
            raise _corrupt(label, f"it starts with {form!r} instead of {FORMAT!r}")
        if checksum != _checksum(label, count, body):
            raise _corrupt(label, "its checksum does not match its bytes and its place")
        try:
            bitmap = FrozenBitMap.deserialize(body)  # type: ignore[arg-type]  # takes any buffer
        except (ValueError, IndexError) as error:
            raise _corrupt(label, f"it holds no bitmap ({error})") from None
        if len(bitmap) != count:
            raise _corrupt(label, f"it holds {len(bitmap)} users instead of {count}")
        return cls._of(bitmap)

    def to_bytes(self, label: Label) -> bytes:
        """Return the set as bytes that :meth:`from_bytes` reads under an equal label only."""
        # A copy is as small as it gets; the bitmap itself may be under iteration, and stays.
        body = FrozenBitMap(self._bitmap).serialize()
        return HEADER.pack(FORMAT, len(self), _checksum(label, len(self), body)) + body

    def max(self) -> int:
        """Return the greatest number in the set; raises ValueError if it is empty."""
        return self._bitmap.max()

    def shifted(self, offset: int) -> UserSet:
        """Return the numbers plus an offset, without those that are then out of range."""
        return self._of(FrozenBitMap(self._bitmap.shift(offset)))

    def page(self, start: int, stop: int) -> list[int]:
        """Return the numbers at positions ``[start, stop)`` in ascending order."""
        return list(self._bitmap[start:stop])

    @property
    def is_dense(self) -> bool:
        """Whether the set is dense enough for :meth:`flags` and :meth:`bits`."""
        return bool(self._bitmap) and self._bitmap.max() < DENSE * len(self._bitmap)

    def flags(self) -> bytes:
        """Return a byte for each number up to the greatest: 1 if it is in the set, else 0.

        This is compact only for a dense set.
        """
        return b"".join(map(FLAGS.__getitem__, self.bits()))[: self.max() + 1]

    def bits(self) -> bytes:
        """Return :meth:`flags` as bits, eight to a byte, beginning with the lowest bit."""
        bits = bytearray((self.max() // CONTAINER + 1) * BITMAP_SIZE)
        for number, container in _containers(self._bitmap.serialize()):
            start = number * BITMAP_SIZE
            bits[start : start + BITMAP_SIZE] = container
        return bytes(bits[: self.max() // 8 + 1])

    def count_common(self, other: UserSet) -> int:
        """Return ``len(self & other)`` without building that set."""
        return self._bitmap.intersection_cardinality(other._bitmap)

    def count_union(self, other: UserSet) -> int:
        """Return ``len(self | other)`` without building that set."""
        return self._bitmap.union_cardinality(other._bitmap)

    def isdisjoint(self, other: UserSet) -> bool:
        """Whether no user is in both sets."""
        return not self._bitmap.intersect(other._bitmap)

    def __len__(self) -> int:
        return len(self._bitmap)

    def __contains__(self, user: object) -> bool:
        return isinstance(user, int) and 0 <= user <= LAST_NUMBER and user in self._bitmap

    def __iter__(self) -> Iterator[int]:
        return iter(self._bitmap)

    def _combined(self, operator: Callable[[Any, Any], Any], other: UserSet) -> UserSet:
        if not isinstance(other, UserSet):
            return NotImplemented
        return self._of(operator(self._bitmap, other._bitmap))

    def __and__(self, other: UserSet) -> UserSet:
        return self._combined(and_, other)

    def __or__(self, other: UserSet) -> UserSet:
        return self._combined(or_, other)

    def __sub__(self, other: UserSet) -> UserSet:
        return self._combined(sub, other)

    def __xor__(self, other: UserSet) -> UserSet:
        return self._combined(xor, other)

    def __le__(self, other: UserSet) -> bool:
        if not isinstance(other, UserSet):
            return NotImplemented
        return self._bitmap <= other._bitmap

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UserSet):
            return NotImplemented
        return self._bitmap == other._bitmap

    def __hash__(self) -> int:
        return hash(self._bitmap)

    def __repr__(self) -> str:
        shown = ", ".join(map(str, islice(self, 5)))
        more = ", ..." if len(self) > 5 else ""
        return f"<UserSet of {len(self)}: {shown}{more}>" if self else "<UserSet of 0>"


def checksum_of(label: Label, count: int) -> int:
    """Return the checksum of a digest's number of users, to verify it without reading the set.

    It fits into a signed 64-bit column.
    """
    start = (label.start - EPOCH) // MICROSECOND
    # The kind comes last, because it has no fixed length.
    packed = struct.pack("<qqqq", label.level, start, label.version, count) + label.kind.encode()
    return int.from_bytes(xxh3_64_digest(packed), "big", signed=True)


def _checksum(label: Label, count: int, body: bytes | memoryview) -> int:
    return xxh3_64_intdigest(body, seed=checksum_of(label, count) % 2**64)


def _corrupt(label: Label, reason: str) -> CorruptDigest:
    return CorruptDigest(
        f"The {label.kind!r} digest of level {label.level} from {label.start}, version "
        f"{label.version}, is corrupt: {reason}."
    )


def _containers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Generate the containers of a bitmap in Roaring's portable format, each as a bitmap."""
    cookie, most = struct.unpack_from("<HH", data)
    if cookie == HAS_RUNS:
        count, at = most + 1, 4 + most // 8 + 1
        is_run = int.from_bytes(data[4:at], "little")
    else:
        count, at = int.from_bytes(data[4:8], "little"), 8
        is_run = 0
    heads = struct.iter_unpack("<HH", data[at : at + 4 * count])
    at += 4 * count
    if cookie != HAS_RUNS or count >= LEAST_PLACED:
        at += 4 * count
    for place, (number, last) in enumerate(heads):
        if is_run >> place & 1:
            runs = int.from_bytes(data[at : at + 2], "little")
            bits, at = 0, at + 2
            for start, more in struct.iter_unpack("<HH", data[at : at + 4 * runs]):
                bits |= (2 << more) - 1 << start
            yield number, bits.to_bytes(BITMAP_SIZE, "little")
            at += 4 * runs
        elif last < MOST_IN_ARRAY:
            bitmap = bytearray(BITMAP_SIZE)
            for (member,) in struct.iter_unpack("<H", data[at : at + 2 * last + 2]):
                bitmap[member // 8] |= 1 << member % 8
            yield number, bytes(bitmap)
            at += 2 * last + 2
        else:
            yield number, data[at : at + BITMAP_SIZE]
            at += BITMAP_SIZE


def _packed(ids: Iterable[int]) -> array[int]:
    """Return the numbers as unsigned 32-bit integers; pyroaring would also make a 1 of 1.5."""
    if isinstance(ids, array) and ids.typecode == "I":
        return ids
    if isinstance(ids, memoryview) and ids.format == "I":
        return array("I", ids.tobytes())
    if isinstance(ids, bytes | bytearray | memoryview):
        raise TypeError("Raw bytes are not user ids: read them with memoryview(...).cast('I').")
    members = list(ids)
    for kind in set(map(type, members)):
        if not issubclass(kind, int) or kind is bool:
            stray = next(member for member in members if type(member) is kind)
            raise TypeError(f"A user id must be an int, not {stray!r}: map other keys to ints.")
    try:
        return array("I", members)
    except OverflowError:
        stray = next(member for member in members if not 0 <= member <= LAST_NUMBER)
        raise ValueError(
            f"A user id must be from 0 to {LAST_NUMBER}, not {stray}: map other keys to that range."
        ) from None

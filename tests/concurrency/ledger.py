"""What has been acknowledged, in files that processes append to and others read on from.

A record is written by one ``write``, so that a process that is killed leaves a whole one or none.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from souvenirs.calendar.grid import second_of
from souvenirs.sets.usersets import UserSet
from souvenirs.stores import Sighting

#: What is known of the moment of a sighting: in which quarter of an hour it lies.
GRAIN = 900


class Log:
    """Sightings, one after the other, of one process."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @classmethod
    def tried(cls, folder: Path, number: int) -> Log:
        return cls(folder / f"tried-{number}")

    @classmethod
    def acknowledged(cls, folder: Path, number: int) -> Log:
        return cls(folder / f"acknowledged-{number}")

    @staticmethod
    def note(folder: Path, text: str) -> None:
        with (folder / "notes").open("a") as file:
            file.write(text.replace("\n", " ") + "\n")

    def write(self, sightings: Sequence[Sighting]) -> None:
        numbers = array("I")
        for user, when in sightings:
            numbers.extend((second_of(when) // GRAIN, user))
        os.write(self.file, numbers.tobytes())


class Numbers:
    """A list of numbers that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, number: int) -> None:
        os.write(self.file, array("I", [number]).tobytes())

    def read(self) -> UserSet:
        return UserSet.from_ids(array("I", self.path.read_bytes()))


class Ledger:
    """All sightings in the logs of one name, by when they were."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.offsets: dict[Path, int] = defaultdict(int)
        self.quarters: dict[int, UserSet] = defaultdict(UserSet)
        self.rows = 0

    def catch_up(self) -> None:
        """Read what has been written until now."""
        for path in self.folder.glob(f"{self.name}-*"):
            with path.open("rb") as file:
                file.seek(self.offsets[path])
                content = file.read()
            content = content[: len(content) // 8 * 8]
            self.offsets[path] += len(content)
            numbers = array("I", content)
            found = defaultdict(list)
            for quarter, user in zip(numbers[::2], numbers[1::2], strict=True):
                found[quarter].append(user)
            for quarter, users in found.items():
                self.quarters[quarter] |= UserSet.from_ids(users)
            self.rows += len(numbers) // 2

    def users(self, start: datetime | None, end: datetime | None) -> UserSet:
        """Who was seen in ``[start, end)``, both of them between two quarters."""
        first = 0 if start is None else second_of(start) // GRAIN
        last = 2**40 if end is None else second_of(end) // GRAIN
        return UserSet.union(
            users for quarter, users in self.quarters.items() if first <= quarter < last
        )

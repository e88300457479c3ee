"""Everybody at once, digesters killed at random: ``python -m tests.concurrency --seconds 600``.

On each engine, real processes: eight writers, of which two hold their transactions open for up to
three seconds, an import, three digesters and two publishers of which one is killed about every
tenth of a second, a pruner, an eraser, two readers, and one of published figures. Sightings lie in
today's buckets and, late, in those of three days in each of the two months before, which are left
alone in turn, so that days, local days and months are rebuilt, and read. The exit code is 1 unless

* every answer had everybody who was acknowledged, to whom a commit had returned, before it was
  asked for, and nobody who had not been tried to be recorded by its end or who had been erased
  before it was asked for; and so had every published figure that said that it was final, and every
  one that a page would have read;
* in the end, once all is digested and published, every answer, every digest and every figure is
  what has been acknowledged, and ``Verifier`` finds nothing.

With ``--controls``, the same is then run with designs that lose, each until it does: or we would
not know that this can see a loss.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from django.conf import settings
from django.db import connections

from souvenirs.calendar.grid import (
    DAY_LEVEL,
    HOUR_LEVEL,
    INVENTORY_LEVEL,
    MONTH_LEVEL,
    cell_of,
    moment_of,
    second_of,
)
from souvenirs.digests.digester import Digester
from souvenirs.digests.verifying import Verifier
from souvenirs.insights import growth
from souvenirs.models import Digest, Figure, Souvenir
from souvenirs.publishing import Publisher, publisher
from souvenirs.stores import FINAL_AFTER, get_store
from tests import servers
from tests.concurrency import roles
from tests.concurrency.controls import CONTROLS
from tests.concurrency.databases import own_database
from tests.concurrency.ledger import GRAIN, Ledger, Numbers
from tests.concurrency.roles import Loss, Stage

WRITERS, DIGESTERS, PUBLISHERS, READERS = 8, 3, 2, 2

#: Seconds between two kills, and those of a spell of kills and of a calm one.
KILLS = (0.03, 0.2)
SPELL = 2.0

#: What each engine is run under where ``--isolation`` does not say so.
ISOLATIONS = {
    "sqlite": [None],
    "postgresql": ["read committed", "repeatable read"],
    "mariadb": ["read committed", "repeatable read"],
}

#: Which control is seen to lose on which engine; the fourth one takes the script of a test.
LOSING = {
    "sqlite": ["digests-first", "sealed", "local-days-unmarked", "figures-unlocked"],
    "postgresql": [
        "digests-first",
        "sealed",
        "marked-by-bucket",
        "local-days-unmarked",
        "figures-unlocked",
    ],
    "mariadb": [
        "digests-first",
        "sealed",
        "marked-by-bucket",
        "local-days-unmarked",
        "figures-unlocked",
    ],
}

#: A control loses by chance: how often it is run until it does.
TRIES = 6

forks = multiprocessing.get_context("fork")


class Cast:
    """The processes on a stage, each forked while nobody has a connection."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.members: list[multiprocessing.process.BaseProcess] = []
        self.kills = 0

    def start(self, role: Callable, number: int):
        process = forks.Process(target=self._play, args=(role, number), daemon=True)
        process.start()
        return process

    def _play(self, role: Callable, number: int) -> None:
        tally: Counter = Counter()
        random.seed()
        try:
            role(self.stage, number, tally)
        except BaseException as error:
            kind = "lost" if isinstance(error, Loss) else "failed"
            text = str(error) if isinstance(error, Loss) else traceback.format_exc()
            (self.stage.folder / f"{kind}-{role.__name__}-{number}").write_text(text)
        finally:
            lines = (f"{count} {name}" for name, count in tally.items())
            (self.stage.folder / f"tally-{number}").write_text("\n".join(lines))
            connections.close_all()

    def perform(self) -> None:
        """Run everybody to the deadline; a loss or a failure ends it."""
        parts = [roles.write] * WRITERS + [roles.load, roles.erase, roles.prune]
        parts += [roles.read] * READERS + [roles.read_figures]
        self.members = [self.start(role, number) for number, role in enumerate(parts)]
        killed = [roles.digest] * DIGESTERS + [roles.publish] * PUBLISHERS
        victims = [self.start(role, 50 + n) for n, role in enumerate(killed)]
        while self.stage.is_on() and not self.losses() and not self.failures():
            time.sleep(random.uniform(*KILLS))
            if int(time.monotonic() / SPELL) % 2:
                continue
            victim = random.randrange(len(killed))
            if victims[victim].is_alive():
                victims[victim].kill()
                self.kills += 1
            victims[victim].join()
            victims[victim] = self.start(killed[victim], 50 + victim)
        for process in [*victims, *self.members]:
            if not self.stage.is_on():
                process.join(120)
            if process.is_alive():
                if not self.stage.is_on():
                    (self.stage.folder / f"failed-{process.name}").write_text("It hangs.")
                process.kill()
                process.join()

    def losses(self) -> list[str]:
        return [path.read_text() for path in self.stage.folder.glob("lost-*")]

    def failures(self) -> list[str]:
        return [path.read_text() for path in self.stage.folder.glob("failed-*")]

    def tally(self) -> Counter:
        tally: Counter = Counter()
        for path in self.stage.folder.glob("tally-*"):
            for line in path.read_text().splitlines():
                number, _, name = line.partition(" ")
                tally[name] += int(number)
        notes = self.stage.folder / "notes"
        if notes.exists():
            tally["digesting given up"] = len(notes.read_text().splitlines())
        tally["kills"] = self.kills
        return tally


def settle(stage: Stage) -> None:
    """Digest what is left and compare everything with the truth."""
    digester = Digester()
    for _ in digester.run():
        pass
    low, high = Ledger(stage.folder, "acknowledged"), Ledger(stage.folder, "tried")
    low.catch_up()
    high.catch_up()
    erased = Numbers(stage.folder / "erased").read()
    erasing = Numbers(stage.folder / "erasing").read()
    if digester.failed or Souvenir.objects.filter(digested=False).exists():
        raise Loss("Not everything is digested.")

    def check(start, end, users):
        compare = low.users(start, end) - erasing, users, high.users(start, end) - erased
        roles.compare(*compare, start, end)

    cells = {
        cell_of(level, quarter * GRAIN)
        for quarter in high.quarters
        for level in (GRAIN, HOUR_LEVEL, DAY_LEVEL, MONTH_LEVEL)
        if level != GRAIN or moment_of(quarter * GRAIN) >= roles.pruned_until()
    }
    cells.update(each.cell for each in get_store().digests.local_days().defer("body"))
    ranges = [(None, None), *((moment_of(cell.start), moment_of(cell.end)) for cell in cells)]
    for (start, end), users in zip(ranges, get_store().users_each(ranges), strict=True):
        check(start, end, users)
    for (start, end), users in zip(ranges, get_store().count_each(ranges).counts, strict=True):
        check(start, end, users)
    for digest in Digest.objects.exclude(level=INVENTORY_LEVEL).order_by("level", "start"):
        cell = digest.cell
        if digest.level <= HOUR_LEVEL or cell.end <= time.time():
            if digest.level > HOUR_LEVEL and digest.is_stale:
                raise Loss(f"{cell} has not been rebuilt.")
            check(moment_of(cell.start), moment_of(cell.end), digest.users())
    check_figures()
    for verified in Verifier().run():
        if verified.differences:
            raise Loss(" ".join(verified.differences))


def check_figures() -> None:
    """Publish what is left: all of it is final, and is what insights give."""
    for _ in Publisher(roles.PUBLISHED).run():
        pass
    over = Figure.objects.filter(until__lt=time.time() - FINAL_AFTER, until__gt=0)
    if missing := over.filter(is_final=False).count():
        raise Loss(f"{missing} figures are not final.")
    for interval in roles.PUBLISHED.intervals:
        truth = growth(interval=interval, tz=roles.PUBLISHED.time_zones[0]).rows()
        for row in truth:
            final = over.filter(interval=interval, since=second_of(row["start"]))
            for value in final.filter(metric="active").values_list("value", flat=True):
                if value != row["active"]:
                    raise Loss(f"{row['label']}: {value} are published, not {row['active']}.")
        for metric in ("new", "retained", "resurrected", "churned"):
            values = over.filter(interval=interval, metric=metric).order_by("until")
            published = list(values.values_list("value", flat=True))
            expected = [row[metric] for row in truth][: len(published)]
            if published != expected:
                raise Loss(f"{metric} by {interval}: {published} are published, not {expected}.")


def run(engine: str, isolation: str | None, seconds: float, control: str | None = None) -> bool:
    """Run on one engine, print what was seen, and return whether it was as it should be."""
    title = f"{engine} {servers.version(engine)}" + (f", {isolation}" if isolation else "")
    print(f"\n== {title}" + (f", control: {control}" if control else ""), flush=True)
    began = time.monotonic()
    changed = CONTROLS[control]() if control else nullcontext()
    with (
        tempfile.TemporaryDirectory(prefix="souvenirs-") as folder,
        own_database(engine, isolation),
        changed,
    ):
        connections.close_all()
        stage = Stage(Path(folder), began + seconds, engine)
        cast = Cast(stage)
        cast.perform()
        losses, failures = cast.losses(), cast.failures()
        if not losses and not failures:
            try:
                settle(stage)
            except Loss as loss:
                losses.append(f"In the end: {loss}")
        tally = cast.tally()
    took = time.monotonic() - began
    for name, number in sorted(tally.items()):
        print(f"{number:>9,} {name}")
    print(f"{len(losses):>9,} losses in {took:.0f} s")
    for text in [*losses[:3], *([] if control else failures[:3])]:
        print(text)
    # The pruner finds out, too, where a control has lost somebody.
    return bool(losses) if control else not (losses or failures)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each engine")
    parser.add_argument("--engine", choices=servers.DATABASES, action="append")
    parser.add_argument("--isolation", help='such as "repeatable read"')
    parser.add_argument("--controls", action="store_true", help="then see the controls lose")
    parser.add_argument("--control", choices=CONTROLS, help="see only this one lose")
    arguments = parser.parse_args()
    # A machine that is busy with the load itself is no fault.
    settings.SOUVENIRS_TIMEOUT = 5
    # There is no table of users.
    publisher.date_joined_field = lambda: None
    # Where local days are kept, too.
    settings.TIME_ZONE = "America/New_York"
    engines = arguments.engine or list(servers.DATABASES)
    good = []
    for engine in engines:
        if not servers.version(engine):
            print(f"\n== {engine} does not answer.")
            good.append(os.environ.get("CI") != "true")
            continue
        isolations = [arguments.isolation] if arguments.isolation else ISOLATIONS[engine]
        if arguments.control:
            controls = [arguments.control]
        else:
            controls = LOSING[engine] if arguments.controls else []
            good += [run(engine, each, arguments.seconds / len(isolations)) for each in isolations]
        for control in controls:
            tries = (run(engine, isolations[0], arguments.seconds, control) for _ in range(TRIES))
            good.append(any(tries))
    print("\nAll as it should be." if all(good) else "\nFAILED")
    return not all(good)

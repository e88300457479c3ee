"""Run sites: ``python -m tests.sites`` all of them, ``python -m tests.sites uuid`` one."""

from __future__ import annotations

import argparse
import sys

from tests.sites.run import run
from tests.sites.shapes import SHAPES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sites", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SHAPES)}")
    names = parser.parse_args().names or list(SHAPES)
    failed = []
    for name in names:
        if name not in SHAPES:
            parser.error(f"There is no site {name!r}. Choose from {', '.join(SHAPES)}.")
        print(f"{name}: {SHAPES[name].__doc__}", flush=True)
        done = run(name)
        print(done.stdout.rstrip() + "\n", flush=True)
        if done.returncode:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}" if failed else "All sites are right.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

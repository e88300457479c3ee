#!/usr/bin/env python
import os
import sys
from pathlib import Path

#: The settings of each demo, by the value of the environment variable DEMO.
SETTINGS = {"": "demo.settings", "b2b": "demo.b2b.settings"}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    name = os.environ.get("DEMO", "")
    if name not in SETTINGS:
        sys.exit(f"There is no demo {name!r}: set DEMO to b2b, or leave it out.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS[name])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

"""What the guide gives to copy: lines for cron, units of systemd, schedules of Celery."""

import configparser
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from django.core.management import CommandError, get_commands, load_command_class

import souvenirs.tasks

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "how-to/timers.md").read_text()

CRON = re.compile(r"^(\S+ \S+ \S+ \S+ \S+) \S+/python \S+/manage\.py (\S+)([^>\n]*)", re.MULTILINE)
LINES = [
    (path.name, *found)
    for path in sorted(DOCS.glob("how-to/*.md"))
    for found in CRON.findall(path.read_text())
]
UNITS = dict(re.findall(r"`/etc/systemd/system/(\S+)`:\n\n```ini\n(.*?)```", GUIDE, re.DOTALL))


def accept(command, words):
    """Parse the options of a command of the app; raises CommandError for a wrong one."""
    assert get_commands()[command] == "souvenirs"
    load_command_class("souvenirs", command).create_parser("manage.py", command).parse_args(words)


def test_there_are_lines_for_cron():
    assert {name for name, *_ in LINES} >= {"timers.md", "alert.md", "mail.md"}


@pytest.mark.parametrize(("document", "when", "command", "options"), LINES)
def test_line_for_cron_is_a_command_at_a_time(document, when, command, options):
    limits = (59, 23, 31, 12, 7)
    for field, limit in zip(when.split(), limits, strict=True):
        assert re.fullmatch(r"\*(/\d+)?|\d+(-\d+)?", field)
        assert all(int(number) <= limit for number in re.findall(r"\d+", field))
    accept(command, options.split())


def test_unknown_option_would_be_found():
    with pytest.raises(CommandError):
        accept("digest_souvenirs", ["--max-minutes", "5"])


def parsed(unit):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(UNITS[unit])
    return parser


def test_service_runs_a_command():
    service = parsed("souvenirs-digest.service")["Service"]
    assert service["Type"] == "oneshot"
    python, manage, command, *options = service["ExecStart"].split()
    assert (python, manage) == ("/srv/site/venv/bin/python", "manage.py")
    accept(command, options)


def test_timer_starts_the_service_of_its_name():
    timer = parsed("souvenirs-digest.timer")
    assert timer["Timer"]["OnCalendar"]
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert set(UNITS) == {"souvenirs-digest.timer", "souvenirs-digest.service"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path):
    paths = [tmp_path / name for name in UNITS]
    for path in paths:
        text = UNITS[path.name].replace("/srv/site/venv/bin/python", sys.executable)
        path.write_text(text.replace("/srv/site", str(tmp_path)).replace("User=site", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    # It also reads what these units depend on, which a container may lack.
    assert [line for line in done.stderr.splitlines() if "souvenirs-digest" in line] == []


def test_schedule_of_celery_names_tasks_and_their_arguments():
    [block] = re.findall(r"```python\n(from celery.*?)```", GUIDE, re.DOTALL)
    names = {}
    exec(block, names)  # what the reader copies
    schedule = names["CELERY_BEAT_SCHEDULE"]
    assert len(schedule) == 3
    for entry in schedule.values():
        task = current_app.tasks[entry["task"]]
        inspect.signature(task.run).bind(*entry.get("args", ()), **entry.get("kwargs", {}))


def test_tasks_of_the_guide_are_those_of_the_app():
    named = set(re.findall(r"souvenirs\.celery\.(\w+)", GUIDE))
    assert named == {"digest", "email", "prune"}
    assert all(hasattr(souvenirs.tasks, name) for name in named)

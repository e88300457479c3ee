"""What the README and the docs say beyond their Python examples is so."""

import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from demo.management.commands.demo import Command as Demo
from souvenirs import checks
from souvenirs.conf import SETTINGS

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()


def test_settings_table_is_the_settings():
    rows = re.findall(r"^\| `(SOUVENIRS_\w+)` \| `(.*)` \| (.*) \|$", README, re.MULTILINE)
    assert rows == [
        (name, repr(setting.default).replace("'", '"'), setting.help)
        for name, setting in SETTINGS.items()
    ]


def test_every_check_is_documented():
    sources = Path(checks.__file__).parent.glob("*.py")
    used = re.findall(r'"(souvenirs\.[EW]\d{3})"', "".join(map(Path.read_text, sources)))
    documented = re.findall(
        r"^\| `(souvenirs\.\w+)`", (PROJECT / "docs/checks.md").read_text(), re.M
    )
    assert documented == sorted(used)


@pytest.mark.django_db
def test_report_of_gits_history(settings):
    """The table in the README is what the command prints on the demo's data."""
    settings.SOUVENIRS_RATELIMIT_SECONDS = 900
    command, output = re.search(r"manage\.py (show_usage .*)\n([^`]*)```", README).groups()
    Demo(stdout=StringIO()).create_users()
    history = PROJECT / "demo/data/gitgit_commits.csv.gz"
    call_command("import_souvenirs", str(history), "--before=2006-04-07", stdout=StringIO())
    out = StringIO()
    call_command(*shlex.split(command), stdout=out, stderr=StringIO())
    assert out.getvalue() == output


def test_links_lead_somewhere():
    documents = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), PROJECT / "CHANGELOG.md"]
    for document in documents:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"

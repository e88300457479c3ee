"""What the README and the docs say beyond their Python examples is so."""

import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from demo import settings as demo
from demo.management.commands.demo import Command as Demo
from souvenirs import checks
from souvenirs.conf import SETTINGS
from tests.conftest import at
from tests.terminals import Terminal, run

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


#: What was asked of the history of git, and what the document says was the answer.
EXAMPLE = re.compile(r"^\$ python manage\.py (show_[^\n]*)\n([^`]*)```", re.MULTILINE)


@pytest.mark.thorough
@pytest.mark.django_db
@pytest.mark.parametrize("document", ["README.md", "docs/terminal.md"])
def test_reports_of_gits_history(settings, monkeypatch, document):
    """Each is what the command prints on the demo's data, on a terminal of 80 columns."""
    settings.SOUVENIRS_RATELIMIT_SECONDS = demo.SOUVENIRS_RATELIMIT_SECONDS
    settings.SOUVENIRS_SEGMENTS = demo.SOUVENIRS_SEGMENTS
    monkeypatch.setenv("COLUMNS", "80")
    Demo(stdout=StringIO()).create_users()
    history = PROJECT / "demo/data/gitgit_commits.csv.gz"
    call_command("import_souvenirs", str(history), stdout=StringIO())
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: at(2026, 9, 1, 9))
    examples = EXAMPLE.findall((PROJECT / document).read_text())
    assert examples
    for command, output in examples:
        assert shown(command) == output, command


def shown(command):
    """What a person sees, with the notes below."""
    command, pipe, _ = command.partition(" | cat")
    out, err = run(*shlex.split(command), out=None if pipe else Terminal())
    return out + err


def test_every_document_can_be_found():
    names = {path.name for path in (PROJECT / "docs").glob("*.md")} - {"index.md"}
    index = (PROJECT / "docs/index.md").read_text()
    navigation = (PROJECT / "mkdocs.yml").read_text()
    assert names - set(re.findall(r"^\| .* \| \[.*\]\(([\w-]+\.md)\) \|$", index, re.M)) == set()
    assert names - set(re.findall(r"^  - .*: ([\w-]+\.md)$", navigation, re.M)) == set()


def test_links_lead_somewhere():
    documents = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), PROJECT / "CHANGELOG.md"]
    for document in documents:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"

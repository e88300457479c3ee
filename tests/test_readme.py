"""What the README and the docs show is so."""

import doctest
import re
import shlex
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from demo import settings as demo
from demo.history import commits
from demo.management.commands.demo import Command as Demo
from souvenirs.models import Souvenir
from tests.conftest import at
from tests.terminals import Terminal, run

PROJECT = Path(__file__).parents[1]
DOCS = PROJECT / "docs"
DOCUMENTS = [PROJECT / "README.md", *sorted(DOCS.rglob("*.md"))]

PYTHON = Sybil([PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE)])


#: What was asked of the history of git, and what the document says was the answer.
EXAMPLE = re.compile(r"^\$ python manage\.py (show_[^\n]*)\n([^`]*)```", re.MULTILINE)


@pytest.fixture
def people(db):
    """Two users of January 2016 and one of February, and when they were seen."""

    def user(name, *days):
        joined = datetime(2016, *days[0], tzinfo=UTC)
        made = get_user_model().objects.create(username=name, date_joined=joined)
        for month, day in days:
            Souvenir.objects.create(user=made, when=datetime(2016, month, day, 9, tzinfo=UTC))
        return made

    return {
        "ann": user("ann", (1, 4), (1, 5), (2, 8)),
        "bob": user("bob", (1, 20)),
        "cleo": user("cleo", (2, 8), (2, 29)),
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_python_examples(people, document):
    """They are one session in the interpreter, from the first of a document to its last."""
    examples = PYTHON.parse(document)
    examples.namespace.update(
        INSTALLED_APPS=[],
        MIDDLEWARE=[],
        UTC=UTC,
        datetime=datetime,
        ann=people["ann"],
        bob=people["bob"],
    )
    for example in examples.examples():
        example.evaluate()


@pytest.mark.thorough
@pytest.mark.django_db
def test_reports_of_gits_history(settings, monkeypatch):
    """Each is what the command prints on the demo's data, on a terminal of 80 columns."""
    settings.SOUVENIRS_RATELIMIT_SECONDS = demo.SOUVENIRS_RATELIMIT_SECONDS
    settings.SOUVENIRS_SEGMENTS = demo.SOUVENIRS_SEGMENTS
    monkeypatch.setenv("COLUMNS", "80")
    Demo(stdout=StringIO()).create_users(commits())
    history = PROJECT / "demo/data/gitgit_commits.csv.gz"
    call_command("import_souvenirs", str(history), stdout=StringIO())
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: at(2026, 9, 1, 9))
    documents = [PROJECT / "README.md", *DOCS.glob("how-to/*.md")]
    examples = {path.name: EXAMPLE.findall(path.read_text()) for path in documents}
    assert examples["README.md"]
    assert examples["terminal.md"]
    for name, reports in examples.items():
        for command, output in reports:
            assert shown(command) == output, f"{name}: {command}"


def shown(command):
    """What a person sees, with the notes below."""
    command, pipe, _ = command.partition(" | cat")
    out, err = run(*shlex.split(command), out=None if pipe else Terminal())
    return out + err


@pytest.mark.django_db
@pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the tutorial is about Django's own users"
)
def test_tutorial(monkeypatch, tmp_path, make_user, leave):
    """Each report is what a reader sees who follows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("django.utils.timezone.now", lambda: at(2026, 11, 29, 7, 30))
    tutorial = (DOCS / "start.md").read_text()
    [history] = re.findall(r"^```\n(user_id,when\n.*?)^```", tutorial, re.MULTILINE | re.DOTALL)
    Path("seen.csv").write_text(history)
    ann = make_user(username="ann", date_joined=at(2026, 11, 29, 7))
    leave((ann.pk, at(2026, 11, 29, 7)))
    daily, *reports = EXAMPLE.findall(tutorial)
    assert shown(daily[0]) == daily[1]
    for name in ("bob", "cleo", "dan"):
        make_user(username=name)
    [(command, output)] = re.findall(
        r"^\$ python manage\.py (import_souvenirs .*)\n([^`]*)```", tutorial, re.MULTILINE
    )
    assert shown(command) == output
    assert len(reports) == 3
    for command, output in reports:
        assert shown(command) == output, command


def test_every_document_can_be_found():
    names = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    linked = re.findall(r"\]\(([\w/-]+\.md)\)", (DOCS / "index.md").read_text())
    in_navigation = re.findall(r"^ +- .*: (\S+\.md)$", (PROJECT / "mkdocs.yml").read_text(), re.M)
    assert names - {"index.md"} == set(linked)
    assert sorted(names) == sorted(in_navigation)


def test_links_lead_somewhere():
    for document in [*PROJECT.glob("*.md"), *DOCS.rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_code_is_not_indented():
    """MkDocs does not take an indented fence for code, as in a list."""
    for document in DOCS.rglob("*.md"):
        assert not re.search(r"^ +```", document.read_text(), re.M), document.name


def test_anchors_of_the_readme_exist():
    """MkDocs checks those of the documentation, and does not see the README."""
    for document in PROJECT.glob("*.md"):
        for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", document.read_text()):
            text = (PROJECT / link if link else document).read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.M)
            assert anchor in {slug(heading) for heading in headings}, f"{document.name}: #{anchor}"


def slug(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")

"""The reference in the docs says what the code says."""

import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import pytest

import souvenirs
from souvenirs.conf import SETTINGS
from tools.reference.markdown import compact, from_rst, table
from tools.reference.pages import require
from tools.reference.signatures import fields_of, members_of, signature

PROJECT = Path(__file__).parents[1]
REFERENCE = PROJECT / "docs/reference"
SOURCE = Path(souvenirs.__file__).parent


def check(docs):
    """Run what ``make reference`` runs, on a process and a site of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tools.reference", "--check", "--docs", str(docs)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def docs(tmp_path):
    """A copy of the documentation."""
    shutil.copytree(REFERENCE, tmp_path / "reference")
    shutil.copy(PROJECT / "docs/openapi.json", tmp_path)
    return tmp_path


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_reference_is_current():
    ended = check(PROJECT / "docs")
    assert ended.returncode == 0, ended.stderr


def headings(page):
    text = re.sub(r"^```.*?^```$", "", (REFERENCE / page).read_text(), flags=re.M | re.S)
    return re.findall(r"^##+ (.*)$", text, re.M)


def test_difference_is_found_on_every_page(docs):
    changed = {
        "openapi.json": ('"3.1.0"', '"3.0.0"'),
        "reference/checks.md": ("HINT: An hour is 3600", "HINT: An hour is 60"),
        "reference/commands.md": ("[--exclusive]", "[--inclusive]"),
        "reference/http-api.md": ('"value": 2', '"value": 3'),
        "reference/python.md": ("check_duplicate: bool = False", "check_duplicate: bool = True"),
        "reference/settings.md": ("Default: `3600`.", "Default: `300`."),
    }
    for page, (old, new) in changed.items():
        replace(docs / page, old, new)
    ended = check(docs)
    assert ended.returncode == 1
    assert ended.stderr.endswith("The reference is out of date. Run make reference.\n")
    found = re.findall(r"^--- (.*)$", ended.stderr, re.M)
    assert sorted(found) == sorted(Path(page).name for page in changed)


def test_page_that_leaves_something_out_is_refused(docs):
    replace(docs / "reference/python.md", "souvenez asouvenez", "souvenez")
    ended = check(docs)
    assert ended.returncode == 1
    assert ended.stderr == "No page of the reference shows the name souvenirs.control.asouvenez.\n"


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (["a"], "No page of the reference shows the setting b."),
        (["a", "b", "c"], "The reference shows the setting c, which does not exist."),
        (["a", "b", "a"], "The reference shows the setting a more than once."),
    ],
)
def test_pages_show_everything_once(shown, sentence):
    with pytest.raises(SystemExit, match=f"^{re.escape(sentence)}$"):
        require(["a", "b"], shown, "setting")


def test_every_setting_is_documented():
    shown = [heading for heading in headings("settings.md") if heading.startswith("SOUVENIRS_")]
    assert sorted(shown) == sorted(SETTINGS)


def test_every_command_is_documented():
    commands = (SOURCE / "management/commands").glob("[a-z]*.py")
    assert sorted(headings("commands.md")) == sorted(path.stem for path in commands)


def test_every_check_is_documented():
    sources = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    shown = [heading for heading in headings("checks.md") if heading.startswith("souvenirs.")]
    assert sorted(shown) == sorted(re.findall(r'"(souvenirs\.[EW]\d{3})"', sources))


@pytest.mark.parametrize("module", ["souvenirs.control", "souvenirs.insights", "souvenirs.utils"])
def test_every_exported_name_is_documented(module):
    shown = {re.sub(r"^(class|exception) |\(\)$", "", each) for each in headings("python.md")}
    assert set(import_module(module).__all__) - shown == set()


def test_function_with_the_name_of_its_module_is_documented_as_a_function():
    shown = (REFERENCE / "python.md").read_text()
    for name in ("growth", "retention", "stickiness"):
        assert f"### {name}()\n\n```py\n{name}(\n    start: datetime | None = None,\n" in shown


class Child(NamedTuple):
    """One who is counted."""

    name: str
    #: When the child was born,
    #: in UTC.
    born: datetime
    size: int | None

    def grow(self, by: float = 1.5) -> "Child":
        """Return the child, grown."""

    def shrink(self) -> None:
        pass


def long_one(
    name: Literal["ann", "bob"],
    *others: Any,
    age: timedelta = timedelta(days=90),
    nickname: "str | None" = "x",
    **more: Any,
) -> "dict[str, Any]":
    pass


def test_signature_on_one_line():
    assert signature("grow", Child.grow) == "grow(by: float = 1.5) -> Child"


class Options(TypedDict, total=False):
    age: int
    nickname: "str | None"


def with_options(name: str, **options: Unpack[Options]) -> None:
    pass


def test_signature_with_keyword_arguments_that_are_declared_elsewhere():
    assert signature("ask", with_options) == (
        "ask(name: str, *, age: int = ..., nickname: str | None = ...) -> None"
    )


def test_signature_on_several_lines():
    assert signature("long_one", long_one).splitlines() == [
        "long_one(",
        '    name: Literal["ann", "bob"],',
        "    *others: Any,",
        "    age: timedelta = timedelta(days=90),",
        '    nickname: str | None = "x",',
        "    **more: Any,",
        ") -> dict[str, Any]",
    ]


def test_fields_with_their_comments():
    assert [tuple(field) for field in fields_of(Child)] == [
        ("name", "str", ""),
        ("born", "datetime", "When the child was born,\nin UTC."),
        ("size", "int | None", ""),
    ]


def test_members_are_what_has_a_docstring():
    assert [name for name, _ in members_of(Child)] == ["grow"]


@pytest.mark.parametrize(
    ("docstring", "markdown"),
    [
        ("Return ``a b``.", "Return `a b`."),
        ("See :func:`~app.grow`.", "See <app.grow>."),
        (
            "Uses ``SOUVENIRS_ENABLED``.",
            "Uses [`SOUVENIRS_ENABLED`](settings.md#souvenirs_enabled).",
        ),
        ("Uses ``SOUVENIRS_OTHER``.", "Uses `SOUVENIRS_OTHER`."),
        ("Like::\n\n    a\n\n      b\n\nLast.", "Like:\n\n```py\na\n\n  b\n```\n\nLast."),
        ("First.\n\n::\n\n    a", "First.\n\n```py\na\n```"),
        ("First.\n\n>>> 1 + 1\n2", "First.\n\n```py\n>>> 1 + 1\n2\n```"),
        ("List:\n\n* One\n  item.\n\n  More.", "List:\n\n* One\n  item.\n\n  More."),
    ],
)
def test_docstring_as_markdown(docstring, markdown):
    assert from_rst(docstring, "<{}>".format) == markdown


def test_table_without_an_empty_column():
    rows = [("a|b", "", "c"), ("d", "", "e\nf")]
    assert table(["x", "y", "z"], rows).splitlines() == [
        "| x | z |",
        "| --- | --- |",
        r"| a\|b | c |",
        "| d | e f |",
    ]


def test_json_of_the_width_of_the_page():
    answer = {"question": {"from": "x" * 40, "to": "y" * 40, "tz": "UTC"}, "rows": [{"a": [1]}] * 8}
    assert compact(answer).splitlines()[:7] == [
        "{",
        '  "question": {',
        f'    "from": "{"x" * 40}",',
        f'    "to": "{"y" * 40}", "tz": "UTC"',
        "  },",
        '  "rows": [',
        '    {"a": [1]},',
    ]

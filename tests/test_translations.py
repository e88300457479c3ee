"""Every word of the pages is translated, and what is compiled is what is written."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.utils.translation.template import templatize

import souvenirs
from tests.test_pages import RANGE, get, text

PACKAGE = Path(souvenirs.__file__).parent
CATALOG = PACKAGE / "locale/de/LC_MESSAGES/django.po"
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext"}


def words_of_code():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name in CALLS:
                [word, *_rest] = node.args[1:] if name == "pgettext" else node.args
                yield word.value


def words_of_templates():
    for path in PACKAGE.rglob("*.html"):
        for word in re.findall(r"gettext\(u?('.*?'|\".*?\")\)", templatize(path.read_text())):
            yield ast.literal_eval(word)


def written():
    """What each entry of the catalogue says, by what it translates."""
    entries = {}
    for entry in CATALOG.read_text().split("\n\n")[1:]:
        [word] = re.findall(r'^msgid "(.*)"$', entry, re.MULTILINE)
        entries[word] = re.findall(r'^msgstr(?:\[\d\])? "(.*)"$', entry, re.MULTILINE)
    return entries


def test_every_word_is_translated_and_no_other():
    entries = written()
    assert set(entries) == {*words_of_code(), *words_of_templates()}
    assert [word for word, texts in entries.items() if not all(texts)] == []


def test_translations_have_the_same_places_to_fill_in():
    for word, texts in written().items():
        for each in texts:
            places = set(re.findall(r"%(?:\(\w+\))?s", each))
            # One day is not counted.
            assert places <= {*re.findall(r"%(?:\(\w+\))?s", word), "%(days)s"}


def test_compiled_catalogue_is_current():
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    texts = {text for text in compiled.values() if "Project-Id-Version" not in text}
    assert texts == {text for texts in written().values() for text in texts}


@pytest.mark.django_db
def test_pages_in_german():
    with translation.override("de"):
        overview = text(get("overview", **RANGE))
        wrong = text(get("overview", tz="Atlantis"))
    assert "Aktive pro Tag, Woche und Monat" in overview
    assert "Zeitzone: UTC" in overview
    assert "Geben Sie den Namen einer Zeitzone an" in wrong


def test_several_days_in_german():
    with translation.override("de"):
        assert ngettext("in the last day", "in the last %(days)s days", 30) == (
            "in den letzten %(days)s Tagen"
        )
        assert _("Nobody.") == "Niemand."

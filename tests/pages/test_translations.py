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
from souvenirs.pages.forms import message
from souvenirs.pages.language import page_language
from souvenirs.web import InvalidParameter
from tests.conftest import at
from tests.pages.test_pages import RANGE, get, text

PACKAGE = Path(souvenirs.__file__).parent
LANGUAGES = sorted(path.name for path in (PACKAGE / "locale").iterdir())
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext"}


def calls(*names):
    """Each call of a function of one of these names, anywhere in the package."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name in names:
                yield name, node


def words_of_code():
    for name, node in calls(*CALLS):
        [word, *_rest] = node.args[1:] if name == "pgettext" else node.args
        # What is a variable here is marked elsewhere.
        if isinstance(word, ast.Constant):
            yield word.value


def sentences():
    """The messages of invalid parameters; None for one that is not marked."""
    for name, node in calls("InvalidParameter", "invalid"):
        word = node.args[1 if name == "InvalidParameter" else 0]
        # An attribute, or what a method returns, is marked where it is declared.
        if not isinstance(getattr(word, "func", word), ast.Attribute):
            is_marked = getattr(getattr(word, "func", None), "id", None) == "gettext_noop"
            yield word.args[0].value if is_marked else None


def words_of_templates():
    for path in PACKAGE.rglob("*.html"):
        for word in re.findall(r"gettext\(u?('.*?'|\".*?\")\)", templatize(path.read_text())):
            yield ast.literal_eval(word)


def catalogue(language):
    return PACKAGE / f"locale/{language}/LC_MESSAGES/django.po"


def written(language):
    """What each entry of the catalogue says, by what it translates."""
    entries = {}
    for entry in catalogue(language).read_text().split("\n\n")[1:]:
        [word] = re.findall(r'^msgid "(.*)"$', entry, re.MULTILINE)
        entries[word] = re.findall(r'^msgstr(?:\[\d\])? "(.*)"$', entry, re.MULTILINE)
    return entries


def test_languages():
    assert LANGUAGES == ["de", "es", "fr"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_translated_and_no_other(language):
    entries = written(language)
    assert set(entries) == {*words_of_code(), *words_of_templates()}
    assert [word for word, texts in entries.items() if not all(texts)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_same_places_to_fill_in(language):
    for word, texts in written(language).items():
        for each in texts:
            places = set(re.findall(r"%(?:\(\w+\))?s", each))
            # One day is not counted.
            assert places <= {*re.findall(r"%(?:\(\w+\))?s", word), "%(days)s"}


def test_everything_about_a_bad_question_is_marked_for_translation():
    assert len(list(sentences())) > 20
    assert None not in sentences()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_say_all_of_what_is_wrong(language):
    """The value and what is wanted, each of which is a place; the name is that of the field."""
    entries = written(language)
    for word in (node.args[0].value for _name, node in calls("gettext_noop")):
        [translated] = entries[word]
        assert places(word) - {"name"} == places(translated) - {"name"}, word


def places(text):
    return set(re.findall(r"%\((\w+)\)s", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_current(language):
    with catalogue(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    texts = {text for text in compiled.values() if "Project-Id-Version" not in text}
    assert texts == {text for texts in written(language).values() for text in texts}


@pytest.mark.parametrize(
    ("language", "none", "one", "many"),
    [
        ("de", "0 Tage", "1 Tag", "1000000 Tage"),
        ("es", "0 días", "1 día", "1000000 días"),
        ("fr", "0 jour", "1 jour", "1000000 jours"),
    ],
)
def test_plural(language, none, one, many):
    """Whatever rule Django's own catalogue of the language has."""
    with translation.override(language):
        for number, expected in ((0, none), (1, one), (1_000_000, many)):
            text = ngettext("%(days)s day", "%(days)s days", number)
            assert text % {"days": number} == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("es", ["Usuarios activos por mes", "Zona horaria: UTC", "Mostrar"]),
        ("fr", ["Utilisateurs actifs par mois", "Fuseau horaire : UTC", "Afficher"]),
    ],
)
def test_pages_in_other_languages(leave, language, words):
    leave((1, at(2025, 1, 1)))
    with translation.override(language):
        overview = text(get("overview", **RANGE))
    assert [word for word in words if word not in overview] == []


@pytest.mark.django_db
def test_pages_in_german(leave):
    leave((1, at(2025, 1, 1)))
    with translation.override("de"):
        overview = text(get("overview", **RANGE))
        wrong = text(get("overview", tz="Atlantis"))
    assert "Aktive Benutzer nach Monat" in overview
    assert "Zeitzone: UTC" in overview
    assert "Bei „Zeitzone“ muss ein Name wie Europe/Paris oder UTC stehen, nicht 'At" in wrong


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "query", "expected"),
    [
        ("overview", {"from": "gestern"}, "Bei „Ab“ muss ein Tag wie 2016-01-31"),
        ("overview", {"from": "2025-02-30"}, "Bei „Ab“ muss ein gültiger Tag"),
        ("overview", {"to": "2025-02-01"}, "„Ab“ fehlt"),
        ("people", {"list": "inactive", "days": "0"}, "Bei „Tage“ muss eine ganze Zahl von 1 bis"),
        ("people", {"list": "inactive", "days": "0"}, "36.600"),
        # What nobody chooses goes by its name in the URL.
        ("overview", {"interval": "hour"}, "„interval“ muss eines von day, week"),
        ("people", {"page": "0"}, "Bei „page“ muss eine ganze Zahl"),
        ("people", {"list": "new", "of": "1999-01"}, "Diese Zahl gibt es nicht"),
        ("overview", {"nonsense": "1"}, "Unbekannter Parameter 'nonsense'"),
        ("overview", {"from": "2024-01-01", "interval": "day"}, "mehr als 400"),
    ],
)
def test_mistakes_in_german(page, query, expected):
    with translation.override("de"):
        response = get(page, **query)
    assert response.status_code == 400
    assert expected in text(response)


def test_numbers_in_a_sentence_are_as_the_language_writes_them():
    problem = InvalidParameter("by", "%(name)s has %(cells)s.", cells=30_100)
    assert (problem.english, str(problem)) == ("by has 30,100.", "by: by has 30,100.")
    with translation.override("de"):
        assert message(problem) == "by has 30.100."
        assert message(problem, "Von") == "Von has 30.100."
        assert problem.english == "by has 30,100."


@pytest.mark.django_db
def test_api_says_what_is_wrong_in_english(client, make_holder, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    client.force_login(make_holder("souvenirs.view_usage", "souvenirs.view_people"))
    for endpoint, query, expected in (
        ("series", "tz=Atlantis", "tz must be a name like Europe/Paris or UTC, not 'Atlantis'."),
        ("people", "per_page=0", "per_page must be a whole number from 1 to 1,000, not '0'."),
        (
            "series",
            "from=2000-01-01&to=2020-01-01",
            "The range has 7,305 periods, more than 4,000: choose a shorter range or a longer "
            "interval.",
        ),
    ):
        url = f"/souvenirs/api/{endpoint}?{query}"
        # The middleware leaves the language as it is until the next request.
        with translation.override("en"):
            response = client.get(url, headers={"accept-language": "de"})
            assert translation.get_language() == "de"
        assert response.status_code == 400
        assert response.json()["error"]["message"] == expected


def test_several_days_in_german():
    with translation.override("de"):
        assert ngettext("in the last day", "in the last %(days)s days", 30) == (
            "in den letzten %(days)s Tagen"
        )
        assert _("No users.") == "Keine Benutzer."


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_names_its_language(language):
    with translation.override(language):
        assert page_language() == language


@pytest.mark.parametrize(
    ("active", "expected"),
    [
        ("en", "en"),
        ("en-gb", "en-gb"),
        ("de-at", "de-at"),
        ("it", "en"),
        ("he", "en"),
        (None, None),
    ],
)
def test_language_without_a_catalogue_is_english(active, expected):
    with translation.override(active):
        assert page_language() == expected


@pytest.mark.parametrize("active", ["it", "he"])
def test_language_of_the_site_does_not_stand_in_for_another(settings, active):
    settings.LANGUAGE_CODE = "de"
    with translation.override(active):
        assert page_language() == "en"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "foreign"), [("it", ["giugno", "gennaio"]), ("he", ["יוני", "ינואר"])]
)
def test_page_is_in_english_as_a_whole(leave, language, foreign):
    leave((1, at(2025, 1, 1)))
    with translation.override(language):
        for name in ("overview", "people", "retention", "health"):
            response = get(name, **({} if name == "health" else RANGE))
            html = response.content.decode()
            assert response["Content-Language"] == "en"
            assert '<html lang="en" dir="ltr">' in html
            assert [word for word in foreign if word in html.lower()] == []
        assert translation.get_language() == language


@pytest.mark.django_db
def test_page_names_its_language():
    with translation.override("de"):
        assert get("health")["Content-Language"] == "de"

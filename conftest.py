"""Run the examples of the README and the documentation."""

import doctest
from datetime import UTC, datetime

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def start_document(namespace):
    import souvenirs.testing

    souvenirs.testing.reset()
    namespace.update(INSTALLED_APPS=[], MIDDLEWARE=[], UTC=UTC, datetime=datetime)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE)],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=start_document,
    fixtures=["ann", "bob"],
).pytest()


@pytest.fixture
def people(db):
    """Two users of January 2016 and one of February, and when they were seen."""
    from django.contrib.auth.models import User

    from souvenirs.models import Souvenir

    def user(name, *days):
        joined = datetime(2016, *days[0], tzinfo=UTC)
        made = User.objects.create(username=name, date_joined=joined)
        for month, day in days:
            Souvenir.objects.create(user=made, when=datetime(2016, month, day, 9, tzinfo=UTC))
        return made

    return {
        "ann": user("ann", (1, 4), (1, 5), (2, 8)),
        "bob": user("bob", (1, 20)),
        "cleo": user("cleo", (2, 8), (2, 29)),
    }


@pytest.fixture
def ann(people):
    return people["ann"]


@pytest.fixture
def bob(people):
    return people["bob"]

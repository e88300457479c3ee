"""The queries of the dashboard on Prometheus name metrics and labels that there are."""

import re

import pytest

import souvenirs.metrics
from souvenirs.publishing import publication
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.grafana.dashboards import dashboard, queries
from tests.publishing.published import publish

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

QUERIES = queries("prometheus", "expr")

SELECTOR = re.compile(r"(souvenirs_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(!?=)"([^"]*)"')


@pytest.fixture
def samples(settings, set_now, leave):
    """What a scrape shows of a site with a segment."""
    now = at(2017, 11, 20, 15)
    set_now(now)
    settings.SOUVENIRS_TIMEOUT = 5
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    settings.SOUVENIRS_PUBLISH = {"segments": ["one"]}
    leave((1, at(2017, 11, 20, 9)), (2, at(2017, 11, 19)))
    digest()
    publish(*publication().intervals, segments=publication().segments)
    families = souvenirs.metrics.registry().collect()
    return [sample for family in families for sample in family.samples]


def matches(labels, matcher):
    name, operator, value = matcher
    return (labels[name] == value) == (operator == "=")


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_selector_finds_samples(samples, query):
    selectors = SELECTOR.findall(query.text)
    assert selectors
    for name, matchers in selectors:
        parsed = MATCHER.findall(matchers)
        assert (
            ",".join(f'{label}{operator}"{value}"' for label, operator, value in parsed) == matchers
        )
        # Prometheus adds the job.
        found = [{**each.labels, "job": "$job"} for each in samples if each.name == name]
        if name == "souvenirs_registered_users" and not found:
            pytest.skip("this user model has no date of registration")
        assert any(all(matches(labels, each) for each in parsed) for labels in found)
        for label in re.findall(r"by \((\w+)\)", query.text):
            assert all(label in labels for labels in found)


def test_job_is_a_label_of_what_there_is(samples):
    [query] = [
        each["query"]["query"]
        for each in dashboard("prometheus")["templating"]["list"]
        if each["name"] == "job"
    ]
    name = re.fullmatch(r"label_values\((\w+), job\)", query)[1]
    assert name in {sample.name for sample in samples}

"""A reader who may see one tenant is answered as on a site that has no other.

Every URL of the pages and the API is asked, with every value of its parameters, before and after
the users of the other tenant are deleted and erased. The URLs are those of the URL resolver and the
parameters those of the forms, so that a new one is asked, too, or fails a test here.
"""

from datetime import timedelta
from urllib.parse import parse_qs, quote_plus, urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q
from django.urls import URLPattern

from souvenirs.api import ENDPOINTS
from souvenirs.counting import restricted
from souvenirs.dashboard import urls
from souvenirs.digests import Digester, erase_user
from souvenirs.models import Annotation
from souvenirs.pages.views import FORMS
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE, Parameters, fields
from tests.conftest import at, build_user, pk_of, rows_of_a_module, write_souvenirs
from tests.users.models import Membership, Organization

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

THOROUGH = pytest.mark.thorough

NOW = at(2025, 6, 18, 10, 30)

#: The users of the tenant, the first of whom reads; those of the other one have keys and names
#: that nothing else on a page contains.
OWN = range(1, 7)
OTHERS = range(90_210_001, 90_210_006)

User = get_user_model()
HAS_GROUPS = any(field.name == "groups" for field in User._meta.get_fields())

#: What must not occur in an answer: names of users, segments and groups, an annotation, and keys.
SECRETS = ["zebra", *(str(pk_of(number)) for number in OTHERS)]


#: A listed field, and the users with each of its values.
FIELD = "membership__organization__name"
ORGANIZATIONS = {
    "both": (1, 2, OTHERS[0]),
    "zebra org": OTHERS,
    "own": (2, 3),
}


def own_users(user):
    return User._default_manager.filter(pk__in=[pk_of(number) for number in OWN])


def nobody(user):
    return User._default_manager.none()


def broken():
    raise RuntimeError("zebra")


def numbered(*numbers):
    return Q(pk__in=[pk_of(number) for number in numbers])


SEGMENTS = {
    "zebra first": numbered(*OTHERS),
    "some": numbered(1, 2, OTHERS[0]),
    "zebra keys": lambda: [pk_of(number) for number in OTHERS],
    "more": lambda: [pk_of(number) for number in (2, 3, 4, OTHERS[1])],
    "zebra broken": broken,
    "idle": numbered(6, OTHERS[2]),
}


@pytest.fixture(scope="module")
def tenants(django_db_setup, django_db_blocker):
    """Two tenants, both of whom were first seen in the same hour, without the user who reads."""
    with rows_of_a_module(django_db_blocker):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("django.utils.timezone.now", lambda: NOW)
            make_tenants()
        yield


def make_tenants():
    for number in OWN[1:]:
        make(number, joined=at(2025, 1, 1) + timedelta(days=9 * number))
    name = {} if User.USERNAME_FIELD == "code" else {User.USERNAME_FIELD: "zebra{}@example.com"}
    for place, number in enumerate(OTHERS):
        named = {key: value.format(place) for key, value in name.items()}
        make(number, joined=at(2025, 2, 1) + timedelta(days=20 * place), **named)
    begin = at(2025, 1, 20, 8)
    write_souvenirs((1, begin), (OTHERS[0], begin + timedelta(minutes=20)))
    write_souvenirs(
        *(
            (number, begin + timedelta(days=day, hours=(5 * number + day) % 15))
            for place, number in enumerate([*OWN[:5], *OTHERS[:4]])
            for day in range(6 * place, 148 - 11 * (place % 4), 2 + place)
        ),
        *((number, NOW - timedelta(minutes=5)) for number in (2, OTHERS[1])),
    )
    list(Digester().run())
    write_souvenirs(*((number, NOW - timedelta(hours=3)) for number in (3, OTHERS[2])))
    Annotation.objects.create(day=at(2025, 6, 1).date(), text="zebra has signed")


def make(number, **fields):
    build_user(number, **fields).save(force_insert=True)


@pytest.fixture
def site(tenants, make_holder, set_now, settings, client):
    """The site of these tenants, and a reader of the first one."""
    set_now(NOW)
    settings.SOUVENIRS_SEGMENTS = SEGMENTS
    settings.SOUVENIRS_GROUP_BY = [FIELD]
    settings.SOUVENIRS_VISIBLE_TO = own_users
    reader = make_holder(VIEW_USAGE, VIEW_PEOPLE, number=1, joined=at(2025, 1, 1))
    for name, members in ORGANIZATIONS.items():
        organization = Organization.objects.create(name=name)
        for number in members:
            Membership.objects.create(user_id=pk_of(number), organization=organization)
    if HAS_GROUPS:
        for group, members in {
            "staff": (1, 2, OTHERS[0]),
            "zebra group": OTHERS,
            "empty zebra": (),
        }.items():
            made = Group.objects.create(name=group)
            for number in members:
                User._default_manager.get(pk=pk_of(number)).groups.add(made)
    client.force_login(reader)
    return client


def leave_one_tenant():
    """Delete and erase the others."""
    for number in OTHERS:
        User._default_manager.get(pk=pk_of(number)).delete()
        erase_user(pk_of(number))


def patterns(found, prefix=""):
    for pattern in found:
        if isinstance(pattern, URLPattern):
            yield pattern.name, prefix + str(pattern.pattern)
        else:
            yield from patterns(pattern.url_patterns, prefix + str(pattern.pattern))


#: The forms of the URLs by name; what is about no user has none.
FORMS_OF = {
    **FORMS,
    **{f"api-{each.name}": each.form for each in ENDPOINTS},
    **dict.fromkeys(("api-root", "api-index", "api-openapi", "api-not-found")),
}
ROUTES = dict(patterns(urls.urlpatterns))

#: Values of parameters that are not choices.
TEXTS = {
    "from": ["2025-03-02", "2025-06-01T12:00:00Z"],
    "to": [],
    "tz": ["Europe/Paris"],
    "subscription_start": ["2025-01-25"],
    "q": ["user", "zebra"],
    "of": ["2025-03"],
}

#: Parameters that choose what is shown, and others with which they are asked again.
SHOWN = ("format", "only", "figure", "list", "cohort", "exclusive", "segment", "top")
BACKGROUNDS = [
    {"segment": "some"},
    {"by": "segment"},
    {"by": "groups__name"},
    {"by": FIELD},
    {"by": FIELD, "top": "1"},
    {"of": FIELD},
    {"of": FIELD, "by": FIELD},
    {"segment": f"{FIELD}:both"},
    {"compare": "segment"},
    {"compare": "groups"},
    {"compare": FIELD},
    {"compare": FIELD, "open": "trend"},
    {"subscription_start": "2025-01-25"},
    {"of": "2025-03", "preset": "12mo"},
    {"from": "2025-02-03", "to": "2025-06-02"},
]


def values_of(name, field):
    if isinstance(field, fields.ListedField):
        return [FIELD, "password"]
    if name in TEXTS:
        return TEXTS[name]
    if isinstance(field, fields.SegmentField):
        groups = ["group:staff", "group:zebra group", "group:empty zebra", "no such one"]
        return [*SEGMENTS, *groups, *(f"{FIELD}:{value}" for value in (*ORGANIZATIONS, ""))]
    if isinstance(field, fields.BooleanField):
        return ["true"]
    if isinstance(field, fields.ChoiceField):
        return list(field.labels())
    assert isinstance(field, fields.IntegerField), f"Give values for {name}."
    return [field.min_value, 7]


def ends_of(values):
    """The first of many values, one between, which is a group for segments, and the last."""
    return list(dict.fromkeys(values[n * (len(values) - 1) // 2] for n in range(3)))


def questions(form, backgrounds):
    """Return the query strings of a form: each value alone, or some before backgrounds."""
    parameters = form.parameters() if form else {}
    every = [
        (name, value) for name, field in parameters.items() for value in values_of(name, field)
    ]
    asked = []
    if not backgrounds:
        asked += [{}, {"no_such_parameter": "1"}, *({name: value} for name, value in every)]
    for background in backgrounds:
        if background.keys() <= parameters.keys():
            asked.append(background)
            asked += [
                {**background, name: value}
                for name, field in parameters.items()
                if name in SHOWN and name not in background
                for value in ends_of(values_of(name, field))
            ]
    return list(dict.fromkeys(urlencode(each) for each in asked))


def answers(client, name, backgrounds=()):
    """Generate the answer to each question: the query string, the status and the text."""
    for query in questions(FORMS_OF[name], backgrounds):
        yield answer_to(client, name, query)


def answer_to(client, name, query):
    path = "/souvenirs/" + ROUTES[name].replace(r"(?P<path>[\s\S]+)", "no-such-endpoint")
    response = client.get(f"{path}?{query}")
    return query, response.status_code, response.text


def said_nothing_of_others(query, text):
    """Whether no secret occurs, but for those in the question, which some answers quote."""
    asked = " ".join(value for values in parse_qs(query).values() for value in values)
    return not any(secret in text.lower() for secret in SECRETS if secret not in asked)


def test_every_url_is_asked():
    assert set(ROUTES) == set(FORMS_OF)


#: The URLs that are asked before backgrounds.
WITH_BACKGROUNDS = [name for name in ROUTES if questions(FORMS_OF[name], BACKGROUNDS)]


@pytest.mark.parametrize(
    ("name", "backgrounds"),
    [
        *(pytest.param(name, (), id=f"{name}-alone") for name in ROUTES),
        *(
            pytest.param(name, BACKGROUNDS, id=f"{name}-before-others", marks=THOROUGH)
            for name in WITH_BACKGROUNDS
        ),
    ],
)
def test_limited_reader_is_answered_as_if_there_were_no_other_tenant(site, name, backgrounds):
    found = list(answers(site, name, backgrounds))
    assert len(found) > 1
    for query, _, text in found:
        assert said_nothing_of_others(query, text), query
    leave_one_tenant()
    for before, after in zip(found, answers(site, name, backgrounds), strict=True):
        assert before == after


#: The URLs that a limited reader is refused.
OF_SITE = ("health", "api-health", "api-statements")

#: The URLs with numbers of users.
OF_USERS = [name for name in ROUTES if FORMS_OF[name] and name not in OF_SITE]


@pytest.mark.parametrize("name", [name for name in OF_USERS if name.startswith("api-")])
def test_limited_reader_gets_the_numbers_of_the_site_of_the_tenant(site, settings, name):
    found = list(answers(site, name))
    leave_one_tenant()
    Group.objects.filter(name__contains="zebra").delete()
    settings.SOUVENIRS_SEGMENTS = {
        key: value for key, value in SEGMENTS.items() if "zebra" not in key
    }
    settings.SOUVENIRS_VISIBLE_TO = None
    for before, after in zip(found, answers(site, name), strict=True):
        assert before == after


@pytest.mark.parametrize("name", OF_USERS)
def test_view_that_forgets_the_reader_is_found_out(site, monkeypatch, name):
    found = answers(site, name)
    forgotten = property(lambda self: restricted(None, self.segment))
    for before in found:
        with monkeypatch.context() as patch:
            patch.setattr(Parameters, "users", forgotten)
            after = answer_to(site, name, before[0])
        if before != after:
            return
    pytest.fail("Nobody would notice.")


@pytest.mark.parametrize("name", ROUTES)
def test_reader_who_may_see_nobody_is_told_of_nobody(site, settings, name):
    settings.SOUVENIRS_VISIBLE_TO = nobody
    for query, status, text in answers(site, name):
        assert status in (200, 400, 403, 404), query
        assert said_nothing_of_others(query, text), query
        assert "user2@example.com" not in text, query


@pytest.mark.parametrize(
    "name", [name for name in OF_USERS if "segment" in FORMS_OF[name].parameters()]
)
def test_segment_of_others_looks_like_one_that_does_not_exist(site, name):
    said = {
        segment: site.get(f"/souvenirs/{ROUTES[name]}", {"segment": segment})
        for segment in (
            "no such segment",
            "zebra first",
            "zebra broken",
            "group:zebra group",
            f"{FIELD}:zebra org",
        )
    }
    statuses = {response.status_code for response in said.values()}
    assert statuses == {400}
    texts = {
        response.text.replace(segment, "?").replace(quote_plus(segment), "?")
        for segment, response in said.items()
    }
    assert len(texts) == 1

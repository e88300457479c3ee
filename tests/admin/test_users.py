"""The admin of users says when they were last seen, to those who may see it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.management import call_command
from django.db import connection, models
from django.db.models import Q
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.html import escape

from souvenirs.admin import LastSeenAdminMixin
from souvenirs.admin import users as useradmin
from souvenirs.checks import NotMigrated
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import active_days, inactive, last_seen_many, never_seen, recently_seen
from souvenirs.models import Digest
from souvenirs.web import VIEW_PEOPLE
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.pages.test_pages import Person

pytestmark = [
    pytest.mark.django_db(databases=["default", "elsewhere"]),
    pytest.mark.through_the_store,
]

NOW = at(2025, 6, 18, 10, 30)
DAY = timedelta(days=1)
MODEL = get_user_model()
OPTS = MODEL._meta
HAS_DJANGOS_USER = OPTS.label == "auth.User"
VIEW_USERS = f"{OPTS.app_label}.view_{OPTS.model_name}"

#: How many days ago each user was seen; user 8 never was.
AGO = {1: (0.1, 1, 3), 2: (6.9, 8), 3: (7.1,), 4: (31, 400), 5: (100,), 6: (200,), 7: (366,)}


class Admin(LastSeenAdminMixin, UserAdmin if HAS_DJANGOS_USER else admin.ModelAdmin):
    # Not that of another app of the suite.
    change_form_template = "admin/change_form.html"

    if not HAS_DJANGOS_USER:
        list_display = (MODEL.USERNAME_FIELD,)

    def has_module_permission(self, request):
        return True


class Site(admin.AdminSite):
    """An admin site for the user model of this run, whatever that knows of staff."""

    def has_permission(self, request):
        return True


site = Site()
site.register(MODEL, Admin)
urlpatterns = [path("admin/", site.urls)]


@pytest.fixture(autouse=True)
def _site(settings, set_now):
    settings.ROOT_URLCONF = __name__
    settings.SOUVENIRS_ENABLED = False
    set_now(NOW)


@pytest.fixture
def world(make_user, leave):
    for number in range(1, 9):
        make_user(number)
    leave(*((number, NOW - ago * DAY) for number, each in AGO.items() for ago in each))


@pytest.fixture
def boss(world, make_holder, client):
    """The client of somebody who may see users and their activity; never seen themselves."""
    client.force_login(make_holder(VIEW_PEOPLE, VIEW_USERS.partition(".")[2], number=60))
    return client


@pytest.fixture(autouse=True)
def _may_view(monkeypatch):
    monkeypatch.setattr(Admin, "has_view_permission", lambda *args: True)


def url(name="changelist", *args):
    return reverse(f"admin:{OPTS.app_label}_{OPTS.model_name}_{name}", args=args)


def change(user):
    return url("change", quote(getattr(user, "pk", user)))


def listed(response):
    """The users of a list, in its order."""
    return [user.pk for user in response.context["cl"].result_list]


def column(response):
    cells = re.findall(r'<td class="field-last_seen[^>]*>(.*?)</td>', response.content.decode())
    return dict(zip(listed(response), map(unescape, cells), strict=True))


def place(response):
    return response.context["cl"].list_display.index("last_seen")


def is_sortable(response):
    return "sortable column-last_seen" in response.content.decode()


def prune(before=NOW):
    digest()
    assert sum(step.souvenirs for step in Pruner(before).run())


def asked(user=None, **query):
    request = RequestFactory().get("/", query)
    request.user = user or Person(VIEW_PEOPLE)
    return request


def strip(user):
    """What the change page of a user says about their days."""
    return Admin(MODEL, site).active_year(user)


def test_column_says_when_users_were_last_seen(boss):
    seen = last_seen_many(MODEL._default_manager.all())
    with timezone.override("Asia/Kathmandu"), translation.override("en"):
        shown = column(boss.get(url()))
        expected = {
            pk: "never" if moment is None else admin.utils.display_for_value(moment, "")
            for pk, moment in seen.items()
        }
    assert shown == expected
    assert shown[pk_of(1)] == "June 18, 2025, 1:51 p.m."
    assert shown[pk_of(8)] == "never"


def test_column_takes_the_same_queries_for_any_number_of_users(boss, make_user, leave):
    with CaptureQueriesContext(connection) as few:
        boss.get(url())
    for number in range(100, 130):
        make_user(number)
    leave(*((number, NOW - number * DAY) for number in range(100, 130)))
    with CaptureQueriesContext(connection) as many:
        assert len(column(boss.get(url()))) > 30
    assert len(many) == len(few)
    assert len([query for query in few if "souvenirs_" in query["sql"].lower()]) == 3


def test_unsorted_page_sorts_nothing(boss):
    def sorts(**query):
        with CaptureQueriesContext(connection) as queries:
            boss.get(url(), query)
        return any("ORDER BY (SELECT" in query["sql"] for query in queries)

    order = place(boss.get(url()))
    assert (sorts(), sorts(o=order)) == (False, True)


def test_column_sorts_both_ways(boss):
    response = boss.get(url())
    assert is_sortable(response)
    ascending = boss.get(url(), {"o": place(response)})
    descending = boss.get(url(), {"o": -place(response)})
    seen = last_seen_many(MODEL._default_manager.all())
    moments = [seen[pk] for pk in listed(ascending)]
    assert moments == sorted(seen.values(), key=lambda moment: moment or at(1970, 1, 1))
    assert moments[:2] == [None, None]
    assert [seen[pk] for pk in listed(descending)] == moments[::-1]


def test_pruned_column_is_right_and_cannot_be_sorted(boss):
    unsorted = listed(boss.get(url()))
    prune(NOW - 20 * DAY)
    response = boss.get(url(), {"o": place(boss.get(url()))})
    assert not is_sortable(response)
    assert listed(response) == listed(boss.get(url(), {"o": "99"}))
    assert set(listed(response)) == set(unsorted)
    seen = last_seen_many(MODEL._default_manager.all())
    with translation.override("en"):
        shown = column(boss.get(url()))
    assert {pk for pk, text in shown.items() if text == "never"} == {pk_of(8), pk_of(60)}
    assert seen[pk_of(7)] is not None


class Elsewhere:
    """Souvenirs are in a database of their own."""

    def db_for_read(self, model, **hints):
        return "elsewhere" if model._meta.app_label == "souvenirs" else None

    db_for_write = db_for_read


def test_column_of_souvenirs_elsewhere_cannot_be_sorted(boss, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]
    response = boss.get(url(), {"o": -place(boss.get(url()))})
    assert not is_sortable(response)
    assert set(column(response).values()) == {"never"}


def test_column_is_where_it_is_put(boss, monkeypatch):
    monkeypatch.setattr(Admin, "list_display", ("last_seen", "pk"))
    monkeypatch.setattr(Admin, "list_display_links", ("pk",))
    response = boss.get(url())
    assert place(response) == 0
    assert len(column(response)) == 9
    monkeypatch.setattr(Admin, "sortable_by", ("pk",))
    response = boss.get(url(), {"o": "0"})
    assert not is_sortable(response)
    assert listed(response) == listed(boss.get(url(), {"o": "99"}))


@isolate_apps("tests.users")
def test_column_beside_a_field_of_its_name():
    class Member(AbstractBaseUser):
        last_seen = models.DateTimeField()

        class Meta:
            app_label = "users"

    class MemberAdmin(LastSeenAdminMixin, admin.ModelAdmin):
        list_display = ("pk", "last_seen")

    members = MemberAdmin(Member, site)
    shown = members.get_list_display(asked())
    assert shown == ["pk", "last_seen", members.last_seen]
    assert members.get_list_display(asked(Person())) == ["pk", "last_seen"]


def test_corrupt_digest_is_said(boss):
    prune()
    Digest.objects.filter(level__lte=3600).update(body=b"damaged")
    Digest.objects.filter(level__gt=3600).delete()
    response = boss.get(url())
    assert set(column(response).values()) == {useradmin.DASH}
    assert [message.level_tag for message in response.context["messages"]] == ["error"]
    page = boss.get(change(pk_of(1))).content.decode()
    assert "souvenirs-problem" in page
    assert "<rect" not in page


@pytest.mark.django_db(transaction=True)
def test_missing_migrations_are_said(boss):
    sentence = escape(str(NotMigrated("default")))
    call_command("migrate", "souvenirs", "zero", verbosity=0)
    try:
        users = boss.get(url())
        page = boss.get(change(pk_of(1)))
    finally:
        call_command("migrate", "souvenirs", verbosity=0)
    assert set(column(users).values()) == {useradmin.DASH}
    assert sentence in users.content.decode()
    assert sentence in page.content.decode()


FILTERS = {
    "recently": lambda: recently_seen(7 * DAY),
    "30": lambda: inactive(30 * DAY),
    "90": lambda: inactive(90 * DAY),
    "180": lambda: inactive(180 * DAY),
    "365": lambda: inactive(365 * DAY),
    "never": never_seen,
}


@pytest.mark.parametrize("is_pruned", [False, True])
@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_the_queryset(boss, name, is_pruned):
    if is_pruned:
        prune(NOW - 20 * DAY)
    users = FILTERS[name]()
    assert 0 < len(users) < 8
    response = boss.get(url(), {"last-seen": name})
    assert set(listed(response)) == {user.pk for user in users}


def test_filter_goes_with_another(boss):
    with_a_field = {f"{MODEL.USERNAME_FIELD}__startswith": "user"}
    response = boss.get(url(), {"last-seen": "30", **with_a_field})
    users = inactive(30 * DAY).filter(Q(**with_a_field))
    assert set(listed(response)) == {user.pk for user in users}


def test_filter_counts_what_it_would_find(boss):
    page = unescape(boss.get(url(), {"_facets": "True"}).content.decode())
    for name, users in FILTERS.items():
        [text] = re.findall(rf'href="[^"]*last-seen={name}[^"]*">(.*?)</a>', page, re.DOTALL)
        assert f"({users().count()})" in text


def test_filter_refuses_what_it_does_not_know(boss):
    assert boss.get(url(), {"last-seen": "1"}).status_code == 302


def test_strip_is_the_days_of_the_last_year(boss):
    user = MODEL._default_manager.get(pk=pk_of(1))
    page = unescape(boss.get(change(user)).content.decode())
    titles = re.findall(r"<rect[^>]*><title>(.*?)</title>", page)
    assert titles == ["June 15, 2025", "June 17, 2025", "June 18, 2025"]
    assert len(active_days(user)) == 3
    assert 'role="img" aria-label="Active on 3 days since June 17, 2024"' in page
    assert "Last seen: June 18, 2025, 8:06 a.m." in page
    assert "souvenirs/dashboard.css" in page


@pytest.mark.parametrize(("start", "first"), [(1, "June 17, 2024"), (7, "June 16, 2024")])
def test_strip_has_53_weeks(world, leave, settings, start, first):
    settings.SOUVENIRS_WEEK_START = start
    user = MODEL._default_manager.get(pk=pk_of(8))
    midnight = NOW.replace(hour=0, minute=0)
    this_week = midnight - (2 if start == 1 else 3) * DAY
    leave((8, this_week - 364 * DAY), (8, this_week - 364 * DAY - timedelta(seconds=1)))
    leave((8, this_week), (8, NOW - timedelta(minutes=1)))
    drawing = strip(user)
    assert f"Active on 3 days since {first}" in drawing
    places = re.findall(r'<rect class="day active" x="(\d+)" y="(\d+)"', drawing)
    today = 10 * (NOW - this_week).days + 1
    assert places == [("1", "1"), ("521", "1"), ("521", str(today))]
    assert 'viewBox="0 0 530 70"' in drawing
    [days] = re.findall(r'<path class="day" d="([^"]*)"', drawing)
    assert days.count("M") == 52 * 7 + (NOW - this_week).days + 1


def test_strip_is_of_the_current_time_zone(world):
    user = MODEL._default_manager.get(pk=pk_of(3))
    with timezone.override("Pacific/Kiritimati"):
        drawing = strip(user)
    assert "<title>June 11, 2025</title>" in strip(user)
    assert "<title>June 11, 2025</title>" in drawing
    assert "Time zone: Pacific/Kiritimati" in drawing
    assert "June 11, 2025, 10:06 p.m." in drawing


def test_strip_without_time_zones(world, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    # What Django takes for the present is naive then.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: NOW.replace(tzinfo=None))
        assert "Time zone: Asia/Tokyo" in strip(MODEL._default_manager.get(pk=pk_of(8)))


def test_strip_of_somebody_never_seen(world):
    drawing = strip(MODEL._default_manager.get(pk=pk_of(8)))
    assert "Active on 0 days since" in drawing
    assert "Last seen: never" in drawing
    assert "<rect" not in drawing


def test_strip_says_which_days_cannot_be_told(boss, leave):
    leave((8, at(2025, 6, 1, 18, 10)))
    prune()
    with timezone.override("Asia/Kolkata"):
        page = boss.get(change(pk_of(8)))
        drawing = strip(MODEL._default_manager.get(pk=pk_of(8)))
    assert page.status_code == 200
    assert "are unknown in this time zone" in drawing
    assert "Last seen: June 1, 2025, 11:30 p.m." in drawing
    assert "<svg" not in drawing
    assert "<svg" in strip(MODEL._default_manager.get(pk=pk_of(8)))


def test_strip_in_german(world):
    with translation.override("de"):
        drawing = strip(MODEL._default_manager.get(pk=pk_of(1)))
    assert "An 3 Tagen aktiv seit dem 17. Juni 2024" in drawing


def test_new_user_has_no_strip(world):
    assert "active_year" not in Admin(MODEL, site).get_readonly_fields(asked())
    assert "active_year" not in flatten_fieldsets(Admin(MODEL, site).get_fieldsets(asked()))


def test_strip_comes_right_after_the_first_section(world, monkeypatch):
    sets = ((None, {"fields": ["password"]}), ("More", {"fields": ["last_login"]}))
    monkeypatch.setattr(Admin, "fieldsets", sets)
    user = MODEL._default_manager.get(pk=pk_of(1))
    first, ours, *others = Admin(MODEL, site).get_fieldsets(asked(), user)
    assert ours == ("Activity", {"fields": ["active_year"]})
    assert [first, *others] == list(sets)


def test_strip_is_where_it_is_put(boss, monkeypatch):
    sets = [(None, {"fields": ["password", ("last_login", "active_year"), "active_year"]})]
    monkeypatch.setattr(Admin, "fieldsets", sets)
    monkeypatch.setattr(Admin, "readonly_fields", ["active_year"])
    user = MODEL._default_manager.get(pk=pk_of(1))
    ours = Admin(MODEL, site)
    assert ours.get_fieldsets(asked(), user) == sets
    assert ours.get_readonly_fields(asked(), user) == ["active_year"]
    [(_name, options)] = ours.get_fieldsets(asked(Person()), user)
    assert options["fields"] == ["password", ["last_login"]]
    assert ours.get_readonly_fields(asked(Person()), user) == []


def test_nothing_without_the_permission(world, make_holder, client):
    client.force_login(make_holder(VIEW_USERS.partition(".")[2], number=60))
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url())
        page = client.get(change(pk_of(1))).content.decode()
    assert "last_seen" not in response.context["cl"].list_display
    assert "last-seen" not in response.content.decode()
    assert "<rect" not in page
    assert "active_year" not in page
    assert not any("souvenirs_souvenir" in query["sql"] for query in queries)
    assert client.get(url(), {"last-seen": "30"}).status_code == 302


PROBE = "</title><b style=x>'\""


def test_nothing_inline_and_nothing_that_somebody_wrote(boss, make_user):
    name = "pk" if OPTS.pk.name == MODEL.USERNAME_FIELD else MODEL.USERNAME_FIELD
    user = make_user(9, **{name: PROBE})
    for page in (url(), change(user)):
        html = boss.get(page).content.decode()
        assert "&lt;b style" in html
        assert "<b style" not in html
    assert not re.search(r"\sstyle=|<script|<style|\son\w+=", strip(user))


def test_any_page_of_any_length(boss, monkeypatch):
    monkeypatch.setattr(Admin, "list_per_page", 2)
    assert len(column(boss.get(url(), {"p": "2"}))) == 2
    assert len(column(boss.get(url(), {"all": ""}))) == 9


def test_search_and_sorting_go_together(boss, monkeypatch):
    monkeypatch.setattr(Admin, "search_fields", (MODEL.USERNAME_FIELD,))
    order = -place(boss.get(url()))
    response = boss.get(url(), {"q": "user", "o": order, "last-seen": "30"})
    assert listed(response) == [pk_of(number) for number in (4, 5, 6, 7)]


def test_page_of_a_user_leads_back_to_the_list_of_people(world, settings):
    user = MODEL._default_manager.get(pk=pk_of(1))
    settings.ROOT_URLCONF = "tests.urls"
    link = f'href="{reverse("admin:souvenirs_people")}"'
    assert link in Admin(MODEL, admin.site).active_year(user)
    settings.ROOT_URLCONF = type("WithoutPages", (), {"urlpatterns": []})
    assert "href" not in Admin(MODEL, admin.site).active_year(user)

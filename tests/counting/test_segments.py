import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils.functional import SimpleLazyObject

from souvenirs.control import ActiveUsers, BySegment, active_users, count_active_users
from souvenirs.counting.segments import (
    group_names,
    groups_among,
    groups_by,
    is_group,
    restricted,
    segment,
    segment_names,
    segments_among_users,
)
from souvenirs.models import Souvenir
from tests.conftest import at, pk_of
from tests.oracle import keys

pytestmark = pytest.mark.django_db

LABEL = get_user_model()._meta.label
only_django_users = pytest.mark.skipif(
    LABEL != "auth.User", reason="the user model has no groups and no staff"
)

NOON = at(2017, 9, 5, 12)


def odd():
    """Users 1 and 3, as a site would define them."""
    return [pk_of(1), pk_of(3)]


def found_wrong():
    raise ValueError("There are no plans.")


NOT_CALLABLE = 5


def read_live():
    """A segment for each group of Django, as a site with a table of customers would have it."""
    return {group.name: Q(groups=group) for group in Group.objects.order_by("name")}


@pytest.fixture
def users(make_user, leave):
    """Users 1 to 4, of whom 1 to 3 have been active; and 9, who has been deleted."""
    made = [make_user() for _ in range(4)]
    leave(*((number, NOON) for number in (1, 2, 3, 9)))
    return made


@pytest.mark.parametrize(
    "group",
    [
        Q(pk__in=[pk_of(1), pk_of(3)]),
        lambda: Q(pk__in=[pk_of(1), pk_of(3)]),
        lambda: get_user_model().objects.filter(pk__in=odd()),
        lambda: get_user_model().objects.filter(pk__in=odd()).order_by("-last_login"),
        lambda: list(get_user_model().objects.filter(pk__in=odd())),
        lambda: iter(odd()),
        odd,
        "tests.counting.test_segments.odd",
        SimpleLazyObject(odd),
    ],
)
def test_what_a_segment_can_be(users, settings, group):
    settings.SOUVENIRS_SEGMENTS = {"odd": group}
    assert segment("odd").pks == keys([1, 3])
    assert groups_by("segment") == {"odd": keys([1, 3])}
    assert groups_by({"odd": group}) == {"odd": keys([1, 3])}


def test_queryset_is_a_segment(users, settings):
    settings.SOUVENIRS_SEGMENTS = {"odd": get_user_model().objects.filter(pk__in=odd())}
    assert segment("odd").pks == keys([1, 3])


def test_members_are_those_of_the_moment_of_asking(users, settings):
    settings.SOUVENIRS_SEGMENTS = {"all": Q()}
    assert len(segment("all")) == 4
    users[0].delete()
    assert len(segment("all")) == 3


@only_django_users
def test_user_found_twice_by_a_join_is_one(users):
    for name in ("Acme", "Globex"):
        Group.objects.create(name=name).user_set.add(users[0])
    assert len(groups_by({"any": Q(groups__isnull=False)})["any"]) == 1


def test_names_in_order(settings):
    settings.SOUVENIRS_SEGMENTS = {"pro": Q(), "free": Q(), "a": Q()}
    assert segment_names() == ["pro", "free", "a"]


def test_overlap(users):
    groups = groups_by({"odd": odd(), "low": [pk_of(1), pk_of(2)]})
    assert groups == {"odd": keys([1, 3]), "low": keys([1, 2])}


def test_exclusive_is_the_first_match(users):
    groups = groups_by({"low": [pk_of(1), pk_of(2)], "odd": odd(), "all": Q()}, exclusive=True)
    assert groups == {"low": keys([1, 2]), "odd": keys([3]), "all": keys([4])}


def test_by_a_field(users):
    for user, password in zip(users, ("red", "blue", "red", ""), strict=True):
        user.password = password
        user.save()
    groups = groups_by("password")
    assert list(groups) == ["blue", "red"]
    assert groups == {"red": keys([1, 3]), "blue": keys([2])}


@only_django_users
def test_by_a_field_of_a_relation(users):
    acme, globex, _ = (Group.objects.create(name=name) for name in ("Acme", "Globex", "Nobody"))
    acme.user_set.set(users[:2])
    globex.user_set.set(users[1:3])
    groups = groups_by("groups__name")
    assert groups == {"Acme": keys([1, 2]), "Globex": keys([2, 3])}
    assert groups_by("groups__name", exclusive=True)["Globex"] == keys([3])
    counts = count_active_users(by="groups__name")
    assert (dict(counts), counts.everyone) == ({"Acme": 2, "Globex": 2}, 4)


@only_django_users
def test_by_false_is_a_segment_like_true(users):
    get_user_model().objects.filter(pk=1).update(is_staff=True)
    assert groups_by("is_staff") == {"False": {2, 3, 4}, "True": {1}}


def test_by_a_field_without_values(users):
    assert groups_by("last_login") == {}
    counts = count_active_users(by="last_login")
    assert (dict(counts), counts.everyone) == ({}, 4)


@pytest.mark.parametrize("by", ["", "no_such_field", "pk__no_such", "last_login__pk", 5, object()])
def test_by_something_else_is_refused(by):
    with pytest.raises(ValueError, match="by must be 'segment', groups by name, or a field of"):
        groups_by(by)


def test_by_no_groups_is_refused():
    with pytest.raises(ValueError, match="gives no segments"):
        groups_by({})
    with pytest.raises(ValueError, match="by 'segment' gives no segments: name some in SOUVENIRS_"):
        groups_by("segment")


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (Q(no_such_field=1), "Segment 'pro' is not a valid query: Cannot resolve keyword"),
        (Q(last_login="soon"), "Segment 'pro' is not a valid query"),
        (Permission.objects.all, "users is a queryset of auth.Permission"),
        ("no.such.function", "Segment 'pro' is 'no.such.function', which cannot be imported"),
        ("nowhere", "Segment 'pro' is 'nowhere', which cannot be imported"),
        (".", "Segment 'pro' is '.', which cannot be imported"),
        ("tests.counting.test_segments.NOT_CALLABLE", "users must be a queryset"),
        (5, "users must be a queryset"),
        (None, "users must be a queryset"),
        (lambda: None, "users must be a queryset"),
        (found_wrong, "There are no plans."),
    ],
)
def test_what_a_segment_cannot_be(settings, group, message):
    settings.SOUVENIRS_SEGMENTS = {"pro": group}
    with pytest.raises(ImproperlyConfigured, match=r"SOUVENIRS_SEGMENTS\['pro'\]: " + message):
        segment("pro")
    with pytest.raises((ValueError, TypeError), match=message):
        groups_by({"pro": group})


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (["staff"], "should be a dict of segments by name, or a function .*, not ..staff..\\."),
        (None, "should be a dict of segments by name, or a function .*, not None\\."),
        ({5: Q()}, "should be .*: 5 is not a name"),
        ({"": Q()}, "should be .*: '' is not a name"),
    ],
)
def test_setting_that_names_no_segments(settings, segments, message):
    settings.SOUVENIRS_SEGMENTS = segments
    with pytest.raises(ImproperlyConfigured, match=f"SOUVENIRS_SEGMENTS {message}"):
        segment_names()


def test_setting_is_not_evaluated_to_say_what_is_wrong(settings, django_assert_num_queries):
    settings.SOUVENIRS_SEGMENTS = get_user_model().objects.all()
    with (
        django_assert_num_queries(0),
        pytest.raises(ImproperlyConfigured, match=r"not a \w*QuerySet"),
    ):
        segment_names()


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ({}, "'pro' is not a segment: it must be named in SOUVENIRS_SEGMENTS"),
        ({"a": Q(), "b": Q()}, "'pro' is not a segment: it must be one of a, b"),
    ],
)
def test_segment_that_is_not_there(settings, segments, message):
    settings.SOUVENIRS_SEGMENTS = segments
    with pytest.raises(ValueError, match=message):
        segment("pro")


def test_restricted(users, settings):
    settings.SOUVENIRS_SEGMENTS = {"odd": odd}
    assert restricted(None, None) is None
    assert restricted([pk_of(1)], None) == [pk_of(1)]
    assert restricted(None, "odd") == keys([1, 3])
    assert restricted([pk_of(1), pk_of(2)], "odd") == keys([1])


def test_restricted_to_a_query_fetches_nobody(users, settings, django_assert_num_queries):
    settings.SOUVENIRS_SEGMENTS = {"low": Q(pk__in=[pk_of(1), pk_of(2)])}
    with django_assert_num_queries(0):
        members = restricted(None, "low")
    assert ActiveUsers(members) == segment("low") == keys([1, 2])


def test_counts_by_segment(users, settings):
    settings.SOUVENIRS_SEGMENTS = {"odd": odd, "low": Q(pk__in=[pk_of(1), pk_of(2)])}
    counts = count_active_users(by="segment")
    assert counts == BySegment({"odd": 2, "low": 2}, everyone=4)
    assert (counts["odd"], list(counts), len(counts)) == (2, ["odd", "low"], 2)


def test_counts_of_exclusive_segments(users):
    groups = {"odd": odd(), "low": [pk_of(1), pk_of(2)]}
    counts = count_active_users(by=groups, exclusive=True)
    assert dict(counts) == {"odd": 2, "low": 1}


def test_counts_by_segment_in_a_range_and_of_a_group(users, leave):
    leave((4, at(2017, 9, 7)))
    groups = {"odd": odd(), "high": [pk_of(4)]}
    counts = count_active_users(end=at(2017, 9, 6), users=[pk_of(1), pk_of(4)], by=groups)
    assert counts == BySegment({"odd": 1, "high": 0}, everyone=1)


def test_counts_by_segment_in_a_queryset_of_souvenirs(users, leave):
    leave((1, at(2017, 9, 7)), (4, at(2017, 9, 7)))
    souvenirs = Souvenir.objects.exclude(user_id=pk_of(3)).order_by("user__last_login")
    groups = {"odd": odd(), "high": [pk_of(4)]}
    assert count_active_users(qs=souvenirs, by=groups) == BySegment({"odd": 1, "high": 1}, 4)
    ranged = count_active_users(end=at(2017, 9, 6), qs=souvenirs, users=odd(), by=groups)
    assert ranged == BySegment({"odd": 1, "high": 0}, 1)


def test_sets_by_segment(users):
    sets = active_users(by={"odd": odd(), "high": [pk_of(4)]})
    assert sets.everyone == keys([1, 2, 3, 9])
    assert dict(sets) == {"odd": keys([1, 3]), "high": ActiveUsers()}
    assert {name: len(found) for name, found in sets.items()} == dict(
        count_active_users(by={"odd": odd(), "high": [pk_of(4)]})
    )


def test_sets_by_segment_of_a_group_and_exclusive(users):
    groups = {"odd": odd(), "low": [pk_of(1), pk_of(2)]}
    sets = active_users(None, None, [pk_of(1), pk_of(2)], by=groups, exclusive=True)
    assert sets == BySegment({"odd": keys([1]), "low": keys([2])}, keys([1, 2]))


def test_counting_by_segment_reads_souvenirs_once(users, django_assert_max_num_queries):
    groups = {str(number): [pk_of(number)] for number in range(30)}
    with django_assert_max_num_queries(3 if type(pk_of(1)) is int else 5):
        count_active_users(by=groups)


@only_django_users
def test_function_names_new_segments_without_a_restart(users, settings):
    settings.SOUVENIRS_SEGMENTS = "tests.counting.test_segments.read_live"
    assert segment_names() == []
    users[0].groups.add(Group.objects.create(name="Acme"))
    assert segment_names() == ["Acme"]
    assert segment("Acme").pks == keys([1])
    users[1].groups.add(Group.objects.create(name="Globex"))
    counts = count_active_users(by="segment")
    assert (dict(counts), counts.everyone) == ({"Acme": 1, "Globex": 1}, 4)


def test_function_is_called_once_for_all_segments(users, settings):
    calls = []

    def segments():
        calls.append(1)
        return {"odd": odd, "none": list}

    settings.SOUVENIRS_SEGMENTS = segments
    assert dict(count_active_users(by="segment")) == {"odd": 2, "none": 0}
    assert len(calls) == 1


def test_segment_of_a_function_that_fails_is_refused_by_name(users, settings):
    settings.SOUVENIRS_SEGMENTS = found_wrong
    raised = "The function in SOUVENIRS_SEGMENTS raised ValueError: There are no plans."
    with pytest.raises(ImproperlyConfigured) as all_of_them:
        count_active_users(by="segment")
    assert str(all_of_them.value) == raised
    with pytest.raises(ImproperlyConfigured) as one:
        segment("pro")
    assert str(one.value) == f"SOUVENIRS_SEGMENTS['pro']: {raised}"


def test_segment_that_a_function_does_not_name(users, settings):
    settings.SOUVENIRS_SEGMENTS = lambda: {"odd": odd}
    with pytest.raises(ValueError, match="'pro' is not a segment: it must be one of odd"):
        segment("pro")


def of(*numbers):
    return get_user_model()._default_manager.filter(pk__in=[pk_of(number) for number in numbers])


def in_no_way():
    raise RuntimeError("boom")


def test_segments_among_users_have_only_these_users(users, settings):
    settings.SOUVENIRS_SEGMENTS = {
        "odd": odd,
        "first": Q(pk=pk_of(1)),
        "even": lambda: of(2, 4),
        "broken": in_no_way,
        "deleted": lambda: [pk_of(9)],
    }
    found = groups_among(of(2, 3, 9), "segment")
    assert {name: members.pks for name, members in found.items()} == {
        "odd": keys([3]),
        "even": keys([2]),
    }
    assert list(segments_among_users(of(2, 3, 9))) == ["odd", "even"]
    assert list(segments_among_users(of())) == []


@only_django_users
def test_groups_among_users_are_those_that_have_one_of_them(users):
    staff, others = (Group.objects.create(name=name) for name in ("staff", "others"))
    Group.objects.create(name="empty")
    users[0].groups.add(staff, others)
    users[1].groups.add(staff)
    assert group_names(10) == ["empty", "others", "staff"]
    assert group_names(10, of(1, 2)) == ["others", "staff"]
    assert group_names(1, of(1, 2)) == ["others"]
    assert group_names(10, of(2, 3)) == ["staff"]
    assert group_names(10, of(3)) == []
    assert is_group("group:others", of(1))
    assert not is_group("group:others", of(2))
    assert not is_group("others", of(1))
    found = groups_among(of(2, 3), "groups__name")
    assert {name: members.pks for name, members in found.items()} == {"staff": keys([2])}

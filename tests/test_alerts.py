"""What is found on a site, and what cannot be judged."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db.models import Q

from souvenirs.alerts import Finding, Limits, judge
from souvenirs.models import Digest, Souvenir
from souvenirs.signals import activity_alert
from tests.conftest import at, pk_of

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = at(2017, 11, 20, 15, 20)  # a Monday
TODAY = at(2017, 11, 20)

HAS_LAST_LOGIN = "last_login" in {each.name for each in get_user_model()._meta.concrete_fields}
signs_in = pytest.mark.skipif(not HAS_LAST_LOGIN, reason="the user model has no last_login")


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.fixture
def habit(leave):
    """Ten weeks in which these users came at these hours, up to a moment."""

    def write(until=NOW, users=10, days=70, hours=range(8, 16), first=1):
        leave(
            *(
                (number, when)
                for n in range(days + 1)
                for hour in hours
                for number in range(first, first + users)
                if (when := TODAY - (days - n) * DAY + hour * HOUR + timedelta(minutes=1)) < until
            )
        )

    return write


def kinds(limits=Limits(), tz=None):  # noqa: B008
    return [each.kind for each in judge(limits, tz).findings]


def test_as_usual(habit):
    habit()
    judgement = judge(Limits())
    assert (judgement.findings, judgement.not_judged) == ([], [])


def test_an_empty_site():
    judgement = judge(Limits(segment_drop=10))
    assert judgement.findings == []
    assert judgement.not_judged == [
        "There is no souvenir yet.",
        "The active users of the day are not judged. There are 0 whole days of history, and 35 are "
        "needed.",
        "No segment is named in SOUVENIRS_SEGMENTS.",
    ]


def test_a_site_that_starts(leave):
    leave((1, TODAY + 14 * HOUR))
    judgement = judge(Limits())
    assert judgement.findings == []
    [sentence] = judgement.not_judged
    assert sentence.endswith("There are 0 whole days of history, and 35 are needed.")


def test_one_day_of_history(leave):
    leave(*((1, NOW - n * HOUR) for n in range(45)))
    judgement = judge(Limits())
    assert judgement.findings == []
    [sentence] = judgement.not_judged
    assert sentence.endswith("There are 1 whole days of history, and 35 are needed.")


@pytest.mark.parametrize(
    ("last", "windows", "found"),
    [
        # The current window and three before it.
        (at(2017, 11, 20, 11, 59), 3, True),
        (at(2017, 11, 20, 12), 3, False),
        (at(2017, 11, 20, 12), 2, True),
    ],
)
def test_silence_is_a_number_of_windows(habit, leave, last, windows, found):
    habit(last - HOUR)
    leave((1, last))
    assert ("silence" in kinds(Limits(windows=windows))) is found


def test_silence_at_a_time_when_users_come(habit):
    habit(TODAY + 12 * HOUR)
    [finding] = [each for each in judge(Limits()).findings if each.kind == "silence"]
    assert finding.text == (
        "No souvenir has been left since 2017-11-20 12:00; in the same hours of the last 8 weeks, "
        "there were 10 active users."
    )
    assert finding.values == {"windows": 3, "since": at(2017, 11, 20, 12), "usual": 10}


def test_silence_at_a_time_when_nobody_comes(habit):
    habit(hours=range(8, 11))
    assert "silence" not in kinds()


@pytest.mark.parametrize(("users", "found"), [(7, False), (8, True)])
def test_a_few_users_may_all_stay_away(habit, users, found):
    habit(TODAY + 12 * HOUR, users=users)
    assert ("silence" in kinds()) is found


@pytest.mark.parametrize(("days", "found"), [(27, False), (28, True)])
def test_silence_needs_four_weeks(habit, days, found):
    habit(TODAY + 12 * HOUR, days=days)
    assert ("silence" in kinds()) is found


def test_silence_without_windows(habit, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    habit(TODAY)
    judgement = judge(Limits())
    assert judgement.not_judged == [
        "SOUVENIRS_RATELIMIT_SECONDS is 0, so there are no windows to be without a souvenir."
    ]


@signs_in
@pytest.mark.parametrize(
    ("signed_in", "found"),
    [
        (at(2017, 11, 20, 12), True),
        (at(2017, 11, 20, 11, 59), False),
        (NOW - timedelta(seconds=61), True),
        (NOW - timedelta(seconds=60), False),
    ],
)
def test_silence_although_somebody_signed_in(leave, make_user, signed_in, found):
    leave((1, TODAY - DAY))
    make_user(last_login=signed_in)
    findings = judge(Limits()).findings
    assert bool(findings) is found
    if found:
        assert findings[0].text == (
            "No souvenir has been left since 2017-11-20 12:00, although 1 user signed in: "
            "recording is broken."
        )


@signs_in
def test_sign_ins_that_a_user_model_does_not_know(leave, make_user, monkeypatch):
    leave((1, TODAY - DAY))
    make_user(last_login=NOW - HOUR)
    assert kinds() == ["silence"]
    # All user models of the tests have the field.
    monkeypatch.setattr("souvenirs.alerts.get_user_model", lambda: Permission)
    assert kinds() == []


@signs_in
@pytest.mark.parametrize("ignored", [True, False])
def test_a_sign_in_of_ignored_staff_is_no_sign(leave, make_user, settings, ignored):
    settings.SOUVENIRS_IGNORE_STAFF = ignored
    leave((1, TODAY - DAY))
    if "is_staff" not in {each.name for each in get_user_model()._meta.concrete_fields}:
        pytest.skip("the user model has no is_staff")
    make_user(last_login=NOW - HOUR, is_staff=True)
    assert (kinds() == ["silence"]) is not ignored


def test_outlying(habit, leave):
    habit(TODAY, users=60, hours=[9, 14])
    leave(*((number, NOW - HOUR) for number in range(1, 21)))
    [finding] = judge(Limits()).findings
    assert finding.kind == "outlying"
    assert finding.text == (
        "20 users active up to 15:00 on Monday, 2017-11-20; expected 60, and from 36 to 90 is "
        "usual."
    )
    assert finding.values["active"] == 20
    assert kinds(Limits(tolerance=9)) == []


def test_the_day_is_that_of_the_zone(habit):
    habit()
    kolkata = ZoneInfo("Asia/Kolkata")
    assert kinds(tz=kolkata) == []


@pytest.fixture
def segments(settings, make_user):
    numbers = [pk_of(number) for number in range(1, 11)]
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=numbers)}
    for _ in range(20):
        make_user()


@pytest.mark.usefixtures("segments")
@pytest.mark.parametrize(("percent", "found"), [(39, True), (40, False)])
def test_a_segment_that_fell(habit, percent, found):
    habit(users=6)
    habit(TODAY - 7 * DAY, users=4, first=7)
    findings = judge(Limits(segment_drop=percent)).findings
    assert bool(findings) is found
    if found:
        assert findings[0].text == (
            "The active users of segment 'few' fell by 40 % in a week, from 10 to 6."
        )
        assert findings[0].values == {"segment": "few", "before": 10, "active": 6}


@pytest.mark.usefixtures("segments")
def test_a_segment_without_users_cannot_fall(habit):
    habit(users=10, first=11)
    assert kinds(Limits(segment_drop=1)) == []


@pytest.mark.usefixtures("segments")
def test_segments_need_two_weeks(leave):
    leave((1, TODAY - 13 * DAY), (1, NOW - HOUR))
    sentence = "The segments are not judged. There are less than 14 whole days of history."
    assert sentence in judge(Limits(segment_drop=1)).not_judged
    leave((1, TODAY - 14 * DAY))
    assert sentence not in judge(Limits(segment_drop=1)).not_judged


def test_digests_behind_and_undigested_souvenirs(habit):
    habit()
    call_command("digest_souvenirs", verbosity=0)
    assert kinds(Limits(undigested=1)) == []
    Souvenir.objects.create(user_id=pk_of(1), when=at(2017, 11, 1, 3, 3))
    findings = judge(Limits(undigested=1)).findings
    assert [each.kind for each in findings] == ["digests"]
    assert findings[0].values == {"check": "souvenirs.W010"}
    Souvenir.objects.create(user_id=pk_of(1), when=at(2017, 11, 1, 4, 3))
    finding = judge(Limits(undigested=1)).findings[-1]
    assert finding == Finding(
        "undigested", "2 souvenirs are undigested, more than 1.", {"undigested": 2}
    )


def test_a_pruned_span_is_not_judged(habit):
    habit(users=3, days=40, hours=[9, 18])
    call_command("digest_souvenirs", verbosity=0)
    call_command("prune_souvenirs", older_than=0, verbosity=0)
    assert judge(Limits()).findings == []
    assert judge(Limits()).not_judged == []
    # Its days begin and end within hours of UTC.
    judgement = judge(Limits(), ZoneInfo("Asia/Kolkata"))
    assert judgement.findings == []
    assert judgement.not_judged == [
        "Days of this time zone begin within buckets whose souvenirs have been pruned, so their "
        "active users are not judged."
    ]


@pytest.mark.usefixtures("segments")
def test_a_corrupt_digest_is_found_once(habit):
    habit(users=3, days=40, hours=[9, 14])
    call_command("digest_souvenirs", verbosity=0)
    call_command("prune_souvenirs", older_than=1, verbosity=0)
    Digest.objects.filter(start__gte=int((TODAY - 3 * DAY).timestamp())).update(body=b"damaged")
    [finding] = [each for each in judge(Limits(segment_drop=1)).findings if each.kind == "corrupt"]
    assert finding.text.endswith("Run manage.py digest_souvenirs --verify.")


def test_the_signal_is_sent_for_each_finding(habit):
    habit(TODAY, users=60, hours=[9, 14])
    heard = []

    def receiver(sender, signal, finding):
        heard.append((sender, finding))
        raise RuntimeError("has no effect")

    activity_alert.connect(receiver)
    try:
        findings = judge(Limits()).findings
    finally:
        activity_alert.disconnect(receiver)
    assert [each.kind for each in findings] == ["silence", "outlying"]
    assert heard == [(Finding, each) for each in findings]

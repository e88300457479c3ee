import contextlib
import json
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.signals import post_delete

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL
from souvenirs.control import (
    CorruptDigest,
    active_users,
    count_active_users,
    erase_user,
    export_user,
)
from souvenirs.digests import erasing
from souvenirs.digests.erasing import Erased, erase_deleted_user
from souvenirs.models import Digest, Souvenir, UserNumber
from tests.conftest import at, pk_of
from tests.digesting import MINUTE, bucket_of, day_of, digest, flip_a_bit, month_of, run

pytestmark = pytest.mark.django_db(transaction=True)

NINE = at(2025, 3, 31, 9)
TEN = NINE + 60 * MINUTE
OWN_NUMBER = get_user_model()._meta.pk.get_internal_type().endswith("AutoField")


@pytest.fixture
def history(leave):
    """User 1 in two months, beside user 2; digested except for the last souvenir."""
    leave((1, NINE), (2, NINE), (1, at(2025, 4, 1, 9)), (2, TEN))
    digest()
    leave((1, at(2025, 4, 2, 9)))


def everyone_at(*moments):
    return set().union(*(active_users(when, when + 60 * MINUTE).pks for when in moments))


@pytest.mark.usefixtures("history")
def test_user_is_taken_out_of_everything():
    assert erase_user(pk_of(1)) == Erased(souvenirs=3, digests=6)
    assert not Souvenir.objects.filter(user_id=pk_of(1)).exists()
    assert [each(NINE).count for each in (bucket_of, day_of, month_of)] == [1, 1, 1]
    assert active_users().pks == {pk_of(2)}


@pytest.mark.usefixtures("history")
def test_without_autocommit_the_erasure_is_committed():
    connection.set_autocommit(False)
    try:
        erase_user(pk_of(1))
        connection.rollback()
        assert set(Souvenir.objects.values_list("user_id", flat=True)) == {pk_of(2)}
        Souvenir.objects.update(when=NINE)
        with pytest.raises(RuntimeError, match="may have a transaction open"):
            erase_user(pk_of(2))
    finally:
        connection.rollback()
        connection.set_autocommit(True)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NINE, TEN),
        (at(2025, 3, 31), at(2025, 4, 1)),
        (at(2025, 3, 1), at(2025, 4, 1)),
        (NINE, NINE + MINUTE),
    ],
)
def test_every_count_of_the_past_is_without_them(start, end):
    assert count_active_users(start, end) == 2
    erase_user(pk_of(1))
    assert count_active_users(start, end) == 1


@pytest.mark.usefixtures("history")
def test_digesting_afterwards_does_not_bring_them_back():
    erase_user(pk_of(1))
    run("digest_souvenirs")
    run("digest_souvenirs", "--rebuild")
    assert active_users().pks == {pk_of(2)}


@pytest.mark.usefixtures("history")
def test_digests_are_sound_afterwards():
    erase_user(pk_of(1))
    digest()
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


@pytest.mark.usefixtures("history")
def test_pruned_digest_is_without_them_too():
    run("digest_souvenirs")
    run("prune_souvenirs", "--older-than=0")
    assert erase_user(pk_of(1)).souvenirs == 0
    assert active_users().pks == {pk_of(2)}


@pytest.mark.usefixtures("history")
def test_stale_digest_is_without_them_too(leave):
    leave((3, NINE))
    run("digest_souvenirs", "--until=2025-03-01")
    Digest.objects.filter(level__in=[DAY_LEVEL, MONTH_LEVEL]).update(is_stale=True)
    erase_user(pk_of(1))
    digest()
    assert active_users().pks == {pk_of(2), pk_of(3)}


@pytest.mark.usefixtures("history")
def test_number_of_the_user_is_forgotten():
    assert UserNumber.objects.count() == (0 if OWN_NUMBER else 2)
    erase_user(pk_of(1))
    assert UserNumber.objects.count() == (0 if OWN_NUMBER else 1)


#: Of a user whose key is not a number in digests as it is.
OTHER_KEY = -5 if OWN_NUMBER else pk_of(5)


@pytest.fixture
def other(db):
    """A user in the digests of two months, by a number that had to be given."""
    moments = [NINE, at(2025, 4, 1, 9)]
    Souvenir.objects.bulk_create([Souvenir(user_id=OTHER_KEY, when=when) for when in moments])
    digest()


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("killed_at", range(4))
def test_killed_in_the_middle_it_can_be_run_again(monkeypatch, killed_at):
    steps = iter(range(10))
    erase_from = erasing._Erasure._erase_from

    def killed(self, month, digests):
        if next(steps) == killed_at:
            raise KeyboardInterrupt
        erase_from(self, month, digests)

    with monkeypatch.context() as patched:
        patched.setattr(erasing._Erasure, "_erase_from", killed)
        with contextlib.suppress(KeyboardInterrupt):
            erase_user(OTHER_KEY)
    erase_user(OTHER_KEY)
    assert count_active_users() == len(active_users()) == 0
    assert not UserNumber.objects.exists()


@pytest.mark.usefixtures("other")
def test_number_is_kept_while_a_digest_cannot_be_read():
    run("prune_souvenirs", "--older-than=0")
    bucket = bucket_of(NINE)
    flip_a_bit(bucket)
    with pytest.raises(CorruptDigest):
        erase_user(OTHER_KEY)
    bucket.save()  # from the backup
    erase_user(OTHER_KEY)
    assert count_active_users(NINE, TEN) == 0


@pytest.mark.usefixtures("other")
def test_inside_a_transaction_nothing_is_forgotten():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        erase_user(OTHER_KEY)
    assert active_users().pks == {OTHER_KEY}


@pytest.mark.usefixtures("history")
def test_user_who_comes_back_is_a_new_one(leave):
    erase_user(pk_of(1))
    leave((1, TEN))
    digest()
    assert everyone_at(TEN) == {pk_of(1), pk_of(2)}
    assert everyone_at(NINE) == {pk_of(2)}


@pytest.mark.usefixtures("history")
def test_user_who_was_never_seen_is_erased_from_nothing():
    assert erase_user(pk_of(9)) == Erased(0, 0)


def test_user_object_is_as_good_as_the_key(make_user, leave):
    user = make_user()
    leave((1, NINE))
    assert erase_user(user) == Erased(1, 0)


@pytest.mark.usefixtures("history")
def test_corrupt_digest_is_told_after_all_others():
    flip_a_bit(month_of(NINE))
    with pytest.raises(CorruptDigest) as refused:
        erase_user(pk_of(1))
    assert str(refused.value).startswith(
        f"User {pk_of(1)} may still be in digests that cannot be read (1). Run manage.py "
        "digest_souvenirs --rebuild, then this again."
    )
    assert not Souvenir.objects.filter(user_id=pk_of(1)).exists()
    assert [each(NINE).count for each in (bucket_of, day_of)] == [1, 1]
    run("digest_souvenirs", "--rebuild")
    erase_user(pk_of(1))
    assert month_of(NINE).count == 1


@pytest.mark.usefixtures("history")
def test_corrupt_bucket_is_told_after_all_others():
    flip_a_bit(bucket_of(NINE))
    with pytest.raises(CorruptDigest):
        erase_user(pk_of(1))
    assert month_of(NINE).count == 1


@pytest.mark.usefixtures("history")
def test_inside_a_transaction_it_refuses():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        erase_user(pk_of(1))


@pytest.mark.parametrize("verb", [erase_user, export_user])
@pytest.mark.parametrize("user", [None, True])
def test_what_is_no_user_is_refused(verb, user):
    with pytest.raises(ValueError, match="user"):
        verb(user)


# Deleting a user


@pytest.fixture
def erasing_deleted(settings):
    """As in a process that was started with this setting."""
    settings.SOUVENIRS_ON_USER_DELETE = "erase"
    apps.get_app_config("souvenirs").ready()
    yield
    assert post_delete.disconnect(
        sender=get_user_model(), dispatch_uid="souvenirs.digests.erasing.erase_deleted_user"
    )


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_deleted_user_is_erased(make_user):
    make_user(1).delete()
    assert active_users().pks == {pk_of(2)}


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_users_deleted_together_are_erased(make_user):
    make_user(1), make_user(2)
    get_user_model().objects.all().delete()
    assert active_users().pks == set()


@pytest.mark.usefixtures("history")
def test_deleted_user_is_kept_by_default(make_user):
    make_user(1).delete()
    assert active_users().pks == {pk_of(1), pk_of(2)}


def test_by_default_nobody_listens():
    """A listener would have Django fetch every user that it deletes."""
    assert not post_delete.has_listeners(get_user_model())


@pytest.mark.usefixtures("history")
def test_listener_of_a_setting_that_was_changed_does_nothing(make_user):
    user = make_user(1)
    erase_deleted_user(user, using="default")
    assert active_users().pks == {pk_of(1), pk_of(2)}


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_deletion_that_another_tenant_commits_erases_nothing(make_user, settings, caplog):
    tenant = "one"
    settings.SOUVENIRS_SCOPE = lambda: tenant
    with transaction.atomic():
        make_user(1).delete()
        tenant = "two"
    assert active_users().pks == {pk_of(1), pk_of(2)}
    assert f"manage.py erase_user {pk_of(1)}" in caplog.text


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_deletion_that_is_rolled_back_erases_nothing(make_user):
    user = make_user(1)
    with transaction.atomic():
        user.delete()
        transaction.set_rollback(True)
    assert active_users().pks == {pk_of(1), pk_of(2)}


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_user_is_erased_when_the_deletion_is_committed(make_user):
    user = make_user(1)
    with transaction.atomic():
        user.delete()
        assert Souvenir.objects.filter(user_id=pk_of(1)).count() == 3
    assert not Souvenir.objects.filter(user_id=pk_of(1)).exists()


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_failing_erasure_is_logged_and_harms_nothing(make_user, caplog):
    flip_a_bit(bucket_of(NINE))
    make_user(1).delete()
    assert not get_user_model().objects.exists()
    [record] = [each for each in caplog.records if each.name == "souvenirs.digests.erasing"]
    key = pk_of(1)
    assert record.getMessage() == f"Could not erase user {key}: run manage.py erase_user {key}."
    assert record.exc_info


@pytest.mark.usefixtures("erasing_deleted", "history")
def test_failing_database_is_logged_and_harms_nothing(make_user, caplog, monkeypatch):
    def failing(key, store):
        raise connection.Database.OperationalError("gone away")

    monkeypatch.setattr(erasing, "_Erasure", failing)
    make_user(1).delete()
    assert not get_user_model().objects.exists()
    assert "Could not erase user" in caplog.text


# Exporting


@pytest.mark.usefixtures("history")
def test_export_has_all_that_is_stored():
    assert export_user(pk_of(1)) == {
        "user": 1 if OWN_NUMBER else str(pk_of(1)),
        "souvenirs": [
            "2025-03-31T09:00:00+00:00",
            "2025-04-01T09:00:00+00:00",
            "2025-04-02T09:00:00+00:00",
        ],
        "digests": [
            cell("bucket", "2025-03-31T09", "2025-03-31T10"),
            cell("bucket", "2025-04-01T09", "2025-04-01T10"),
            cell("day", "2025-03-31T00", "2025-04-01T00"),
            cell("day", "2025-04-01T00", "2025-04-02T00"),
            cell("month", "2025-03-01T00", "2025-04-01T00"),
            cell("month", "2025-04-01T00", "2025-05-01T00"),
        ],
        "statements": [],
    }


def cell(level, start, end):
    return {"level": level, "start": f"{start}:00:00+00:00", "end": f"{end}:00:00+00:00"}


@pytest.mark.usefixtures("history")
def test_nothing_is_left_to_export_after_erasing():
    erase_user(pk_of(1))
    export = export_user(pk_of(1))
    assert (export["souvenirs"], export["digests"]) == ([], [])


@pytest.mark.usefixtures("history")
def test_export_command_writes_json():
    assert json.loads(run("export_user", str(pk_of(1)))) == export_user(pk_of(1))


@pytest.mark.usefixtures("history")
def test_export_command_says_what_to_do_with_a_corrupt_digest():
    flip_a_bit(bucket_of(NINE))
    assert refusal("export_user", str(pk_of(1))).endswith(
        "Run manage.py digest_souvenirs --rebuild, then export again."
    )


# The command


def refusal(command, *arguments):
    with pytest.raises(CommandError) as refused:
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.usefixtures("history")
def test_erase_command_without_a_question():
    assert run("erase_user", str(pk_of(1)), "--no-input") == (
        f"Erased 3 souvenirs, and user {pk_of(1)} from 6 digests.\n"
    )


@pytest.mark.usefixtures("history")
def test_erase_command_asks(monkeypatch):
    questions = []
    monkeypatch.setattr("builtins.input", lambda text: questions.append(text) or "yes")
    run("erase_user", str(pk_of(1)))
    assert f"erases user {pk_of(1)} from all souvenirs" in questions[0]
    assert active_users().pks == {pk_of(2)}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("answer", ["no", "", "y"])
def test_erase_command_takes_nothing_but_yes(monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda text: answer)
    assert refusal("erase_user", str(pk_of(1))) == "Nothing was erased."
    assert active_users().pks == {pk_of(1), pk_of(2)}


def test_erase_command_without_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO())
    assert refusal("erase_user", str(pk_of(1))) == "Nothing was erased."


@pytest.mark.parametrize("command", ["erase_user", "export_user"])
def test_what_is_no_key_may_be_the_value_of_another_field(command):
    if get_user_model()._meta.pk.get_internal_type() == "CharField":
        pytest.skip("any word is a key there")
    assert refusal(command, "ann@example.com") == (
        f"'ann@example.com' is not a primary key of {get_user_model()._meta.label}: add --lookup "
        "with the field that it is a value of, such as --lookup email."
    )


@pytest.fixture
def named(history, make_user):
    """The field in which users 1 and 2 differ, and in which users 3 and 4 do not."""
    field = get_user_model()._meta.get_field("password")
    for number, name in enumerate(["ann", "bob", "eve", "eve"], start=1):
        make_user(number, **{field.name: name})
    return f"--lookup={field.name}"


def test_user_is_looked_up_by_another_field(named):
    exported = json.loads(run("export_user", "bob", named))
    assert exported == json.loads(run("export_user", str(pk_of(2))))
    assert len(exported["souvenirs"]) == 2
    assert f"user {pk_of(1)} from 6 digests" in run("erase_user", "ann", named, "--no-input")
    assert active_users().pks == {pk_of(2)}


@pytest.mark.parametrize("command", ["erase_user", "export_user"])
def test_lookup_that_does_not_name_one_user(named, command):
    assert refusal(command, "sue", named) == "No user has the password 'sue': give a primary key."
    assert refusal(command, "eve", named) == (
        "Several users have the password 'eve': give a primary key."
    )
    assert refusal(command, "soon", "--lookup=last_login") == (
        "No user has the last_login 'soon': give a primary key."
    )
    assert refusal(command, "ann", "--lookup=groups").endswith(" has no field 'groups'.")


@pytest.mark.usefixtures("history")
def test_erase_command_says_what_to_do_with_a_corrupt_digest():
    flip_a_bit(bucket_of(NINE))
    assert "Run manage.py digest_souvenirs --rebuild" in refusal(
        "erase_user", str(pk_of(1)), "--no-input"
    )

"""The commands about statements."""

from pathlib import Path

import pytest
from django.core.management import CommandError

from souvenirs.control import erase_user
from souvenirs.models import Statement
from souvenirs.statementfile import NOT_COUNTED, hash_of, verified
from souvenirs.statements import issue_statement
from tests.conftest import at, pk_of
from tests.organizations import ONE, found_organizations, name_of
from tests.terminals import as_json, csv_rows, run
from tests.users.models import Profile

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

MAY = at(2016, 5, 1), at(2016, 6, 1)
APRIL = at(2016, 4, 1), MAY[0]


@pytest.fixture(autouse=True)
def organizations(leave, set_now, monkeypatch, tmp_path):
    """Users 1 and 2 are of the first organization, 3 of the second; 1 and 3 were active in May."""
    set_now(at(2016, 6, 10))
    monkeypatch.chdir(tmp_path)
    found = found_organizations({1: (1,), 2: (1,), 3: (2,)})
    leave((1, MAY[0]), (3, MAY[0]), (2, APRIL[0]))
    return found


def key(organization):
    return str(organization.pk)


def refusal(*command):
    with pytest.raises(CommandError) as caught:
        run(*command)
    return str(caught.value)


# Issuing


def test_last_month_of_everyone_is_issued_by_default():
    out, _ = run("issue_statement")
    statement = Statement.objects.get()
    assert out == (
        "Issued statement 1 of everyone, 2 active users from 2016-05-01T00:00:00Z to "
        f"2016-06-01T00:00:00Z, hash {statement.hash}, with the ID {statement.pk}.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "start", "end"),
    [
        (["--interval=quarter"], "2016-01-01", "2016-04-01"),
        (["--interval=week"], "2016-05-30", "2016-06-06"),
        (["--subscription-start=2016-01-31"], "2016-04-30", "2016-05-31"),
        (["--subscription-start=2016-01-10"], "2016-05-10", "2016-06-10"),
        (["--subscription-start=2015-12-11", "--interval=quarter"], "2015-12-11", "2016-03-11"),
        (["--after=2016-05-03", "--before=2016-05-05"], "2016-05-03", "2016-05-05"),
    ],
)
def test_period(leave, arguments, start, end):
    leave((1, at(2015, 1, 1)))
    run("issue_statement", *arguments, "--early")
    content = Statement.objects.get().content
    assert (content["start"][:10], content["end"][:10]) == (start, end)


def test_time_zone():
    run("issue_statement", "--tz=America/New_York")
    content = Statement.objects.get().content
    assert (content["start"], content["time_zone"]) == ("2016-05-01T04:00:00Z", "America/New_York")


def test_customer_and_terms(organizations):
    run(
        "issue_statement",
        key(organizations[1]),
        f"--of={ONE}",
        "--plan=pro",
        "--quota=5",
        "--issuer=example.com",
        "--label=Acme",
        "--grace=9",
    )
    content = Statement.objects.get().content
    assert content["customer"] == {"of": ONE, "key": key(organizations[1]), "label": "Acme"}
    assert (content["plan"], content["quota"], content["issuer"]) == ("pro", 5, "example.com")
    assert (content["active_users"], content["coverage"]["grace_days"]) == (1, 9)


def test_all_customers_and_none_twice(organizations):
    issue_statement(organizations[1], MAY, of=ONE)
    out, err = run("issue_statement", "--all", f"--of={ONE}")
    assert f"Issued statement 1 of '{name_of(2)}', 1 active users" in out
    assert out.count("\n") == 1
    assert err == "1 statement had been issued before.\n"
    assert run("issue_statement", "--all", f"--of={ONE}") == (
        "",
        "2 statements had been issued before.\n",
    )
    out, err = run("issue_statement", "--all", f"--of={ONE}", "--interval=week")
    assert (out.count("Issued statement"), err) == (2, "")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (at(2016, 6, 10), "Draft of everyone: 2 active users from 2016-05-01T00:00:00Z to "),
        (at(2016, 6, 2), "The 3 days for late imports are not over: the statement can be issued "),
        (at(2016, 2, 2), "Draft of everyone: unknown active users from 2016-01-01T00:00:00Z to "),
    ],
)
def test_dry_run(set_now, now, said):
    set_now(now)
    out, _ = run("issue_statement", "--dry-run")
    assert said in out
    assert not Statement.objects.exists()


def test_dry_run_of_all(organizations):
    out, _ = run("issue_statement", "--all", "--dry-run", f"--of={ONE}")
    drafts = {f"Draft of {name_of(number)}: 1 active user from" for number in organizations}
    assert all(draft in out for draft in drafts)
    assert out.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], "--all needs --of, and neither a GROUP nor --label."),
        (["--all", "--of=groups", "4"], "--all needs --of, and neither a GROUP nor --label."),
        (["--all", "--of=groups", "--label=A"], "--all needs --of, and neither a GROUP nor"),
        (["--after=2016"], "--after and --before belong together: give both, or none."),
        (["--before=2016"], "--after and --before belong together: give both, or none."),
        (["--after=2016-02", "--before=2016-01"], "is later than"),
        (
            ["--after=2016-01", "--before=2016-02", "--interval=year"],
            "--interval finds a period: leave out --after and --before.",
        ),
        (
            ["--after=2016-01", "--before=2016-02", "--subscription-start=2016-01-04"],
            "--subscription-start finds a period: leave out --after and --before.",
        ),
        (["--interval=hour"], "hour"),
        (["--subscription-start=2016-05-11"], "is over."),
        (["4"], "of is missing"),
        (["--grace=10"], "The 10 days for late imports are not over"),
    ],
)
def test_what_cannot_be_issued(arguments, said):
    assert said in refusal("issue_statement", *arguments)
    assert not Statement.objects.exists()


def test_second_time():
    run("issue_statement")
    assert "cannot be issued again" in refusal("issue_statement")


# Showing


@pytest.fixture
def statements(organizations):
    return [
        issue_statement(organizations[1], APRIL, of=ONE, plan="pro", quota=5),
        issue_statement(organizations[1], MAY, of=ONE),
        issue_statement(None, MAY, issuer="example.com"),
    ]


def test_list(statements):
    out, err = run("show_statement")
    assert [line.split()[:4] for line in out.splitlines()[2:]] == [
        [str(statements[2].pk), "everyone", "1", "2016-05-01T00:00:00Z"],
        [str(statements[1].pk), "Organization", "1", "2"],
        [str(statements[0].pk), "Organization", "1", "1"],
    ]
    assert [line.split()[-2:] for line in out.splitlines()[2:]] == [
        [str(each.content["active_users"]), each.hash[:12]] for each in statements[::-1]
    ]
    assert err == "3 statements.\n"


def test_list_of_nothing():
    assert run("show_statement")[1] == "0 statements.\n"
    assert csv_rows("show_statement") == []
    assert as_json("show_statement") == []


def test_list_as_data(statements, organizations):
    rows = as_json("show_statement")
    assert rows[2] == {
        "id": statements[0].pk,
        "customer": name_of(1),
        "of": ONE,
        "key": key(organizations[1]),
        "number": 1,
        "start": "2016-04-01T00:00:00Z",
        "end": "2016-05-01T00:00:00Z",
        "time_zone": "UTC",
        "active_users": 1,
        "plan": "pro",
        "quota": 5,
        "issuer": None,
        "issued": "2016-06-10T00:00:00Z",
        "previous": None,
        "hash": statements[0].hash,
    }
    assert [row["id"] for row in rows] == [each.pk for each in reversed(statements)]
    texts = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    assert csv_rows("show_statement") == texts
    assert csv_rows("show_statement", str(statements[0].pk)) == texts[2:]


def test_one_as_json(statements):
    shown = as_json("show_statement", str(statements[2].pk))
    users = shown.pop("users")
    assert users == sorted([str(pk_of(1)), str(pk_of(3))])
    assert shown == {
        "id": statements[2].pk,
        **statements[2].content,
        "hash": statements[2].hash,
    }


def test_one_as_text(statements):
    erase_user(pk_of(2))
    out, _ = run("show_statement", str(statements[0].pk))
    lines = out.splitlines()
    assert lines[0] == f"Statement 1 of {name_of(1)}"
    for line in (
        "active users    1 of 5",
        "plan            pro",
        "from            2016-04-01T00:00:00Z",
        "to              2016-05-01T00:00:00Z",
        "period over     yes",
        "digested        no",
        "days of grace   3, over",
        "erased users    1",
        "pruned          -",
        "previous        -",
        f"hash            {statements[0].hash}",
        "2016-04-01         1",
        "2016-04-30         0",
    ):
        assert line in lines
    out, _ = run("show_statement", str(statements[2].pk))
    assert out.startswith("Statement 1 of everyone\n\nactive users    2\n")
    assert "group           -\nissuer          example.com\n" in out


def test_text_of_what_is_unusual(set_now, leave):
    set_now(at(2016, 6, 30))
    run("digest_souvenirs")
    run("prune_souvenirs", "--older-than=0")
    statement = issue_statement(None, (MAY[0], at(2016, 7, 1)), early=True)
    out, _ = run("show_statement", str(statement.pk))
    assert "digested        yes\n" in out
    assert "pruned          2016-05-01T00:00:00Z to 2016-05-01T01:00:00Z\n" in out
    assert "period over     no\ndays of grace   3, not over\n" in out


def test_file(statements):
    run("show_statement", str(statements[2].pk), "--file=all.txt")
    assert verified(Path("all.txt").read_bytes()).users == {str(pk_of(1)), str(pk_of(3))}
    run("show_statement", str(statements[2].pk), "--file=one.txt", "--only", str(pk_of(3)))
    assert verified(Path("one.txt").read_bytes()).users == {str(pk_of(3))}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show_statement", "987654"], "There is no statement with the ID 987654: show_statement"),
        (["recount_statement", "987654"], "There is no statement with the ID 987654"),
        (["show_statement", "--file=a.txt"], "--file needs the ID of a statement."),
        (["show_statement", "1", "--only=1"], "--only is about the file: give --file."),
        (
            ["show_statement", "1", "--file=a.txt", "--csv"],
            "--file has one format: omit --json and --csv.",
        ),
        (
            ["show_statement", "1", "--file=a.txt", "--json"],
            "--file has one format: omit --json and --csv.",
        ),
    ],
)
def test_what_cannot_be_shown(arguments, said):
    assert said in refusal(*arguments)


def test_file_that_cannot_be_written(statements):
    said = refusal("show_statement", str(statements[0].pk), "--file=no/such/file.txt")
    assert said == "no/such/file.txt cannot be written: No such file or directory."


# Recounting


def test_nothing_is_different(statements):
    assert run("recount_statement", str(statements[2].pk))[0] == (
        "Then 2, now 2 active users.\nNothing is different.\n"
    )


def test_what_is_different(statements, leave):
    leave((2, at(2016, 5, 2)))
    Profile.objects.filter(user_id=pk_of(1)).update(organization=None)
    out, _ = run("recount_statement", str(statements[1].pk))
    assert out == (
        "Then 1, now 1 active users.\n"
        "+1 late: souvenirs of the period were left after the statement had been issued.\n"
        "-1 left: they are no longer members of the customer.\n"
        "2016-05-01: then 1, now 0.\n"
        "2016-05-02: then 0, now 1.\n"
    )
    assert as_json("recount_statement", str(statements[1].pk)) == {
        "id": statements[1].pk,
        "then": 1,
        "now": 1,
        "differs": True,
        "erased": 0,
        "added": {"late": [str(pk_of(2))], "joined": [], "unknown": []},
        "removed": {"left": [str(pk_of(1))], "deleted": [], "gone": []},
        "days": {
            "2016-05-01": {"then": 1, "now": 0},
            "2016-05-02": {"then": 0, "now": 1},
        },
    }


def test_erased_users(statements):
    erase_user(pk_of(3))
    out, _ = run("recount_statement", str(statements[2].pk))
    assert "Then 2, now 1 active users.\n-1 erased: nothing is known about them.\n" in out


# Verifying


@pytest.fixture
def files(statements):
    for name, statement in zip("123", statements, strict=True):
        run("show_statement", str(statement.pk), f"--file={name}.txt")
    return statements


def test_files_are_verified(files):
    out, _ = run("verify_statement", "1.txt", "2.txt", f"--hash={files[1].hash}")
    assert [line.split(",")[0] for line in out.splitlines()] == [
        f"1.txt is intact: statement 1 of '{name_of(1)}'",
        f"2.txt is intact: statement 2 of '{name_of(1)}'",
    ]
    out, _ = run("verify_statement", "3.txt", "--user", str(pk_of(1)))
    assert out.endswith(f"User {pk_of(1)} is in the count.\n")


@pytest.mark.usefixtures("files")
def test_user_who_is_not_in_the_count_is_an_error():
    with pytest.raises(CommandError) as caught:
        run("verify_statement", "3.txt", "--user", str(pk_of(2)))
    assert str(caught.value) == f"User {pk_of(2)} is not in the count."
    assert caught.value.returncode == NOT_COUNTED


@pytest.mark.usefixtures("files")
def test_changed_file_is_an_error():
    data = Path("1.txt").read_bytes()
    Path("1.txt").write_bytes(data.replace(b'"active_users":1', b'"active_users":0'))
    assert "1.txt is not intact. The hash in line 2" in refusal("verify_statement", "1.txt")
    assert "--hash and --user are about a FILE" in refusal("verify_statement", "--user=1")


def test_stored_statements_are_verified(statements):
    assert run("verify_statement")[0] == "3 statements, all of them intact.\n"
    erase_user(pk_of(1))
    assert run("verify_statement")[0] == "3 statements, all of them intact.\n"


@pytest.mark.parametrize("at_once", [False, True])
def test_changed_row_is_found(statements, at_once):
    """Also where the hash has been made to match: the next statement has the old one."""
    first = Statement.objects.filter(pk=statements[0].pk)
    body = statements[0].body.replace('"quota":5', '"quota":9')
    first.update(body=body)
    if at_once:
        first.update(hash=hash_of(body.encode()))
    assert refusal("verify_statement") == "Not intact: 1 of 3 statements."


@pytest.mark.parametrize(
    "column",
    [{"start": at(2000, 1, 1)}, {"number": 77}, {"customer": "0" * 64}, {"name": "Another"}],
    ids=lambda column: next(iter(column)),
)
def test_changed_column_is_found(statements, column):
    """Else the period of a statement could be issued again."""
    Statement.objects.filter(pk=statements[1].pk).update(**column)
    assert refusal("verify_statement") == "Not intact: 1 of 3 statements."


def test_missing_salt_is_found(statements):
    statements[1].leaves.update(salt=None)
    assert refusal("verify_statement") == "Not intact: 1 of 3 statements."


def test_missing_leaf_is_found(statements):
    statements[1].leaves.all().delete()
    assert refusal("verify_statement") == "Not intact: 1 of 3 statements."

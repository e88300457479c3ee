"""Files in the shapes that people really have, each with its right result."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from souvenirs.models import Souvenir

FIELD = Path(__file__).parents[1] / "data/field"
NAMES = [
    "ann",
    "bob",
    "cleo",
    "dora",
    "jane.doe@example.com",
    "frank james",
    "müller",
    'O"Brien',
    "back\\slash",
    "CORP\\ann",
    "3",
    "apikey",
    "grace",
]


@pytest.fixture(autouse=True)
def users(db):
    """Their primary keys are 1, 2, 3 and so on."""
    if get_user_model()._meta.label != "auth.User":
        pytest.skip("the files are about Django's own users")
    get_user_model().objects.bulk_create(
        get_user_model()(pk=number, username=name) for number, name in enumerate(NAMES, 1)
    )


def run(name, *arguments):
    """Import a file; return what is printed and the souvenirs, with users by name."""
    out = io.StringIO()
    try:
        call_command("import_souvenirs", str(FIELD / name), *arguments, stdout=out)
    except CommandError as error:
        out.write(f"CommandError: {error}")
    souvenirs = Souvenir.objects.order_by("when", "user_id").values_list("user__username", "when")
    return out.getvalue(), [f"{user} {when:%Y-%m-%d %H:%M:%S}" for user, when in souvenirs]


@pytest.mark.parametrize(
    ("name", "souvenirs", "skipped"),
    [
        (
            "c01_vhost_without_port.log",
            ["ann 2015-12-09 11:11:52", "bob 2015-12-09 11:11:54"],
            ["1: no user"],
        ),
        (
            "c02_syslog_nginx.log",
            ["ann 2018-01-23 13:00:02", "bob 2018-01-23 13:00:04"],
            ["1: no user"],
        ),
        (
            "c05_docker_compose.log",
            ["ann 2018-12-08 16:23:33", "bob 2018-12-08 16:23:33"],
            [],
        ),
        ("c12_iis_w3c.log", ["ann 2014-06-03 05:14:44"], ["1: no user"]),
        ("c17_leap_second.log", ["ann 2016-12-31 23:59:59", "bob 2016-12-31 23:59:59"], []),
        ("c22.log.bz2", ["ann 2016-06-05 13:26:51", "bob 2016-06-05 13:26:51"], []),
        ("c22.log.xz", ["ann 2016-06-05 13:26:51", "bob 2016-06-05 13:26:51"], []),
        ("c24_utf16.csv", ["ann 2016-01-04 09:12:00"], []),
        ("c25_semicolon.csv", ["ann 2016-01-04 09:12:00"], []),
        (
            "c26_pandas_float.csv",
            ["ann 2016-01-04 09:12:00", "bob 2016-01-04 09:12:00"],
            ["1: no user"],
        ),
        ("c26_pandas_float.jsonl", ["ann 2016-01-04 09:12:00"], ["1: no user"]),
    ],
)
def test_a_file_gives_its_souvenirs(name, souvenirs, skipped):
    output, found = run(name)
    assert found == souvenirs
    assert [line[10:-1] for line in output.splitlines() if "Skipped" in line] == skipped


@pytest.mark.parametrize("arguments", [[], ["--user-regex", r" - (.+?) \["]])
def test_names_are_escaped_by_the_server(arguments):
    output, found = run("c07_quoted_user.log", *arguments)
    assert found == [
        "ann 2012-04-09 18:35:48",
        "bob 2012-04-09 18:35:48",
        "jane.doe@example.com 2012-04-09 18:35:48",
        "frank james 2012-04-09 18:35:48",
        "müller 2012-04-09 18:35:48",
        'O"Brien 2012-04-09 18:35:48',
        "CORP\\ann 2012-04-09 18:35:48",
        "CORP\\ann 2012-04-09 19:35:48",
    ]
    assert "  Skipped 2: unknown user.\n" in output
    assert "c07_quoted_user.log, line 1: unknown user '\\\"dora \\\"'.\n" in output
    assert "c07_quoted_user.log, line 7: unknown user 'm\\xFCller'.\n" in output
    assert "  Skipped 1: no user.\n" in output


@pytest.mark.parametrize(
    ("name", "names", "souvenir"),
    [
        ("c10_nginx_json.jsonl", "user=remote_user,when=time_local", "ann 2021-07-11 01:13:10"),
        ("c11_caddy.jsonl", "when=ts", "ann 2024-11-08 16:42:24"),
    ],
)
def test_keys_can_be_mapped(name, names, souvenir):
    output, found = run(name, "--map", names, "--lookup=username")
    assert found == [souvenir]
    assert "  Skipped 1: no user.\n" in output


@pytest.mark.parametrize("name", ["c10_nginx_json.jsonl", "c11_caddy.jsonl"])
def test_missing_keys_are_named(name):
    output, found = run(name)
    assert found == []
    assert "no time under the key when; use --map user=KEY,when=KEY" in output
    assert output.endswith("CommandError: Nothing was imported: 2 bad lines.")


def test_zstandard_is_unpacked_or_named():
    output, found = run("c22.log.zst")
    if find_spec("compression"):
        assert found == ["ann 2016-06-05 13:26:51"]
    else:
        assert output.endswith(
            "c22.log.zst: it is compressed with Zstandard, which this Python cannot unpack; pipe "
            "it: zstd -dc FILE | python manage.py import_souvenirs - --format FORMAT."
        )


def test_times_in_any_notation():
    output, found = run("c27_times.csv", "--window=0")
    assert found == [
        "dora 2016-01-04 00:00:00",
        "ann 2016-01-04 09:12:00",
        "bob 2016-01-04 09:12:00",
        "cleo 2016-01-04 09:12:00",
        "dora 2016-01-04 09:12:00",  # 123 ms later
        "bob 2016-01-04 09:12:00",  # 500 ms later
        "bob 2016-01-04 11:12:00",
        "dora 2016-01-04 11:12:00",
    ]
    assert "  Added 8 souvenirs.\n  Skipped 4: the window already has a souvenir.\n" in output


def test_a_name_in_a_url_is_percent_encoded():
    _, found = run("c28_percent.log", "--user-regex", "u=([^& ]+)")
    assert found == ["jane.doe@example.com 2018-12-08 16:23:33"]


def test_a_line_that_invites_backtracking_is_bad():
    output, found = run("c29_backtracking.log")
    assert found == []
    assert "c29_backtracking.log, line 1: not an access log line.\n" in output
    assert output.endswith("CommandError: Nothing was imported: 1 bad line.")

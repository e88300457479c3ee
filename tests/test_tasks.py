"""Digesting and pruning as functions and as tasks; ``tests/faults`` has the real queues."""

import importlib.util
import json
import logging
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import transaction
from django.utils import timezone

from souvenirs import celery, tasks, unattended
from souvenirs.models import Figure, Souvenir

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _left(leave):
    now = timezone.now()
    leave(*((number, now - timedelta(days=days)) for number, days in [(1, 80), (2, 80), (1, 50)]))


def test_digest_returns_numbers_that_json_keeps(settings):
    settings.SOUVENIRS_PUBLISH = {"intervals": ["week"]}
    outcome = unattended.digest()
    assert list(outcome) == ["souvenirs", "digests", "figures", "finished"]
    assert (outcome["souvenirs"], outcome["finished"]) == (3, True)
    assert outcome["digests"] >= 2
    assert outcome["figures"] == Figure.objects.count()
    assert json.loads(json.dumps(outcome)) == outcome


def test_second_run_has_nothing_to_do():
    unattended.digest()
    assert unattended.digest() == {"souvenirs": 0, "digests": 0, "figures": 0, "finished": True}


def test_run_that_lacks_time_says_so_and_the_next_one_continues():
    first = unattended.digest(max_seconds=0.000001)
    assert (first["finished"], first["souvenirs"] < 3) == (False, True)
    second = unattended.digest(max_seconds=500)
    assert (second["finished"], first["souvenirs"] + second["souvenirs"]) == (True, 3)


def test_prune_returns_numbers_that_json_keeps(leave):
    unattended.digest()
    leave((3, timezone.now() - timedelta(days=70)))
    outcome = unattended.prune(older_than=60)
    assert outcome == {"souvenirs": 2, "kept": 1}
    assert json.loads(json.dumps(outcome)) == outcome


def test_prune_takes_its_age_from_the_setting(settings):
    settings.SOUVENIRS_KEEP_DAYS = 60
    unattended.digest()
    assert unattended.prune()["souvenirs"] == 2
    assert Souvenir.objects.count() == 1


@pytest.mark.parametrize("value", ["soon", -1, 0])
def test_wrong_argument_is_one_sentence(value):
    with pytest.raises(CommandError, match=f"must be a number greater than 0, not '{value}'"):
        unattended.digest(max_seconds=value)


def test_what_could_not_be_done_is_raised():
    unattended.digest()
    with pytest.raises(CommandError, match="Use --older-than DAYS"):
        unattended.prune()


def test_transaction_is_refused():
    with transaction.atomic(), pytest.raises(RuntimeError):
        unattended.digest()


def test_lines_are_logged(caplog):
    with caplog.at_level(logging.INFO, "souvenirs.tasks"):
        unattended.digest()
    assert "Digested 3 souvenirs" in caplog.text


def test_lines_of_a_failure_are_logged(caplog, settings):
    settings.SOUVENIRS_SEGMENTS = {"broken": "tests.nothing"}
    settings.SOUVENIRS_PUBLISH = {"intervals": ["week"], "segments": ["broken"]}
    with (
        caplog.at_level(logging.INFO, "souvenirs.tasks"),
        pytest.raises(CommandError, match="Some figures could not be published"),
    ):
        unattended.digest()
    assert "Digested 3 souvenirs" in caplog.text


def test_tasks_of_django():
    digested = tasks.digest.enqueue(max_seconds=500)
    assert (digested.return_value["souvenirs"], digested.return_value["finished"]) == (3, True)
    assert tasks.prune.enqueue(older_than=60).return_value == {"souvenirs": 2, "kept": 0}


def test_failed_task_of_django_has_the_sentence():
    [error] = tasks.prune.enqueue().errors
    assert "Use --older-than DAYS, or set SOUVENIRS_KEEP_DAYS." in error.traceback


def test_tasks_of_celery():
    names = [celery.digest.name, celery.prune.name]
    assert names == ["souvenirs.celery.digest", "souvenirs.celery.prune"]
    assert celery.digest(max_seconds=500)["souvenirs"] == 3
    assert celery.prune.apply(kwargs={"older_than": 60}).get() == {"souvenirs": 2, "kept": 0}


def test_email_is_sent_once(mailoutbox):
    assert unattended.email("ann@example.com") == {"sent": 1}
    assert tasks.email.enqueue("ann@example.com").return_value == {"sent": 0}
    assert celery.email("bob@example.com", interval="month", language="de") == {"sent": 1}
    assert [mail.to for mail in mailoutbox] == [["ann@example.com"], ["bob@example.com"]]


def test_address_is_no_option():
    with pytest.raises(CommandError, match="'--print' is not an email address"):
        unattended.email("--print")


@pytest.mark.parametrize("name", ["digest", "prune", "email"])
@pytest.mark.parametrize("method", ["enqueue", "aenqueue", "using", "call"])
def test_without_tasks_a_sentence_says_what_to_install(monkeypatch, name, method):
    with monkeypatch.context() as patched:
        patched.setattr("souvenirs.tasks.find_spec", lambda name: None)
        task = tasks.task(getattr(unattended, name))
    with pytest.raises(ImproperlyConfigured) as refused:
        getattr(task, method)()
    assert str(refused.value) == (
        f"souvenirs.tasks.{name} needs Django 6.0 or the package django-tasks: install one of "
        f"them, or use souvenirs.celery.{name}."
    )


def test_site_without_the_queue_of_the_tasks(settings):
    backend = tasks.digest.get_backend().__class__
    name = f"{backend.__module__}.{backend.__qualname__}"
    settings.TASKS = {"default": {"BACKEND": name, "QUEUES": ["high", "low"]}}
    task = tasks.task(unattended.digest)
    with pytest.raises(ImproperlyConfigured) as refused:
        task.enqueue()
    assert str(refused.value) == (
        "souvenirs.tasks.digest is refused by TASKS (Queue 'default' is not valid for backend): "
        "give it a queue 'default', or use souvenirs.celery.digest."
    )


def test_site_without_celery(monkeypatch):
    find = importlib.util.find_spec
    spec = find("souvenirs.tasks")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != "celery" and find(name))
    spec.loader.exec_module(module)
    assert not hasattr(module, "celery")
    assert module.digest.enqueue().return_value["souvenirs"] == 3

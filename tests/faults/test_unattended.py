"""Digesting as a task, with real queues: what is sent twice, killed or late does no harm."""

import json
from functools import partial

import pytest
import redis

from tests.faults import site as site_module
from tests.faults.workers import CeleryWorker, Command, kill, with_settings
from tests.processes import module, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.thorough]

#: Enough that a run takes some seconds, in which it can be killed.
MANY = 120_000

#: Seconds that a task may take on the busiest machine.
LONG = 300

QUEUE = "django_tasks_database_dbtaskresult"


@pytest.fixture
def environment(site):
    """The environment of a site with a queue of Celery and one of Django."""
    module("celery")
    module("django_tasks_db")
    environment = with_settings(
        site.environment(),
        INSTALLED_APPS=[*site_module.INSTALLED_APPS, "django_tasks_db"],
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
        CELERY_BROKER_URL=site.cache,
        CELERY_RESULT_BACKEND=site.cache,
    )
    Command(environment)("migrate", "--verbosity=0")
    return environment


@pytest.fixture
def send(site):
    """Send a task of Celery by its name, and return a function that waits for its result."""
    from celery import Celery

    with Celery(broker=site.cache, set_as_current=False) as app:

        def send_task(name, **arguments):
            sent = app.send_task(f"souvenirs.celery.{name}", kwargs=arguments)
            return partial(result_of, site, sent.id)

        yield send_task


def result_of(site, task):
    """What Celery keeps of a task that is over: JSON, as any program would read it."""
    with redis.Redis.from_url(site.cache) as client:
        found = wait_until(lambda: client.get(f"celery-task-meta-{task}"), LONG)
    return json.loads(found)


@pytest.fixture
def leave(site):
    """Leave souvenirs of all users evenly over the days up to some days ago, and count them."""

    def leave_then(number, days, until=1):
        keys = f"ARRAY{[person.pk for person in site.people]}"
        site.server.execute(
            'INSERT INTO souvenirs_souvenir (user_id, "when", digested) '
            f"SELECT ({keys})[1 + n * 7 % {len(site.people)}], "
            f"now() - interval '{until} day' - interval '{days} day' * n / {number}, false "
            f"FROM generate_series(1, {number}) AS n",
            site.name,
        )
        return number

    return leave_then


def digested(site):
    return number(site, "souvenirs_souvenir WHERE digested")


def number(site, rows):
    return site.server.execute(f"SELECT count(*) FROM {rows}", site.name)[0][0]


def is_right(site, environment):
    """Whether every digest has the users of its souvenirs, and every final day their number."""
    assert ", found 0 differences." in Command(environment)("digest_souvenirs", "--verify")
    published = site.server.execute(
        "SELECT first_day, active FROM souvenirs_daily WHERE segment = '' AND is_final = 1",
        site.name,
    )
    counted = dict(
        site.server.execute(
            "SELECT (\"when\" AT TIME ZONE 'UTC')::date, count(DISTINCT user_id) "
            "FROM souvenirs_souvenir GROUP BY 1",
            site.name,
        )
    )
    assert len(published) > 10
    return all(active == counted.get(day, 0) for day, active in published)


# Celery


def test_celery_worker_returns_what_it_has_done(site, environment, send, leave):
    left = leave(2_000, days=20)
    with CeleryWorker(environment):
        outcome = send("digest", max_seconds=500)()["result"]
        assert outcome["souvenirs"] == left
        assert outcome["digests"] > 20
        assert outcome["figures"] > 20
        assert outcome["finished"] is True
        pruned = send("prune", older_than=0)()["result"]
        assert pruned == {"souvenirs": left - number(site, "souvenirs_souvenir"), "kept": 0}


def test_celery_tasks_that_pile_up_digest_everything_once(site, environment, send, leave):
    left = leave(50_000, days=20)
    with CeleryWorker(environment):
        results = [send("digest") for _ in range(12)]
        outcomes = [result()["result"] for result in results]
    assert sum(outcome["souvenirs"] for outcome in outcomes) == left
    assert is_right(site, environment)


def test_killed_celery_worker_loses_nothing(site, environment, send, leave):
    left = leave(MANY, days=60)
    with CeleryWorker(environment) as worker:
        send("digest")
        assert wait_until(lambda: digested(site), LONG)
        worker.kill()
        before = digested(site)
        assert 0 < before < left
        worker.start()
        assert send("digest")()["result"]["souvenirs"] == left - before
    assert is_right(site, environment)


def test_celery_makes_up_for_a_missed_week(site, environment, send, leave):
    leave(2_000, days=20, until=9)
    with CeleryWorker(environment):
        send("digest")()
        late = leave(1_000, days=8)
        assert send("digest")()["result"]["souvenirs"] == late
    assert is_right(site, environment)


def test_celery_beat_digests_by_itself(site, environment, leave):
    left = leave(500, days=20)
    schedule = {"digest": {"task": "souvenirs.celery.digest", "schedule": 1}}
    with CeleryWorker(with_settings(environment, CELERY_BEAT_SCHEDULE=schedule), beat=True):
        assert wait_until(lambda: digested(site) == left, LONG)


def test_failure_is_one_sentence(environment, send):
    with CeleryWorker(environment):
        found = send("prune")()
    assert found["status"] == "FAILURE"
    assert found["result"]["exc_type"] == "CommandError"
    assert found["result"]["exc_message"] == ["Use --older-than DAYS, or set SOUVENIRS_KEEP_DAYS."]


# django.tasks


def enqueue(environment):
    code = "from souvenirs.tasks import digest; digest.enqueue(max_seconds=500)"
    Command(environment)("shell", "-c", code)


def work(environment):
    return Command(environment).start("db_worker", "--batch", "--no-startup-delay")


def outcomes(site):
    """What the tasks that are over have returned; the values of JSON are text or decoded."""
    rows = site.server.execute(
        f"SELECT return_value FROM {QUEUE} WHERE status = 'SUCCESSFUL'", site.name
    )
    return [json.loads(value) if isinstance(value, str) else value for (value,) in rows]


def test_two_workers_of_django_at_once_digest_everything_once(site, environment, leave):
    left = leave(50_000, days=20)
    enqueue(environment)
    enqueue(environment)
    workers = [work(environment), work(environment)]
    assert [worker.wait(LONG) for worker in workers] == [0, 0]
    found = outcomes(site)
    assert len(found) == 2
    assert sum(outcome["souvenirs"] for outcome in found) == left
    assert is_right(site, environment)


def test_killed_worker_of_django_loses_nothing(site, environment, leave):
    left = leave(MANY, days=60)
    enqueue(environment)
    worker = work(environment)
    assert wait_until(lambda: digested(site), LONG)
    kill(worker.pid)
    worker.wait()
    before = digested(site)
    assert 0 < before < left
    enqueue(environment)
    assert work(environment).wait(LONG) == 0
    assert [outcome["souvenirs"] for outcome in outcomes(site)] == [left - before]
    assert is_right(site, environment)

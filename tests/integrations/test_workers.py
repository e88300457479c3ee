import json
from importlib.util import find_spec

import pytest

from souvenirs.control import souvenez
from tests.integrations.conftest import seen

pytestmark = pytest.mark.django_db


def test_worker_that_is_given_a_key(user):
    assert [souvenez(user.pk), souvenez(user.pk)] == ["added", "rate-limited"]
    assert seen() == [user.pk]


def test_worker_whose_key_went_through_json(user):
    key = json.loads(json.dumps(user.pk, default=str))
    assert [souvenez(key), souvenez(key)] == ["added", "rate-limited"]
    assert seen() == [user.pk]


@pytest.mark.skipif(not find_spec("django.tasks"), reason="Django has tasks since 6.0")
def test_task_of_django(user):
    from tests.integrations.workers import remember

    key = json.loads(json.dumps(user.pk, default=str))
    results = [remember.enqueue(key).return_value for _ in range(2)]
    assert results == ["added", "rate-limited"]
    assert seen() == [user.pk]

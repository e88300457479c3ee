"""Months whose two tables do not belong together are left alone until they are repaired."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL, cell_of, second_of
from souvenirs.control import count_active_users, erase_user
from souvenirs.digests import Digester, Pruner
from souvenirs.digests.folding import fold
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import DigestTable, get_store
from tests.conftest import fewer_where_brief, pk_of
from tests.digesting import START, digest, naive, ranges, run, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

HOUR, DAYS = timedelta(hours=1), timedelta(days=1)
MONTH = cell_of(MONTH_LEVEL, second_of(START))


@pytest.fixture
def older_digests(leave):
    """The digests of an older backup: they lack the visit of user 3."""
    leave((1, START), (2, START + HOUR))
    digest()
    backup = list(Digest.objects.values())
    leave((3, START + HOUR))
    digest()
    Digest.objects.all().delete()
    Digest.objects.bulk_create(Digest(**row) for row in backup)
    assert get_store().digests.apart()


def test_month_out_of_the_range_is_not_repaired(older_digests):
    list(Digester(since=START + 400 * DAYS).run())
    assert get_store().digests.apart()
    list(Digester().run())
    assert not get_store().digests.apart()
    assert count_active_users() == 3


def test_nothing_is_folded_before_the_month_is_repaired(older_digests, leave):
    leave((4, START + 2 * HOUR))
    assert fold(MONTH).souvenirs == 0
    assert get_store().souvenirs.undigested().count() == 1
    digest()
    assert count_active_users() == 4


def test_erasing_does_not_hide_that_a_month_has_to_be_repaired(older_digests):
    erase_user(pk_of(2))
    assert get_store().digests.apart()
    digest()
    assert count_active_users() == 2


def test_a_month_without_undigested_souvenirs_is_folded_into_nothing(leave):
    leave((1, START))
    digest()
    assert fold(MONTH).souvenirs == 0


def test_digests_of_souvenirs_deleted_by_hand_are_deleted_by_a_rebuild(leave):
    leave((1, START), (2, START + DAYS))
    digest()
    day = cell_of(DAY_LEVEL, second_of(START + DAYS))
    Souvenir.objects.filter(user_id=pk_of(2)).delete()
    run("digest_souvenirs", "--rebuild")
    assert not Digest.objects.filter(start__gte=day.start, level__lte=DAY_LEVEL).exists()
    assert count_active_users() == 1
    assert "found 0 differences" in run("digest_souvenirs", "--verify")


def test_digests_of_other_kinds_have_no_souvenirs_to_belong_to(older_digests):
    assert DigestTable("default", "other").faults() == []


@pytest.mark.parametrize("days", fewer_where_brief([0, 2, 40], kept=[2]))
def test_migration_seals_digests_as_they_are(leave, days):
    rows = [*sightings(), (1, START + 45 * DAYS)]
    leave(*rows)
    digest()
    list(Pruner(START + days * DAYS).run())
    migration = import_module("souvenirs.migrations.0009_seals")
    editor = SimpleNamespace(connection=connection)
    migration.unseal(apps, editor)
    Souvenir.objects.update(seal=None)
    migration.seal(apps, editor)
    assert get_store().digests.faults() == []
    for start, end in ranges(3600, count=10):
        assert count_active_users(start, end) == len(naive(rows, start, end))
    assert "found 0 differences" in run("digest_souvenirs", "--verify")

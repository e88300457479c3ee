from datetime import date

import pytest
from django.contrib.auth import get_user_model

from souvenirs.models import (
    Delivery,
    Digest,
    Figure,
    FigureLock,
    Souvenir,
    Statement,
    StatementLeaf,
    StatementLock,
    UserNumber,
)
from tests.conftest import at, pk_of

pytestmark = pytest.mark.django_db


def test_says_who_and_when(leave):
    leave((1, at(2016, 1, 1)))
    assert str(Souvenir.objects.get()) == f"user={pk_of(1)} when=2016-01-01 00:00:00+00:00"


def test_latest_souvenir_comes_first(leave):
    leave((1, at(2016, 1, 1)), (1, at(2016, 1, 2)))
    assert Souvenir.objects.first().when == at(2016, 1, 2)


def test_deleting_a_user_keeps_the_souvenirs(make_user, leave):
    user = make_user()
    leave((1, at(2016, 1, 1)))
    user.delete()
    assert Souvenir.objects.get().user_id == pk_of(1)
    assert not get_user_model().objects.exists()


def test_user_that_never_existed_can_be_remembered(leave):
    leave((99, at(2016, 1, 1)))
    assert Souvenir.objects.filter(user_id=pk_of(99)).exists()


def test_digest_tells_which_it_is():
    assert str(Digest(level=3600, start=7200, count=3)) == "active level=3600 start=7200 count=3"


def test_number_tells_whose_it_is():
    assert str(UserNumber(number=3, user_id=pk_of(1))) == f"user={pk_of(1)} number=3"


def test_figure_tells_what_it_is():
    figure = Figure(metric="active", interval="week", first_day=date(2016, 2, 29), value=3)
    assert str(figure) == "active week=2016-02-29 value=3"


def test_lock_tells_how_often_figures_have_been_marked():
    assert str(FigureLock(pk=FigureLock.ONLY, marks=5)) == "marks=5"


def test_delivery_does_not_tell_whose_it_is():
    delivery = Delivery(interval="week", first_day=date(2016, 2, 29))
    assert str(delivery) == "week=2016-02-29 sent=None"


@pytest.mark.parametrize(("name", "shown"), [("Acme", "Acme"), ("", "everyone")])
def test_statement_tells_whose_it_is(name, shown):
    assert str(Statement(name=name, number=3)) == f"Statement 3 of {shown}"


def test_leaf_tells_whose_it_is():
    assert str(StatementLeaf(statement_id=3, user_id=pk_of(1))) == f"statement=3 user={pk_of(1)}"


def test_lock_tells_how_often_statements_have_been_locked():
    assert str(StatementLock(pk=StatementLock.ONLY, times=5)) == "times=5"

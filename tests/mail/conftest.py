"""A site in its second month, on a Monday morning."""

from datetime import timedelta

import pytest

from tests.conftest import at
from tests.mail.smtp import mail_server, use_mail_server

#: Monday of week 47; the last whole week began on 13 November.
NOW = at(2017, 11, 20, 6)
MONDAY = at(2017, 11, 13)
DAY = timedelta(days=1)


@pytest.fixture
def now(set_now):
    set_now(NOW)
    return NOW


@pytest.fixture
def history(leave, now):
    """Two weeks: users 1 to 4 in the first, 3 to 8 in the second; somebody on the Monday after."""
    leave(
        *((number, MONDAY - 7 * DAY + number * DAY) for number in (1, 2, 3, 4)),
        *((number, MONDAY + (number - 2) * DAY) for number in (3, 4, 5, 6, 7, 8)),
        (9, MONDAY + 7 * DAY),
    )


@pytest.fixture
def mailbox(settings):
    """The mailbox of the mail server of the site."""
    with mail_server() as (mailbox, port):
        use_mail_server(settings, port)
        yield mailbox

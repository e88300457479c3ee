import pytest
from datetime import timedelta
from tests.conftest import at, pk_of
from souvenirs.control import *
from souvenirs import reports
pytestmark = pytest.mark.django_db
def test_all(make_user, leave, client):
    u=make_user(joined=at(2016,1,1)); v=make_user(joined=at(2016,2,1), active=False)
    leave((1,at(2016,1,5)),(1,at(2016,1,6)),(2,at(2016,2,5)))
    assert count_active_users()==2
    s=active_users(at(2016,1,1),at(2016,2,1))
    assert u in s and v not in s and list(s.users())==[u]
    rows=list(reports.calendar_monthly_usage(at(2015,12,1),at(2016,4,1)))
    print(rows)
    assert [r['usage']['active_users'] for r in rows]==[None,1,1,0]
    assert souvenez(u)=='added'
    assert souvenez(u)=='rate-limited'
    assert souvenez(u,at(2016,1,1))=='added'

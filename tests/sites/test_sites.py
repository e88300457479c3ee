import pytest

from tests.conftest import require_server
from tests.sites.run import run
from tests.sites.shapes import SHAPES

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("name", SHAPES)
def test_answers_equal_brute_force(name):
    if SHAPES[name].database != "sqlite":
        require_server(SHAPES[name].database)
    done = run(name)
    assert done.returncode == 0, done.stdout

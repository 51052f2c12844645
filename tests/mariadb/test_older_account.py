"""What is promised of the reading account, on Debian 12's MariaDB 10.11: the same tests, there."""

import pytest
from older_server import *  # noqa: F403 - the fixtures in the stead of kb's own server
from test_readonly_account import *  # noqa: F403 - the tests
from test_readonly_account import FORBIDDEN, number_of

pytestmark = pytest.mark.slow

_NEEDS_FILE = 1227  # as 10.11 numbers what 11.8 denies by 1045


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_it_can_do_nothing_else(opened, sql):
    assert number_of(opened("orders"), sql) in {FORBIDDEN[sql], _NEEDS_FILE}

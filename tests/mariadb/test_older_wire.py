"""What reaches Debian 12's MariaDB 10.11 is what was checked: the same tests, there."""

import pytest
from older_server import *  # noqa: F403 - the fixtures in the stead of kb's own server
from test_sql_wire import *  # noqa: F403 - the tests

pytestmark = pytest.mark.slow

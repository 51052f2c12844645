"""What is promised of the reading account, on Debian 12's MariaDB 10.11: the same tests, there."""

import pytest
from older_server import *  # noqa: F403 - the fixtures in the stead of kb's own server
from test_readonly_account import *  # noqa: F403 - the tests

pytestmark = pytest.mark.slow
